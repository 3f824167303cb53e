/* Pairs masks with detections. */
#include "track/follower.h"

#include "track/association.h"
#include "track/evidence.h"

/* A mask inside a box speaks for the pair even if it covers little of it, as after a drift onto a
 * part; on its own this is just too little for the default match_iou. */
static const float INSIDE_WEIGHT = 0.15f;

static void measure(roto_follower *f)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        const followed_mask *m = &f->of[slot];
        if (!m->has_mask)
            continue;
        mask_sum(&f->parts, &f->grid, follower_bits(f, slot));
        for (int32_t d = 0; d < f->n_detections; d++)
            f->inside[(size_t)slot * (size_t)f->max_detections + (size_t)d] =
                (float)mask_in_box(&f->parts, &f->grid, &f->detections[d].box) /
                (float)m->area_cells;
    }
}

static float inside_of(const roto_follower *f, int slot, int32_t d)
{
    return f->inside[(size_t)slot * (size_t)f->max_detections + (size_t)d];
}

static float pair_gain(roto_follower *f, int slot, int32_t d, bool low)
{
    const followed_mask *m = &f->of[slot];
    const object *o = follower_object(f, slot);
    const roto_detection *found = &f->detections[d];
    if (!follower_same_class(f, o->class_id, found->class_id))
        return 0;
    const float iou = box_iou(&m->box, &found->box), inside = inside_of(f, slot, d);
    if (low)
        return iou >= f->params.tracker.match_iou_low ? iou * inside : 0;
    const float expected = o->n_history > 0 ? box_iou(&o->predicted, &found->box) : iou;
    const float gain = inside * ((iou + expected) / 2 + INSIDE_WEIGHT);
    return gain >= f->params.tracker.match_iou ? gain : 0;
}

/* What a detection says about the object that it was paired with. */
static void note(roto_follower *f, int slot, int32_t d, bool low)
{
    followed_mask *m = &f->of[slot];
    object *o = follower_object(f, slot);
    const roto_detection *found = &f->detections[d];
    const float iou = box_iou(&m->box, &found->box);
    m->detection = d;
    f->object_of[d] = slot;
    m->agrees = iou >= f->params.anchor_iou && inside_of(f, slot, d) >= f->params.anchor_share;
    if (iou >= f->params.tracker.match_iou)
        m->supported_s = f->time_s;
    if (low)
        return;
    m->disagreed = m->agrees ? 0 : m->disagreed + 1;
    if (m->by_user && !m->agrees)
        return;
    o->class_id = found->class_id;
    o->score = found->score;
    o->evidence =
        evidence_add(o->evidence, f->evidence_needed, found->score, f->params.tracker.high_score);
}

/* Pairs masks that are still free with free detections first..end - 1. */
static void pair(roto_follower *f, int32_t first, int32_t end, bool low)
{
    int n_rows = 0, n_columns = 0;
    for (int i = 0; i < f->objects.n_live; i++) {
        const followed_mask *m = &f->of[f->objects.live[i]];
        if (m->has_mask && m->detection < 0)
            f->rows[n_rows++] = f->objects.live[i];
    }
    for (int32_t d = first; d < end; d++)
        if (f->object_of[d] < 0)
            f->columns[n_columns++] = d;
    if (n_rows == 0 || n_columns == 0)
        return;
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_columns; c++)
            f->gain[(size_t)r * (size_t)n_columns + (size_t)c] =
                (double)pair_gain(f, f->rows[r], f->columns[c], low);
    assignment_solve(f->pairing, f->gain, n_rows, n_columns, f->column_of_row);
    for (int r = 0; r < n_rows; r++)
        if (f->column_of_row[r] >= 0)
            note(f, f->rows[r], f->columns[f->column_of_row[r]], low);
}

void follow_match(roto_follower *f)
{
    measure(f);
    pair(f, 0, f->n_high, false);
    pair(f, f->n_high, f->n_detections, true);
}
