/* tests/track/fake_masks.h - a segmenter of a made-up world, whose mistakes are scripted.
 *
 * The world holds things, rectangles in a frame of 640 x 480 pixels. A box prompt takes hold of the
 * thing that it overlaps most; from then on the object's mask is that thing's rectangle, moved by
 * the object's drift, until the thing is hidden. */
#ifndef TESTS_TRACK_FAKE_MASKS_H
#define TESTS_TRACK_FAKE_MASKS_H

#include "support/cmocka_all.h"

#include "track/association.h"
#include "track/follower.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORLD_W = 640,
    WORLD_H = 480,
    GRID_W = 80,
    GRID_H = 60,
    CELL_PX = WORLD_W / GRID_W,
    MAX_THINGS = 8,
    MAX_HELD = 16
};

typedef struct thing {
    roto_box box;
    bool hidden;
    float look; /* an angle; things of like angles look alike */
} thing;

typedef struct held_object {
    int64_t id;
    int thing;
    float drift_px; /* to the right; a prompt ends it */
    float iou;
    bool forgetful; /* does not find its thing again once it was hidden */
    bool blind;
    int prompts;
    float logits[GRID_W * GRID_H];
} held_object;

typedef struct fake_world {
    thing things[MAX_THINGS];
    int n_things;
    held_object held[MAX_HELD]; /* by id */
    int n_held;
    roto_segment segments[MAX_HELD];
    int n_prompts, n_removed; /* in all */
    roto_status fail_next;    /* of the next frame, then ROTO_OK */
} fake_world;

static inline held_object *fake_find(fake_world *w, int64_t id)
{
    for (int i = 0; i < w->n_held; i++)
        if (w->held[i].id == id)
            return &w->held[i];
    return NULL;
}

static inline void fake_paint(float *logits, const roto_box *box)
{
    for (int y = 0; y < GRID_H; y++)
        for (int x = 0; x < GRID_W; x++) {
            const float u = ((float)x + 0.5f) * CELL_PX, v = ((float)y + 0.5f) * CELL_PX;
            const bool in = u > box->x0 && u < box->x1 && v > box->y0 && v < box->y1;
            logits[y * GRID_W + x] = in ? 5 : -5;
        }
}

static inline roto_status fake_results(void *user, const roto_segment **segments, int32_t *n)
{
    fake_world *w = user;
    for (int i = 0; i < w->n_held; i++) {
        held_object *o = &w->held[i];
        const thing *t = o->thing < 0 ? NULL : &w->things[o->thing];
        const bool seen = t && !t->hidden && !o->blind;
        roto_box box = t ? t->box : (roto_box){0};
        box.x0 += o->drift_px;
        box.x1 += o->drift_px;
        fake_paint(o->logits, seen ? &box : &(roto_box){0});
        w->segments[i] = (roto_segment){.id = o->id,
                                        .object_score = seen ? 8 : -8,
                                        .iou = seen ? o->iou : 0,
                                        .logits = o->logits,
                                        .logits_width = GRID_W,
                                        .logits_height = GRID_H};
    }
    *segments = w->segments;
    *n = w->n_held;
    return ROTO_OK;
}

static inline roto_status fake_frame(void *user, const roto_image *image, int64_t index,
                                     const roto_segment **segments, int32_t *n)
{
    (void)image;
    (void)index;
    fake_world *w = user;
    const roto_status status = w->fail_next;
    w->fail_next = ROTO_OK;
    if (status != ROTO_OK)
        return status;
    for (int i = 0; i < w->n_held; i++)
        if (w->held[i].thing >= 0 && w->things[w->held[i].thing].hidden && w->held[i].forgetful)
            w->held[i].blind = true;
    return fake_results(user, segments, n);
}

static inline roto_status fake_prompt(void *user, int64_t id, int64_t frame,
                                      const roto_prompt *prompt)
{
    (void)frame;
    fake_world *w = user;
    held_object *o = fake_find(w, id);
    if (!o) {
        assert_true(w->n_held < MAX_HELD);
        int at = w->n_held++;
        for (; at > 0 && w->held[at - 1].id > id; at--)
            w->held[at] = w->held[at - 1];
        o = &w->held[at];
        *o = (held_object){.id = id};
    }
    o->thing = -1;
    float best = 0.05f;
    for (int t = 0; prompt->box && t < w->n_things; t++) {
        const float iou = w->things[t].hidden ? 0 : box_iou(prompt->box, &w->things[t].box);
        if (iou > best) {
            best = iou;
            o->thing = t;
        }
    }
    o->blind = false;
    o->drift_px = 0;
    o->iou = 0.9f;
    o->prompts++;
    w->n_prompts++;
    return ROTO_OK;
}

static inline roto_status fake_remove(void *user, int64_t id)
{
    fake_world *w = user;
    held_object *o = fake_find(w, id);
    assert_non_null(o); /* a follower removes what it holds, once */
    const size_t after = (size_t)(&w->held[w->n_held] - (o + 1));
    memmove(o, o + 1, after * sizeof(*o));
    w->n_held--;
    w->n_removed++;
    return ROTO_OK;
}

/* What the middle of a mask looks like: the look of the thing there. */
static inline void fake_features(void *user, const mask_grid *grid, const uint64_t *bits,
                                 float *features)
{
    fake_world *w = user;
    int best = -1;
    int32_t most = 0;
    for (int t = 0; t < w->n_things; t++) {
        int32_t n = 0;
        const roto_box *b = &w->things[t].box;
        for (int y = 0; y < GRID_H; y++)
            for (int x = 0; x < GRID_W; x++) {
                const float u = ((float)x + 0.5f) * CELL_PX, v = ((float)y + 0.5f) * CELL_PX;
                n += !w->things[t].hidden && u > b->x0 && u < b->x1 && v > b->y0 && v < b->y1 &&
                     (bits[y * grid->row_words + x / 64] >> x % 64 & 1);
            }
        if (n > most) {
            most = n;
            best = t;
        }
    }
    features[0] = best < 0 ? -1 : cosf(w->things[best].look);
    features[1] = best < 0 ? 0 : sinf(w->things[best].look);
}

static inline follow_masks fake_masks(fake_world *w)
{
    return (follow_masks){.user = w,
                          .max_objects = MAX_HELD,
                          .n_features = 2,
                          .frame = fake_frame,
                          .prompt = fake_prompt,
                          .remove = fake_remove,
                          .results = fake_results,
                          .features = fake_features};
}

#endif
