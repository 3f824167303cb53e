/* track/mask_holes.h - fills small holes of a mask. */
#ifndef TRACK_MASK_HOLES_H
#define TRACK_MASK_HOLES_H

#include <stdint.h>

/* The logit that a filled pixel gets: just inside. */
#define MASK_HOLE_LOGIT 0.1f

/* Fills background regions (logits of at most 0, connected over edges and corners) of at most
 * max_area pixels. Scratch: queue [h * w] and state [h * w]. */
void mask_fill_holes(float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                     uint8_t *state);

#endif
