/* pipeline/stage.h - what the threads of a run share.
 *
 * decode thread --frames--> calling thread (detect, segment, track) --jobs--> write thread
 *                                                                  <--free jobs--
 *
 * A stage that fails keeps its status and message here; the calling thread reports them after all
 * have been joined.
 */
#ifndef PIPELINE_STAGE_H
#define PIPELINE_STAGE_H

#include "base/queue.h"
#include "pipeline/failure.h"
#include "pipeline/followed_objects.h"
#include "pipeline/latency.h"
#include "pipeline/outputs.h"
#include "pipeline/prompted_objects.h"

#include <pthread.h>
#include <roto/run.h>
#include <stdbool.h>

/* Reads frames ahead of the model. */
typedef struct decode_stage {
    roto_source *source;
    int64_t max_frames; /* 0: all */
    queue *frames;      /* of roto_frame, closed at the end or at a failure */
    failure failure;
    int64_t busy_ns; /* inside the source */
    pthread_t thread;
    bool running;
} decode_stage;

roto_status decode_stage_start(decode_stage *stage);
void decode_stage_join(decode_stage *stage); /* cancel or drain `frames` first */

/* A frame on its way to the writers. */
typedef struct write_job {
    roto_frame *frame;
    frame_objects objects;
} write_job;

/* Draws and writes behind the model. */
typedef struct write_stage {
    outputs *out;
    queue *jobs, *free_jobs; /* of write_job; cancelled by the stage when it fails */
    failure failure;
    output_times times;
    int64_t write_ns;
    int64_t n_frames; /* written to every output */
    pthread_t thread;
    bool running;
} write_stage;

roto_status write_stage_start(write_stage *stage);

/* Close `jobs` first; everything still in it is written, then the outputs are finished. */
void write_stage_join(write_stage *stage);

/* Finds and follows, on the thread that called roto_run(). */
typedef struct model_stage {
    const roto_run_params *params;
    roto_detector *detector;    /* NULL: none */
    roto_tracker *tracker;      /* of its boxes, */
    followed_objects *followed; /* or of masks and all that was marked; one of them is NULL */
    prompted_objects *prompted; /* without a detector */
    queue *frames;              /* in */
    queue *jobs, *free_jobs;    /* out */
    int64_t total_frames;       /* 0: unknown */
    int64_t start_ns;           /* of the run */
    int64_t progress_ns;        /* when progress was last told */
    int64_t detect_ns, segment_ns, track_ns;
    latency detect_times, segment_times;
    int64_t n_frames, n_detections;
    int32_t n_tracks; /* in the latest frame */
} model_stage;

/* Works until the frames end. ROTO_CANCELLED when the caller wants no more; also, without a message
 * of its own, when the writers have failed. */
roto_status model_stage_run(model_stage *stage);

/* Tells the caller how far the run is; ROTO_CANCELLED when it is to end. */
roto_status model_stage_show_progress(model_stage *stage, int64_t now_ns);

#endif
