/* pipeline/prompted_objects.h - objects that a user has marked: the segmenter carries their masks,
 * and each is a track with the box around its mask. */
#ifndef PIPELINE_PROMPTED_OBJECTS_H
#define PIPELINE_PROMPTED_OBJECTS_H

#include <roto/run.h>

typedef struct prompted_objects prompted_objects;

/* Opens the segmenter. `params` has to outlive *out. */
roto_status prompted_objects_new(const roto_run_params *params, const roto_source_info *info,
                                 prompted_objects **out);
void prompted_objects_free(prompted_objects *p); /* NULL is fine */

/* The frame that comes after the next one that is looked for; stays until then. */
roto_status prompted_objects_expect(prompted_objects *p, const roto_frame *next);

/* Fills in what found->frame shows: the segments of all objects marked so far, and tracks of those
 * in sight, valid until the next call. */
roto_status prompted_objects_find(prompted_objects *p, roto_run_frame *found);

int64_t prompted_objects_n(const prompted_objects *p); /* marked so far */

/* As prompts_end(). */
roto_status prompted_objects_end(const prompted_objects *p, int64_t n_frames);

#endif
