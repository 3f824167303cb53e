/* pipeline/outputs.h - every file that a run writes, as one. */
#ifndef PIPELINE_OUTPUTS_H
#define PIPELINE_OUTPUTS_H

#include <roto/run.h>

typedef struct outputs outputs;

/* Opens all that `params` names before any work is done; on failure nothing stays open. The
 * detector gives the names of classes and has to outlive *out. */
roto_status outputs_open(const roto_run_params *params, const roto_source_info *info,
                         const roto_detector *detector, outputs **out);

/* Writes one frame to each; draws into the frame's pixels for the overlay. *draw_ns grows by the
 * time that drawing took. After a failure, outputs_close() still makes valid files of what was
 * written. */
roto_status outputs_write(outputs *o, roto_frame *frame, const roto_track *tracks, int32_t n_tracks,
                          int64_t *draw_ns);

/* Finishes every file and frees, also on failure; returns the first failure. NULL is fine. */
roto_status outputs_close(outputs *o);

#endif
