/* track/everything_grid.h - where automatic masks look: parts of the image, and points in them. */
#ifndef TRACK_EVERYTHING_GRID_H
#define TRACK_EVERYTHING_GRID_H

#include "track/mask_scale.h"

enum { EVERYTHING_MAX_LAYERS = 3 };

/* The parts of one layer: layer 0 is the image, layer n has 2^n x 2^n that overlap. Parts are
 * numbered column by column, as published. */
typedef struct crop_layer {
    int32_t image_w, image_h;
    int32_t n_per_side;
    int32_t w, h;           /* of a part; the last ones may be cut off */
    int32_t step_x, step_y; /* from one to the next */
} crop_layer;

/* overlap: of the first layer's parts, as a share of the image's shorter side. */
crop_layer crop_layer_make(int32_t image_w, int32_t image_h, int32_t layer, double overlap);
int32_t crop_layer_n(const crop_layer *l);
/* even: left and top edges are moved to even pixels. */
mask_edges crop_layer_part(const crop_layer *l, int32_t index, bool even);

/* Point `index` of a grid of n x n in a part of w x h pixels, row by row; in pixels of the part. */
void grid_point(int32_t n, int32_t index, int32_t w, int32_t h, float *x, float *y);

/* Whether a mask's box [x0, y0, x1, y1 being its last pixels] ends within 20 pixels of an edge of
 * the part where the image goes on: it is probably cut off there, and another part shows it whole.
 */
bool box_is_cut(const mask_edges *last, const mask_edges *part, int32_t image_w, int32_t image_h);

#endif
