/* roto/run.h - the whole job: a video in, objects found and followed, files out.
 *
 * Objects come from a detector, which finds all of some classes, or from prompts: points, boxes or
 * masks that mark an object in one frame, from where the segmenter carries it on. What the detector
 * finds is followed by its boxes alone, or carried by the segmenter too.
 */
#ifndef ROTO_RUN_H
#define ROTO_RUN_H

#include <roto/follow.h>
#include <roto/video.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct roto_run_progress {
    int64_t frames_done, frames_total; /* total is 0 when unknown */
    double elapsed_s;
    int32_t n_tracks; /* in the latest frame */
} roto_run_progress;

/* What one stage did; times are sums over all frames, in seconds. */
typedef struct roto_run_times {
    double decode_s, detect_s, segment_s, track_s, draw_s, encode_s;
    double masks_s;       /* enlarging masks to the frame's size; writing them is in encode_s */
    double wait_input_s;  /* the model waited for frames */
    double wait_output_s; /* the model waited for the writers */
} roto_run_times;

typedef struct roto_run_summary {
    size_t struct_bytes;
    int64_t n_frames, n_detections, n_identities;
    double elapsed_s, frames_per_s;
    double detect_median_ms, detect_p99_ms; /* per frame */
    double segment_median_ms, segment_p99_ms;
    roto_run_times times;
} roto_run_summary;

/* What was found in one frame. */
typedef struct roto_run_frame {
    const roto_frame *frame;
    const roto_track *tracks; /* by rising id. A prompted object has class_id -1, the box around its
                                 mask, and as score the segmenter's estimate of its mask */
    int32_t n_tracks;
    const roto_segment *segments; /* masks, by rising id; a track's has the same id. Boxes of
                                     objects that a detector found are around the mask's main
                                     parts */
    int32_t n_segments;
} roto_run_frame;

/* Marks object `id` (1 or more) on frame `frame` (from 0). On an object that was carried to that
 * frame it is a correction. */
typedef struct roto_run_prompt {
    int64_t id, frame;
    roto_prompt prompt;
} roto_run_prompt;

typedef struct roto_run_params {
    size_t struct_bytes;
    const char *input; /* as roto_source_open */
    const char
        *model_path; /* as roto_detector_open; NULL: no detector, objects come from prompts */
    roto_source_params source;
    roto_detector_params detector;
    roto_tracker_params tracker; /* of boxes, with detect_every 0 */
    int32_t detect_every; /* 0: the detector runs on every frame, objects are followed by their
                             boxes, without masks (default). N: it runs on every N-th frame, and
                             when something is in doubt; the segmenter carries what it found */
    roto_follower_params follower;  /* with detect_every above 0; first_id is set above the prompts'
                                       ids */
    const char *const *class_names; /* what to find; NULL or n_class_names 0: every class */
    int32_t n_class_names;
    const char *segmenter_path; /* as roto_segmenter_open; needed for prompts and detect_every */
    roto_segmenter_params segmenter;
    const roto_run_prompt *prompts; /* in any order */
    int32_t n_prompts;
    int64_t max_frames;       /* 0: all */
    const char *overlay_path; /* MP4 with boxes, masks and identities drawn in; NULL: none */
    const char *json_path;    /* JSON Lines, a line a frame; "-" is standard output; NULL: none */
    const char *mot_path;     /* MOTChallenge text; NULL: none */
    const char *masks_path;   /* folder, made when there is none: a PNG a frame with the object's id
                                 at each pixel, 0 for none; NULL: none */
    const char *matte_path;   /* how much of each pixel belongs to any object, 0..255: grey video
                                 where the name ends in .mp4, else a folder of grey PNG; NULL: none */
    const char *overlay_preset; /* x264 preset, default "superfast" */
    int32_t overlay_crf;        /* x264 quality, 0..51, smaller is better; default 25 */
    /* Called about ten times a second, also while input is awaited, and at the end, from the thread
     * that called roto_run(); a non-zero return stops the run. */
    int32_t (*on_progress)(void *user, const roto_run_progress *progress);
    /* Called for every frame, in order, before it is written, from the thread that called
     * roto_run(); after a non-zero return the frame is still written, and no further one. */
    int32_t (*on_frame)(void *user, const roto_run_frame *frame);
    void *user;
} roto_run_params;

ROTO_API roto_run_params roto_run_params_default(void);

/* Prompts are checked against the first frame's size before anything is written:
 * ROTO_ERROR_ARGUMENT for a point or box outside, a mask of another size, what
 * roto_segmenter_prompt() refuses, more objects than segmenter.max_objects. How many frames there
 * are is known at the end only: with prompts for frames that never came, all else is done and
 * written, and the run then ends with ROTO_ERROR_ARGUMENT.
 *
 * Runs to the end of the input. Decoding, the model and writing each have their own threads, joined
 * before this returns. On ROTO_CANCELLED and on errors, outputs hold all frames done so far and are
 * valid files; *summary (may be NULL; set its struct_bytes) is filled in either way.
 * detector.min_score -1 stands for the low_score of tracker or follower here: following lives on
 * boxes that detecting would drop. */
ROTO_API roto_status roto_run(const roto_run_params *params, roto_run_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
