#include "track/everything_grid.h"

#include <math.h>
#include <stdlib.h>

enum { CUT_PX = 20 };

/* n parts that overlap cover `length`. */
static int32_t part_length(int32_t length, int32_t n, int32_t overlap)
{
    return (overlap * (n - 1) + length + n - 1) / n;
}

crop_layer crop_layer_make(int32_t image_w, int32_t image_h, int32_t layer, double overlap)
{
    const int32_t n = 1 << layer, shorter = image_w < image_h ? image_w : image_h;
    crop_layer l = {.image_w = image_w, .image_h = image_h, .n_per_side = n};
    const int32_t shared = n > 1 ? (int32_t)(overlap * shorter * (2.0 / n)) : 0;
    l.w = part_length(image_w, n, shared);
    l.h = part_length(image_h, n, shared);
    l.step_x = l.w - shared;
    l.step_y = l.h - shared;
    return l;
}

int32_t crop_layer_n(const crop_layer *l)
{
    return l->n_per_side * l->n_per_side;
}

mask_edges crop_layer_part(const crop_layer *l, int32_t index, bool even)
{
    mask_edges e = {.x0 = index / l->n_per_side * l->step_x,
                    .y0 = index % l->n_per_side * l->step_y};
    e.x1 = e.x0 + l->w < l->image_w ? e.x0 + l->w : l->image_w;
    e.y1 = e.y0 + l->h < l->image_h ? e.y0 + l->h : l->image_h;
    if (even) {
        e.x0 -= e.x0 % 2;
        e.y0 -= e.y0 % 2;
    }
    return e;
}

void grid_point(int32_t n, int32_t index, int32_t w, int32_t h, float *x, float *y)
{
    *x = (float)((index % n + 0.5) / n * w);
    *y = (float)((index / n + 0.5) / n * h);
}

static bool is_cut(int32_t edge, int32_t of_part, int32_t of_image)
{
    return abs(edge - of_part) <= CUT_PX && abs(edge - of_image) > CUT_PX;
}

bool box_is_cut(const mask_edges *last, const mask_edges *part, int32_t image_w, int32_t image_h)
{
    return is_cut(last->x0, part->x0, 0) || is_cut(last->y0, part->y0, 0) ||
           is_cut(last->x1, part->x1, image_w) || is_cut(last->y1, part->y1, image_h);
}
