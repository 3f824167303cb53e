#include "base/clock.h"
#include "base/error.h"
#include "pipeline/stage.h"

static const int64_t PROGRESS_NS = 100000000;
static const double NS_PER_S = 1e9;

static roto_status stopped(const model_stage *stage)
{
    return roto_fail(ROTO_CANCELLED, "stopped by the caller after %lld frames",
                     (long long)stage->n_frames);
}

roto_status model_stage_show_progress(model_stage *stage, int64_t now_ns)
{
    stage->progress_ns = now_ns;
    const roto_run_params *p = stage->params;
    if (!p->on_progress)
        return ROTO_OK;
    const roto_run_progress state = {.frames_done = stage->n_frames,
                                     .frames_total = stage->total_frames,
                                     .elapsed_s = (double)(now_ns - stage->start_ns) / NS_PER_S,
                                     .n_tracks = stage->n_tracks};
    return p->on_progress(p->user, &state) == 0 ? ROTO_OK : stopped(stage);
}

/* Boxes of the detector, followed by the tracker. */
static roto_status detect_and_track(model_stage *stage, roto_run_frame *found)
{
    const roto_frame *frame = found->frame;
    const roto_detection *detections;
    int32_t n_detections;
    const int64_t start = clock_now_ns();
    ROTO_TRY(roto_detector_run(stage->detector, &frame->image, &detections, &n_detections));
    const int64_t detected = clock_now_ns();
    ROTO_TRY(roto_tracker_update(stage->tracker, detections, n_detections, frame->time_s,
                                 frame->duration_s, &found->tracks, &found->n_tracks));
    stage->detect_ns += detected - start;
    stage->track_ns += clock_now_ns() - detected;
    latency_add(&stage->detect_times, detected - start);
    stage->n_detections += n_detections;
    return ROTO_OK;
}

/* Objects of the detector, and those that the user has marked, followed by their masks. */
static roto_status detect_and_follow(model_stage *stage, roto_run_frame *found)
{
    const roto_frame *frame = found->frame;
    const roto_detection *detections = NULL;
    int32_t n = ROTO_NOT_DETECTED;
    const int64_t start = clock_now_ns();
    const bool detect = followed_objects_want_detections(stage->followed, frame->index);
    if (detect)
        ROTO_TRY(roto_detector_run(stage->detector, &frame->image, &detections, &n));
    const int64_t detected = clock_now_ns();
    ROTO_TRY(followed_objects_find(stage->followed, detections, n, found));
    const int64_t ns = clock_now_ns() - detected;
    stage->segment_ns += ns;
    latency_add(&stage->segment_times, ns);
    if (!detect)
        return ROTO_OK;
    stage->detect_ns += detected - start;
    latency_add(&stage->detect_times, detected - start);
    stage->n_detections += n;
    return ROTO_OK;
}

/* Masks of what the user has marked. */
static roto_status segment(model_stage *stage, roto_run_frame *found)
{
    const int64_t start = clock_now_ns();
    ROTO_TRY(prompted_objects_find(stage->prompted, found));
    const int64_t ns = clock_now_ns() - start;
    stage->segment_ns += ns;
    latency_add(&stage->segment_times, ns);
    return ROTO_OK;
}

static roto_status find_objects(model_stage *stage, roto_run_frame *found)
{
    roto_status status = ROTO_OK;
    if (stage->followed)
        status = detect_and_follow(stage, found);
    else if (stage->tracker)
        status = detect_and_track(stage, found);
    else
        status = segment(stage, found);
    if (status != ROTO_OK)
        return roto_fail_context(status, "frame %lld", (long long)found->frame->index);
    stage->n_tracks = found->n_tracks;
    return ROTO_OK;
}

/* Gives the frame to the writers; it stays the caller's unless ROTO_OK. */
static roto_status hand_on(model_stage *stage, roto_frame *frame, const roto_run_frame *found)
{
    void *item;
    ROTO_TRY(queue_pop(stage->free_jobs, &item));
    write_job *job = item;
    roto_status status = frame_objects_copy(&job->objects, found);
    if (status != ROTO_OK)
        return status; /* the run ends; nobody misses the job */
    job->frame = frame;
    status = queue_push(stage->jobs, job);
    if (status != ROTO_OK)
        job->frame = NULL;
    return status;
}

/* A frame that waits already is announced, so that a GPU begins with it. */
static roto_status announce(model_stage *stage, const roto_frame *next)
{
    if (!next)
        return ROTO_OK;
    return stage->followed ? followed_objects_expect(stage->followed, next)
                           : prompted_objects_expect(stage->prompted, next);
}

/* Takes the frame over. `next`: the one after it, or NULL. */
static roto_status process(model_stage *stage, roto_frame *frame, const roto_frame *next)
{
    const roto_run_params *p = stage->params;
    roto_run_frame found = {.frame = frame};
    bool stop = false;
    roto_status status = announce(stage, next);
    if (status == ROTO_OK)
        status = find_objects(stage, &found);
    if (status == ROTO_OK) {
        stop = p->on_frame && p->on_frame(p->user, &found) != 0;
        status = hand_on(stage, frame, &found);
    }
    if (status != ROTO_OK) {
        roto_frame_release(frame);
        return status;
    }
    stage->n_frames++;
    return stop ? stopped(stage) : ROTO_OK;
}

roto_status model_stage_run(model_stage *stage)
{
    const bool has_segmenter = stage->followed || stage->prompted;
    void *next = NULL;
    for (;;) {
        /* Not longer than progress is due: the caller may want to stop while a camera is silent. */
        void *item = next;
        roto_status status = ROTO_OK;
        if (!item)
            status = queue_pop_for(stage->frames, PROGRESS_NS, &item);
        if (status != ROTO_OK)
            return status == ROTO_END ? ROTO_OK : status;
        int64_t now = clock_now_ns();
        if (now - stage->progress_ns >= PROGRESS_NS)
            status = model_stage_show_progress(stage, now);
        if (status != ROTO_OK) {
            roto_frame_release(item);
            return status;
        }
        next = item && has_segmenter ? queue_take(stage->frames) : NULL;
        if (item)
            status = process(stage, item, next);
        if (status != ROTO_OK) {
            roto_frame_release(next);
            return status;
        }
    }
}
