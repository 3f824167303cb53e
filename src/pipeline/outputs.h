/* pipeline/outputs.h - every file that a run writes, as one. */
#ifndef PIPELINE_OUTPUTS_H
#define PIPELINE_OUTPUTS_H

#include "pipeline/frame_objects.h"

#include <roto/run.h>

typedef struct outputs outputs;

/* Time that was not spent on writing; both grow. */
typedef struct output_times {
    int64_t draw_ns, masks_ns;
} output_times;

/* Opens all that `params` names before any work is done; on failure nothing stays open. The
 * detector gives the names of classes and has to outlive *out; it may be NULL. */
roto_status outputs_open(const roto_run_params *params, const roto_source_info *info,
                         const roto_detector *detector, outputs **out);

/* Writes one frame to each; draws into the frame's pixels for the overlay. After a failure,
 * outputs_close() still makes valid files of what was written. */
roto_status outputs_write(outputs *o, roto_frame *frame, const frame_objects *objects,
                          output_times *times);

/* Finishes every file and frees, also on failure; returns the first failure. NULL is fine. */
roto_status outputs_close(outputs *o);

#endif
