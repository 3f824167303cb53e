/* track/mask_shape.h - what following asks of a mask: its main parts as bits on the logits' grid,
 * their extent, and how they overlap other masks and boxes. */
#ifndef TRACK_MASK_SHAPE_H
#define TRACK_MASK_SHAPE_H

#include <roto/detect.h>

/* The grid of all masks of a frame; a row of bits starts a new word. */
typedef struct mask_grid {
    int32_t w, h, row_words;
    float cell_w, cell_h; /* pixels of the frame */
} mask_grid;

mask_grid mask_grid_make(int32_t w, int32_t h, int32_t frame_w, int32_t frame_h);
int32_t mask_grid_words(const mask_grid *g); /* of one mask */

/* Working memory for grids of so many cells. */
typedef struct mask_parts {
    int32_t *queue, *part; /* [cells] */
    int32_t *sums;         /* [(w + 1) * (h + 1)], at most 4 * cells */
} mask_parts;

roto_status mask_parts_init(mask_parts *p, int32_t n_cells);
void mask_parts_release(mask_parts *p); /* of zeroed memory: fine */

/* Writes the parts of a mask that matter: those with at least a tenth of the largest one's area;
 * small ones are slips of the segmenter and would make its box useless. Returns their area in cells
 * and their extent in pixels of the frame (all 0 when there are none). */
int32_t mask_read(mask_parts *p, const mask_grid *g, const float *logits, uint64_t *bits,
                  roto_box *box);

int32_t mask_area(const mask_grid *g, const uint64_t *bits);
int32_t mask_common(const mask_grid *g, const uint64_t *a, const uint64_t *b);
void mask_add(const mask_grid *g, uint64_t *to, const uint64_t *more);

/* Sums of a mask's cells, so that mask_in_box() takes the same time for every box. */
void mask_sum(mask_parts *p, const mask_grid *g, const uint64_t *bits);
int32_t mask_in_box(const mask_parts *p, const mask_grid *g, const roto_box *box);
int32_t box_cells(const mask_grid *g, const roto_box *box); /* that lie in the frame */

#endif
