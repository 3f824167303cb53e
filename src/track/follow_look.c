/* Reads the segmenter's masks. */
#include "track/follower.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Fewer cells are no mask: the grid's cells are 4 pixels wide at the model's size, and nothing so
 * small can be told from a slip. */
enum { LEAST_CELLS = 4 };

/* How much of what an object looks like is today's. At 25 frames a second the memory halves in a
 * second. */
static const float FEATURES_STEP = 0.03f;

/* All masks of a segmenter share a grid; it is known with the first one. */
static roto_status fit_grid(roto_follower *f, const roto_segment *s)
{
    const mask_grid g = mask_grid_make(s->logits_width, s->logits_height, f->frame_w, f->frame_h);
    const bool fits = g.w == f->grid.w && g.h == f->grid.h;
    f->grid = g;
    if (fits)
        return ROTO_OK;
    free(f->bits);
    free(f->common_bits);
    mask_parts_release(&f->parts);
    f->grid.w = 0; /* until everything is there */
    const size_t words = (size_t)mask_grid_words(&g);
    f->bits = memory_new_array((size_t)f->objects.capacity * words, sizeof(*f->bits));
    f->common_bits = memory_new_array(words, sizeof(*f->common_bits));
    if (!f->bits || !f->common_bits)
        return ROTO_ERROR_MEMORY;
    ROTO_TRY(mask_parts_init(&f->parts, g.w * g.h));
    f->grid = g;
    return ROTO_OK;
}

static float *features_of(float *all, const roto_follower *f, int slot)
{
    return all + (size_t)slot * (size_t)f->masks.n_features;
}

float follow_likeness(const roto_follower *f, int past_slot, int now_slot)
{
    if (!f->of[past_slot].alike)
        return 1;
    const float *past = features_of(f->past_features, f, past_slot),
                *now = features_of(f->features, f, now_slot);
    double product = 0, square = 0;
    for (int32_t k = 0; k < f->masks.n_features; k++) {
        product += (double)past[k] * (double)now[k];
        square += (double)past[k] * (double)past[k];
    }
    return square > 0 ? (float)(product / sqrt(square)) : 1;
}

void follow_note_features(roto_follower *f, int slot)
{
    float *past = features_of(f->past_features, f, slot);
    const float *now = features_of(f->features, f, slot);
    const float step = f->of[slot].alike ? FEATURES_STEP : 1;
    for (int32_t k = 0; k < f->masks.n_features; k++)
        past[k] += step * (now[k] - past[k]);
    f->of[slot].alike = f->masks.n_features > 0;
}

roto_status follow_look(roto_follower *f, int slot, const roto_segment *s)
{
    followed_mask *m = &f->of[slot];
    m->has_mask = m->in_sight = m->agrees = false;
    m->detection = -1;
    m->area_cells = 0;
    m->box = (roto_box){0};
    if (!s)
        return ROTO_OK;
    m->object_score = s->object_score;
    m->iou = s->iou;
    ROTO_TRY(fit_grid(f, s));
    m->area_cells = mask_read(&f->parts, &f->grid, s->logits, follower_bits(f, slot), &m->box);
    m->has_mask = s->object_score > 0 && m->area_cells >= LEAST_CELLS;
    if (!m->has_mask)
        return ROTO_OK;
    if (f->masks.n_features > 0)
        f->masks.features(f->masks.user, &f->grid, follower_bits(f, slot),
                          features_of(f->features, f, slot));
    m->likeness = follow_likeness(f, slot, slot);
    return ROTO_OK;
}

roto_status follow_look_again(roto_follower *f, int slot)
{
    const roto_segment *segments;
    int32_t n;
    ROTO_TRY(f->masks.results(f->masks.user, &segments, &n));
    const int64_t id = follower_object(f, slot)->id;
    const int32_t detection = f->of[slot].detection;
    const roto_segment *found = NULL;
    for (int32_t i = 0; i < n && !found; i++)
        found = segments[i].id == id ? &segments[i] : NULL;
    ROTO_TRY(follow_look(f, slot, found));
    f->of[slot].detection = detection;
    return ROTO_OK;
}
