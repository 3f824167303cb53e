#include <roto/run.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "pipeline/run_params.h"
#include "pipeline/stage.h"

#include <roto/system.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Frames that may wait before the model and behind it: enough for a slow key frame on one side and
 * for an encoder that gathers frames before it works on them on the other. */
enum { QUEUED_FRAMES = 4, N_JOBS = QUEUED_FRAMES + 2 };

static const double NS_PER_S = 1e9, NS_PER_MS = 1e6;

typedef struct run_state {
    const roto_run_params *params;
    roto_source *source;
    roto_detector *detector;
    roto_tracker *tracker;
    followed_objects *followed;
    prompted_objects *prompted;
    queue *frames, *jobs, *free_jobs;
    write_job job[N_JOBS];
    decode_stage decode;
    write_stage write;
    model_stage model;
    atomic_bool ended; /* nothing more is to be read */
} run_state;

/* Lets the source give up waiting for bytes, which may never come. */
static int32_t source_should_stop(void *user)
{
    run_state *run = user;
    const roto_source_params *theirs = &run->params->source;
    return atomic_load(&run->ended) || (theirs->should_stop && theirs->should_stop(theirs->user));
}

static roto_status open_source(run_state *run)
{
    roto_source_params source = run->params->source;
    source.should_stop = source_should_stop;
    source.user = run;
    return roto_source_open(run->params->input, &source, &run->source);
}

static roto_status refuse_class(const run_state *run, const char *name)
{
    int32_t n = roto_detector_n_classes(run->detector);
    const char **known = memory_new_array((size_t)n, sizeof(*known));
    if (!known)
        return ROTO_ERROR_MEMORY;
    for (int32_t i = 0; i < n; i++)
        known[i] = roto_detector_class_name(run->detector, i);
    const char *nearest = roto_nearest_name(name, known, n);
    roto_status status =
        roto_fail(ROTO_ERROR_ARGUMENT, "%s knows no class \"%s\"%s%s%s", run->params->model_path,
                  name, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                  nearest ? "\"?" : "; its description beside it lists those it knows");
    free(known);
    return status;
}

static roto_status keep_classes(run_state *run)
{
    int32_t n = run->params->n_class_names;
    if (n == 0)
        return ROTO_OK;
    int32_t *ids = memory_new_array((size_t)n, sizeof(*ids));
    if (!ids)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_OK;
    for (int32_t i = 0; i < n && status == ROTO_OK; i++) {
        const char *name = run->params->class_names[i];
        ids[i] = name ? roto_detector_class_find(run->detector, name) : -1;
        if (ids[i] < 0)
            status = refuse_class(run, name ? name : "");
    }
    if (status == ROTO_OK)
        status = roto_detector_keep(run->detector, ids, n);
    free(ids);
    return status;
}

static roto_status open_detector(run_state *run)
{
    if (!run->params->model_path)
        return ROTO_OK;
    roto_detector_params detector = run->params->detector;
    /* The second stage of association lives on boxes that a detector alone would drop. */
    if (detector.min_score < 0)
        detector.min_score = run->params->detect_every > 0 ? run->params->follower.tracker.low_score
                                                           : run->params->tracker.low_score;
    ROTO_TRY(roto_detector_open(run->params->model_path, &detector, &run->detector));
    return keep_classes(run);
}

/* What is followed: the detector's boxes, masks of what it finds, or masks of what is marked. */
static roto_status open_followers(run_state *run)
{
    const roto_run_params *p = run->params;
    const roto_source_info *info = roto_source_describe(run->source);
    if (!run->detector)
        return prompted_objects_new(p, info, &run->prompted);
    if (p->detect_every > 0)
        return followed_objects_new(p, info, &run->followed);
    return roto_tracker_new(&p->tracker, &run->tracker);
}

static int32_t max_tracks(const run_state *run)
{
    const roto_run_params *p = run->params;
    return run->tracker    ? p->tracker.max_objects
           : run->followed ? p->follower.tracker.max_objects
                           : 0;
}

static roto_status make_queues(run_state *run)
{
    ROTO_TRY(queue_new(QUEUED_FRAMES, &run->frames));
    ROTO_TRY(queue_new(QUEUED_FRAMES, &run->jobs));
    ROTO_TRY(queue_new(N_JOBS, &run->free_jobs));
    for (int i = 0; i < N_JOBS; i++) {
        ROTO_TRY(frame_objects_reserve(&run->job[i].objects, max_tracks(run)));
        ROTO_TRY(queue_push(run->free_jobs, &run->job[i]));
    }
    return ROTO_OK;
}

static roto_status open_all(run_state *run)
{
    const roto_run_params *p = run->params;
    ROTO_TRY(open_source(run));
    const roto_source_info *info = roto_source_describe(run->source);
    ROTO_TRY(open_detector(run));
    ROTO_TRY(open_followers(run));
    ROTO_TRY(make_queues(run));
    ROTO_TRY(outputs_open(p, info, run->detector, &run->write.out));
    run->decode.source = run->source;
    run->decode.max_frames = p->max_frames;
    run->decode.frames = run->model.frames = run->frames;
    run->write.jobs = run->model.jobs = run->jobs;
    run->write.free_jobs = run->model.free_jobs = run->free_jobs;
    run->model.params = p;
    run->model.detector = run->detector;
    run->model.tracker = run->tracker;
    run->model.followed = run->followed;
    run->model.prompted = run->prompted;
    int64_t total = info->n_frames;
    bool capped = p->max_frames && (p->max_frames < total || total == 0);
    run->model.total_frames = capped ? p->max_frames : total;
    return ROTO_OK;
}

