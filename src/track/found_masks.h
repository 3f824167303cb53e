/* track/found_masks.h - masks that were found in an image, as run lengths, and which of them say
 * the same. */
#ifndef TRACK_FOUND_MASKS_H
#define TRACK_FOUND_MASKS_H

#include "format/rle.h"
#include "track/mask_scale.h"

#include <stdbool.h>

typedef struct found_mask {
    mask_edges box; /* in pixels of the image */
    mask_edges crop;
    float iou, stability;
    float x, y; /* the point that it answers */
    uint32_t *counts;
    size_t n_counts;
} found_mask;

/* Zeroed at first. */
typedef struct found_masks {
    found_mask *items;
    size_t n, capacity;
    size_t bytes; /* of all counts */
} found_masks;

void found_masks_free(found_masks *m);

/* Adds a mask with a copy of the run lengths. */
roto_status found_masks_add(found_masks *m, const found_mask *mask, const rle_mask *rle);

/* Of those from `first` on, sorts by rank, the highest first and equal ones as they are, and drops
 * each whose box overlaps one that stays by more than max_iou. Boxes are compared as published:
 * corners are the centres of pixels. */
typedef enum found_rank { RANK_IOU, RANK_SMALL_CROP } found_rank;
roto_status found_masks_suppress(found_masks *m, size_t first, found_rank rank, float max_iou);

#endif
