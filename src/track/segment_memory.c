/* Options of which mask is chosen and what is remembered. */
#include "track/segmenter.h"

#include "track/memory_prune.h"

/* The decoder's masks for ambiguous prompts, among which a tracked one is chosen. */
enum { FIRST_MASK = 1, N_CHOICES = SAM2_N_MASKS - FIRST_MASK };

/* Around the mask, in pixels of the frame; returns its area. */
static float measure(const roto_segmenter *s, const float *logits, roto_box *box)
{
    const int32_t w = s->size.mask_w, h = s->size.mask_h;
    int32_t x0 = w, y0 = h, x1 = 0, y1 = 0, n = 0;
    for (int32_t y = 0; y < h; y++) {
        for (int32_t x = 0; x < w; x++) {
            if (!(logits[(int64_t)y * w + x] > 0))
                continue;
            x0 = x < x0 ? x : x0;
            x1 = x >= x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0;
            y1 = y + 1;
            n++;
        }
    }
    const segment_view *v = &s->view;
    const float cell_w = (float)v->w / (float)w, cell_h = (float)v->h / (float)h;
    *box = (roto_box){(float)v->x + (float)x0 * cell_w, (float)v->y + (float)y0 * cell_h,
                      (float)v->x + (float)x1 * cell_w, (float)v->y + (float)y1 * cell_h};
    return (float)n * cell_w * cell_h;
}

int32_t segment_choose_by_motion(roto_segmenter *s, segment_object *o, const float *masks,
                                 const float *ious)
{
    const int64_t n_pixels = (int64_t)s->size.mask_w * s->size.mask_h;
    motion_candidate c[N_CHOICES];
    for (int32_t i = 0; i < N_CHOICES; i++) {
        const float area = measure(s, masks + (FIRST_MASK + i) * n_pixels, &c[i].box);
        c[i].any = o->object_score > 0 && area > 0;
        c[i].iou = ious[FIRST_MASK + i];
    }
    return FIRST_MASK + motion_choose(&o->motion, c, N_CHOICES, s->frame);
}

void segment_look_for_distractor(roto_segmenter *s, segment_object *o, const float *masks,
                                 int thread)
{
    const int64_t n_pixels = (int64_t)s->size.mask_w * s->size.mask_h;
    roto_box box;
    const float area = o->object_score > 0 ? measure(s, o->raw, &box) : 0;
    o->anchors = false;
    if (!distractor_may_anchor(&o->distractor, area, o->iou, s->frame))
        return;
    const distractor_scratch scratch = {s->hole_queue + thread * n_pixels,
                                        s->hole_state + thread * n_pixels};
    for (int32_t i = FIRST_MASK; i < SAM2_N_MASKS && !o->anchors; i++) {
        if (i != o->choice)
            o->anchors = distractor_ratio(o->raw, masks + i * n_pixels, s->size.mask_w,
                                          s->size.mask_h, &scratch) <= DISTRACTOR_THETA_ANC;
    }
    if (o->anchors)
        distractor_anchored(&o->distractor, s->frame);
}

void segment_remember_prompted(roto_segmenter *s, segment_object *o)
{
    roto_box box;
    o->anchors = false;
    if (s->params.memory.motion_aware && o->object_score > 0 && measure(s, o->logits, &box) > 0)
        motion_start(&o->motion, &box, s->frame);
}

void segment_judge_memory(roto_segmenter *s, segment_object *o, memory_slot *slot)
{
    const roto_memory_params *p = &s->params.memory;
    const bool in_sight = o->object_score > 0, tracked = o->source == ROTO_SEGMENT_TRACKED;
    if (o->bank.shape.selective)
        memory_select_judge(&o->bank, slot, in_sight || !p->distractor_aware,
                            in_sight && (!p->motion_aware || !tracked ||
                                         motion_keeps(&o->motion, o->iou, o->object_score)));
    slot->pruned = p->prune_margin >= 0;
    if (slot->pruned)
        memory_prune(o->logits, s->size.w, s->size.h, p->prune_margin, slot->cells);
}