/* Ends the stages in the order in which frames flow, so that all frames done reach the outputs. */
static void end_stages(run_state *run)
{
    atomic_store(&run->ended, true);
    queue_cancel(run->frames);
    decode_stage_join(&run->decode);
    for (roto_frame *frame; (frame = queue_take(run->frames));)
        roto_frame_release(frame);
    queue_close(run->jobs);
    write_stage_join(&run->write);
    for (write_job *job; (job = queue_take(run->jobs));)
        roto_frame_release(job->frame);
}

static roto_status run_stages(run_state *run)
{
    roto_status status = write_stage_start(&run->write);
    if (status == ROTO_OK)
        status = decode_stage_start(&run->decode);
    if (status == ROTO_OK)
        status = model_stage_run(&run->model);
    failure model = {0};
    failure_keep(&model, status);
    end_stages(run);
    /* What the writers could not do explains why the model was stopped, and comes first; what the
     * source could not read counts only when all before it was used. */
    if (run->write.failure.status != ROTO_OK)
        return failure_raise(&run->write.failure);
    if (model.status != ROTO_OK)
        return failure_raise(&model);
    ROTO_TRY(failure_raise(&run->decode.failure));
    if (run->followed)
        return followed_objects_end(run->followed, run->model.n_frames);
    return run->prompted ? prompted_objects_end(run->prompted, run->model.n_frames) : ROTO_OK;
}

static void close_all(run_state *run)
{
    outputs_close(run->write.out);
    for (int i = 0; i < N_JOBS; i++)
        frame_objects_free(&run->job[i].objects);
    queue_free(run->free_jobs);
    queue_free(run->jobs);
    queue_free(run->frames);
    followed_objects_free(run->followed);
    prompted_objects_free(run->prompted);
    roto_tracker_free(run->tracker);
    roto_detector_close(run->detector);
    roto_source_close(run->source);
    free(run);
}

static void sum_up(const run_state *run, int64_t elapsed_ns, roto_run_summary *s)
{
    const model_stage *m = &run->model;
    long long push_ns = 0, input_ns = 0, output_ns = 0, job_ns = 0;
    if (run->free_jobs) {
        queue_wait_times(run->frames, &push_ns, &input_ns);
        queue_wait_times(run->jobs, &output_ns, &push_ns);
        queue_wait_times(run->free_jobs, &push_ns, &job_ns);
    }
    s->n_frames = run->write.n_frames;
    s->n_detections = m->n_detections;
    s->n_identities = (run->tracker ? roto_tracker_n_identities(run->tracker) : 0) +
                      (run->followed ? followed_objects_n(run->followed) : 0) +
                      (run->prompted ? prompted_objects_n(run->prompted) : 0);
    s->elapsed_s = (double)elapsed_ns / NS_PER_S;
    s->frames_per_s = elapsed_ns > 0 ? (double)s->n_frames / s->elapsed_s : 0;
    s->detect_median_ms = latency_quantile_ns(&m->detect_times, 0.5) / NS_PER_MS;
    s->detect_p99_ms = latency_quantile_ns(&m->detect_times, 0.99) / NS_PER_MS;
    s->segment_median_ms = latency_quantile_ns(&m->segment_times, 0.5) / NS_PER_MS;
    s->segment_p99_ms = latency_quantile_ns(&m->segment_times, 0.99) / NS_PER_MS;
    s->times = (roto_run_times){.decode_s = (double)run->decode.busy_ns / NS_PER_S,
                                .detect_s = (double)m->detect_ns / NS_PER_S,
                                .segment_s = (double)m->segment_ns / NS_PER_S,
                                .track_s = (double)m->track_ns / NS_PER_S,
                                .draw_s = (double)run->write.times.draw_ns / NS_PER_S,
                                .encode_s = (double)run->write.write_ns / NS_PER_S,
                                .masks_s = (double)run->write.times.masks_ns / NS_PER_S,
                                .wait_input_s = (double)input_ns / NS_PER_S,
                                .wait_output_s = (double)(output_ns + job_ns) / NS_PER_S};
}

roto_status roto_run(const roto_run_params *params, roto_run_summary *summary)
{
    int64_t start_ns = clock_now_ns();
    if (summary && summary->struct_bytes != sizeof(*summary))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "run: a summary of %zu bytes, not %zu; set its struct_bytes",
                         summary->struct_bytes, sizeof(*summary));
    if (summary)
        *summary = (roto_run_summary){.struct_bytes = sizeof(*summary)};
    ROTO_TRY(run_params_check(params));
    run_state *run = memory_new_array(1, sizeof(*run));
    if (!run)
        return ROTO_ERROR_MEMORY;
    run->params = params;
    run->model.start_ns = start_ns;
    roto_status status = open_all(run);
    if (status == ROTO_OK)
        status = run_stages(run);
    if (summary)
        sum_up(run, clock_now_ns() - start_ns, summary);
    if (status == ROTO_OK)
        model_stage_show_progress(&run->model, clock_now_ns());
    close_all(run);
    return status;
}
