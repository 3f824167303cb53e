/* track/mask_holes.h - fills small holes of a mask, and drops small islands. */
#ifndef TRACK_MASK_HOLES_H
#define TRACK_MASK_HOLES_H

#include <stdint.h>

/* The logit that a filled pixel gets: just inside. */
#define MASK_HOLE_LOGIT 0.1f

/* Fills background regions (logits of at most 0, connected over edges and corners) of at most
 * max_area pixels. Scratch: queue [h * w] and state [h * w]. */
void mask_fill_holes(float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                     uint8_t *state);

/* A copy of the mask in which holes of at most max_area pixels are inside and separate regions of
 * as many outside, both as they are in `logits`: a small ring around a hole leaves the filled hole.
 * That, and the logits, are what the image predictor of SAM 2 does. Scratch as above. */
#define MASK_CLEAN_LOGIT 10.0f
void mask_clean(const float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                uint8_t *state, float *out);

#endif
