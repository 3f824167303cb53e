#include "track/motion_memory.h"

#include "track/association.h"

/* The filter's noise is by time, and frames have no times here. */
static const double FRAME_S = 1.0 / 25;

void motion_start(motion_memory *m, const roto_box *box, int64_t frame)
{
    *m = (motion_memory){.started = true, .frame = frame, .stable_frames = 1};
    kalman_start(&m->filter, box);
}

static float score_of(const motion_candidate *c, const roto_box *expected)
{
    return c->any ? box_iou(&c->box, expected) : 0;
}

int32_t motion_choose(motion_memory *m, const motion_candidate *c, int32_t n, int64_t frame)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        best = c[i].iou > c[best].iou ? i : best;
    m->has_say = false;
    if (!m->started) {
        if (c[best].any)
            motion_start(m, &c[best].box, frame);
        return best;
    }
    const int64_t passed = frame > m->frame ? frame - m->frame : m->frame - frame;
    kalman_predict(&m->filter, (double)passed * FRAME_S);
    m->frame = frame;
    if (m->stable_frames >= MOTION_STABLE_FRAMES) {
        const roto_box expected = kalman_get(&m->filter);
        float most = -1;
        for (int32_t i = 0; i < n; i++) {
            const float kf = score_of(&c[i], &expected),
                        score = MOTION_ALPHA_KF * kf + (1 - MOTION_ALPHA_KF) * c[i].iou;
            if (score <= most)
                continue;
            most = score;
            best = i;
            m->kf_score = kf;
        }
        m->has_say = true;
    }
    if (c[best].any && c[best].iou > MOTION_STABLE_IOU) {
        kalman_correct(&m->filter, &c[best].box, 1);
        m->stable_frames++;
    } else {
        m->stable_frames = 0;
    }
    return best;
}

bool motion_keeps(const motion_memory *m, float iou, float object_score)
{
    return iou > MOTION_TAU_MASK && object_score > MOTION_TAU_OBJECT &&
           (!m->has_say || m->kf_score > MOTION_TAU_KF);
}
