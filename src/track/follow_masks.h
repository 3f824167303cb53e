/* track/follow_masks.h - what a follower needs of a segmenter, so that a test can stand in for it.
 */
#ifndef TRACK_FOLLOW_MASKS_H
#define TRACK_FOLLOW_MASKS_H

#include "track/mask_shape.h"

#include <roto/segment.h>

typedef struct follow_masks {
    void *user;
    int32_t max_objects;
    int32_t n_features; /* 0: none */
    /* As roto_segmenter_frame(), _prompt(), _remove() and _results(). */
    roto_status (*frame)(void *user, const roto_image *image, int64_t index,
                         const roto_segment **segments, int32_t *n_segments);
    roto_status (*prompt)(void *user, int64_t id, int64_t frame, const roto_prompt *prompt);
    roto_status (*remove)(void *user, int64_t id);
    roto_status (*results)(void *user, const roto_segment **segments, int32_t *n_segments);
    /* How the current frame looks under a mask, [n_features] of length 1 or all 0. */
    void (*features)(void *user, const mask_grid *grid, const uint64_t *bits, float *features);
} follow_masks;

follow_masks follow_masks_of(roto_segmenter *segmenter);

#endif
