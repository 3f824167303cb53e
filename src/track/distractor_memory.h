/* track/distractor_memory.h - when a frame shows something that could be mistaken for the object,
 * and is therefore worth remembering: Videnovic et al. 2025, "A Distractor-Aware Memory for Visual
 * Object Tracking with SAM2" (DAM4SAM, arXiv 2411.17576), section 3.2, with the numbers that are
 * published. */
#ifndef TRACK_DISTRACTOR_MEMORY_H
#define TRACK_DISTRACTOR_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define DISTRACTOR_THETA_IOU 0.8f  /* the frame's predicted IoU has to be above it */
#define DISTRACTOR_THETA_AREA 0.2f /* its area this near to the median, as a share */
#define DISTRACTOR_THETA_ANC                                                                       \
    0.7f /* boxes of the mask, without and with the distractor, overlap less                       \
          */
enum {
    DISTRACTOR_N_MEDIAN = 10, /* areas that the median is of */
    DISTRACTOR_DELTA = 5,     /* frames between two memories of either part */
    DISTRACTOR_N_RAM = 3,     /* memories of the recent-appearance part */
    DISTRACTOR_N_DRM = 3      /* of the distractor-resolving part, beside the first frame */
};

/* Zeroed at first. */
typedef struct distractor_memory {
    float areas[DISTRACTOR_N_MEDIAN]; /* of the latest masks that were not empty */
    int32_t n_areas, next;
    bool has_anchor;
    int64_t latest_anchor; /* frame */
} distractor_memory;

/* Working memory for masks of so many cells. */
typedef struct distractor_scratch {
    int32_t *queue; /* [cells] */
    uint8_t *state; /* [cells] */
} distractor_scratch;

/* How much of the box around the mask and the largest separate part of an alternative lies in the
 * box around the mask alone: 1 when the alternative has nothing more. Logits [h, w]. */
float distractor_ratio(const float *mask, const float *alternative, int32_t w, int32_t h,
                       const distractor_scratch *scratch);

/* Takes a frame's mask, of `area` (0: out of sight) and predicted IoU, and tells whether it is
 * stable and late enough to become an anchor. */
bool distractor_may_anchor(distractor_memory *d, float area, float iou, int64_t frame);
void distractor_anchored(distractor_memory *d, int64_t frame);

#endif
