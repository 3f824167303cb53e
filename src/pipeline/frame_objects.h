/* pipeline/frame_objects.h - a frame's objects, copied for the writers: the model is at later
 * frames by the time they come to it. */
#ifndef PIPELINE_FRAME_OBJECTS_H
#define PIPELINE_FRAME_OBJECTS_H

#include <roto/run.h>

/* Zeroed at first. Memory grows to the most objects of any frame, and stays. */
typedef struct frame_objects {
    roto_track *tracks; /* by rising id */
    int32_t n_tracks;
    int64_t *mask_ids; /* of objects with a mask that is not empty, by rising id */
    float *logits;     /* [n_masks, mask_h, mask_w], as the segmenter gives them */
    int32_t n_masks, mask_w, mask_h;
    size_t track_capacity, id_capacity, logit_capacity;
} frame_objects;

roto_status frame_objects_reserve(frame_objects *o, int32_t n_tracks);
roto_status frame_objects_copy(frame_objects *to, const roto_run_frame *from);
void frame_objects_free(frame_objects *o); /* its memory; a zeroed one is fine */

/* The mask of an object: its place, -1 when it has none. */
int32_t frame_objects_mask_of(const frame_objects *o, int64_t id);

const float *frame_objects_logits(const frame_objects *o, int32_t mask);

#endif
