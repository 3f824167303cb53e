/* track/motion_memory.h - motion-aware choice of masks and of memories: Yang et al. 2024, "SAMURAI:
 * Adapting Segment Anything Model for Zero-Shot Visual Tracking with Motion-Aware Memory"
 * (arXiv 2411.11922), with the numbers that are published. */
#ifndef TRACK_MOTION_MEMORY_H
#define TRACK_MOTION_MEMORY_H

#include "track/kalman.h"

#include <stdbool.h>

#define MOTION_ALPHA_KF 0.15f  /* weight of the motion score, section 4.1 */
#define MOTION_STABLE_IOU 0.3f /* predicted IoU above which a mask tells the filter */
#define MOTION_TAU_MASK 0.5f   /* memories need a predicted IoU, */
#define MOTION_TAU_OBJECT 0.0f /* an object score */
#define MOTION_TAU_KF 0.0f     /* and a motion score above these, section 4.2 */
enum { MOTION_STABLE_FRAMES = 15 /* that the filter is told before it has a say */ };

/* Zeroed at first. */
typedef struct motion_memory {
    kalman_box filter; /* of the box around the mask */
    bool started;
    int64_t frame; /* that the filter is at */
    int32_t stable_frames;
    bool has_say;   /* the filter had one in the latest choice */
    float kf_score; /* of that choice: overlap of the expected box and the mask's */
} motion_memory;

/* A mask that the decoder offers. */
typedef struct motion_candidate {
    bool any; /* it has pixels */
    roto_box box;
    float iou; /* predicted */
} motion_candidate;

/* A user said where the object is. */
void motion_start(motion_memory *m, const roto_box *box, int64_t frame);

/* Chooses among n masks for a frame: by alpha KF score + (1 - alpha) predicted IoU once the filter
 * has been told for MOTION_STABLE_FRAMES frames on end, before by predicted IoU alone. */
int32_t motion_choose(motion_memory *m, const motion_candidate *c, int32_t n, int64_t frame);

/* Whether the frame of the latest choice is worth remembering. */
bool motion_keeps(const motion_memory *m, float iou, float object_score);

#endif
