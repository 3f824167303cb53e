/* Decides at the end of a frame which masks are believed and which objects stay. */
#include "track/follower.h"

#include "base/error.h"
#include "track/camera.h"

#include <math.h>

/* Of what the segmenter has to trust a mask before a detection prompts again, so much is needed to
 * believe it without one: below, its pixels lie all over the picture. */
static const float LEAST_TRUST = 0.5f;

/* What was out of sight has to be as like itself as a detection that is taken for it, and the
 * segmenter sure: its memory alone finds it on furniture, too. */
static bool believed(const roto_follower *f, int slot)
{
    const followed_mask *m = &f->of[slot];
    const object *o = &f->objects.slots[slot];
    if (!m->has_mask || m->by_user || m->agrees)
        return m->has_mask;
    const bool was_lost = o->n_history > 0 && o->missed_frames > 1;
    if (was_lost)
        return m->likeness >= f->params.return_likeness && m->iou >= f->params.least_iou;
    return m->likeness >= f->params.least_likeness && m->iou >= LEAST_TRUST * f->params.least_iou;
}

/* Whether no detection has agreed with the mask for too long. */
static bool unsupported(const roto_follower *f, const followed_mask *m)
{
    return f->detected && !m->by_user && f->params.max_unsupported_s > 0 &&
           f->time_s - m->supported_s > f->params.max_unsupported_s;
}

void follow_observe(roto_follower *f, int slot)
{
    object *o = follower_object(f, slot);
    followed_mask *m = &f->of[slot];
    m->in_sight = true;
    if (o->n_history > 0 && object_latest(o)->frame == f->index)
        return; /* a prompt has changed its mask since */
    if (o->n_history == 0 || o->missed_frames > 1) {
        m->sight_start_s = f->time_s;
        kalman_start(&o->motion, &m->box);
        o->predicted = m->box;
    } else {
        kalman_correct(&o->motion, &m->box, fminf(fmaxf(m->iou, 0), 1));
    }
    o->missed_frames = 0;
    object_observe(o, &(observation){m->box, f->index, f->time_s});
    if (m->agrees || m->by_user)
        follow_note_features(f, slot);
}

static roto_status settle(roto_follower *f)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        followed_mask *m = &f->of[slot];
        if (m->dead || !believed(f, slot))
            continue;
        if (unsupported(f, m))
            ROTO_TRY(follower_forget_mask(f, slot));
        else
            follow_observe(f, slot);
    }
    float dx = 0, dy = 0;
    if (!camera_motion(&f->objects, f->scratch, &dx, &dy))
        return ROTO_OK;
    for (int i = 0; i < f->objects.n_live; i++) {
        object *o = registry_at(&f->objects, i);
        if (o->missed_frames > 0)
            object_shift(o, dx, dy);
    }
    return ROTO_OK;
}

/* Of two objects with one mask the one that goes: what a user marked stays, then what has been in
 * sight for longer, then the older. -1: none. */
static int surplus(const roto_follower *f, int older, int younger)
{
    const followed_mask *a = &f->of[older], *b = &f->of[younger];
    if (a->by_user || b->by_user)
        return a->by_user && b->by_user ? -1 : a->by_user ? younger : older;
    return a->sight_start_s > b->sight_start_s ? older : younger;
}

static bool same_mask(const roto_follower *f, int a, int b)
{
    const uint64_t *x = follower_bits(f, a), *y = follower_bits(f, b);
    const int32_t common = mask_common(&f->grid, x, y);
    const int32_t all = f->of[a].area_cells + f->of[b].area_cells - common;
    return (float)common >= f->params.duplicate_iou * (float)all;
}

/* Counts for how long an object has shared its mask with another; with a new twin the count begins
 * again. */
static roto_status count_twin(roto_follower *f, int loser, int winner, bool *counted)
{
    followed_mask *m = &f->of[loser];
    const int64_t id = follower_object(f, winner)->id;
    m->twin_frames = m->twin_id == id ? m->twin_frames + 1 : 1;
    m->twin_id = id;
    *counted = true;
    if (m->twin_frames < f->params.duplicate_frames && follower_object(f, loser)->confirmed)
        return ROTO_OK;
    m->dead = !follower_object(f, loser)->confirmed;
    return follower_forget_mask(f, loser);
}

static roto_status resolve_duplicates(roto_follower *f)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        const int a = f->objects.live[i];
        bool counted = false;
        for (int k = 0; k < f->objects.n_live && !counted && f->of[a].in_sight; k++) {
            const int b = f->objects.live[k];
            if (k == i || !f->of[b].in_sight ||
                !follower_same_class(f, follower_object(f, a)->class_id,
                                     follower_object(f, b)->class_id) ||
                surplus(f, k < i ? b : a, k < i ? a : b) != a || !same_mask(f, a, b))
                continue;
            ROTO_TRY(count_twin(f, a, b, &counted));
        }
        if (!counted)
            f->of[a].twin_id = 0;
    }
    return ROTO_OK;
}

/* An observation stands for the time until the next frame, and half a frame more absorbs jitter of
 * timestamps, as in the tracker of boxes. */
static roto_status forget_the_absent(roto_follower *f)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        const object *o = follower_object(f, slot);
        followed_mask *m = &f->of[slot];
        if (m->by_user || m->in_sight || o->n_history == 0)
            continue;
        const double absent_s = f->time_s - object_latest(o)->time_s - 1.5 * f->frame_s;
        if (!o->confirmed || absent_s > f->params.tracker.max_absence_s) {
            m->dead = true;
            ROTO_TRY(follower_forget_mask(f, slot));
        }
    }
    follower_bury(f);
    return ROTO_OK;
}

roto_status follow_settle(roto_follower *f)
{
    ROTO_TRY(settle(f));
    ROTO_TRY(resolve_duplicates(f));
    return forget_the_absent(f);
}
