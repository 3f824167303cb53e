/* pipeline/followed_objects.h - objects that a detector finds, and those that a user has marked,
 * all carried as masks. */
#ifndef PIPELINE_FOLLOWED_OBJECTS_H
#define PIPELINE_FOLLOWED_OBJECTS_H

#include <roto/run.h>
#include <stdbool.h>

typedef struct followed_objects followed_objects;

/* Opens the segmenter. `params` has to outlive *out. */
roto_status followed_objects_new(const roto_run_params *params, const roto_source_info *info,
                                 followed_objects **out);
void followed_objects_free(followed_objects *p); /* NULL is fine */

/* Whether the detector is to run on the next frame, whose number this is. */
bool followed_objects_want_detections(const followed_objects *p, int64_t frame);

/* The frame that comes after the next one that is looked for; stays until then. */
roto_status followed_objects_expect(followed_objects *p, const roto_frame *next);

/* Fills in what found->frame shows: the segments and tracks of all objects in sight, valid until
 * the next call. n_detections: ROTO_NOT_DETECTED when the detector did not run. */
roto_status followed_objects_find(followed_objects *p, const roto_detection *detections,
                                  int32_t n_detections, roto_run_frame *found);

int64_t followed_objects_n(const followed_objects *p); /* reported so far */

/* As prompts_end(). */
roto_status followed_objects_end(const followed_objects *p, int64_t n_frames);

#endif
