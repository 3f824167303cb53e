#include "pipeline/followed_objects.h"

#include "base/error.h"
#include "base/memory.h"
#include "pipeline/prompts.h"

#include <stdlib.h>

struct followed_objects {
    const roto_run_params *params;
    roto_segmenter *segmenter;
    roto_follower *follower;
    prompts *prompts;
    roto_track *tracks;     /* [max_objects] */
    roto_segment *segments; /* [max_objects] */
};

static roto_status prompt_follower(void *user, int64_t id, int64_t frame, const roto_prompt *prompt)
{
    return roto_follower_prompt(user, id, frame, prompt);
}

/* Identities of detected objects begin above those that the user gives. */
static roto_status open_follower(followed_objects *p)
{
    roto_follower_params follower = p->params->follower;
    const int32_t n_marked = prompts_n_objects(p->prompts), most = follower.tracker.max_objects;
    if (n_marked > most)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "prompts for %d objects, but follower.tracker.max_objects is %d", n_marked,
                         most);
    for (int32_t i = 0; i < p->params->n_prompts; i++) {
        const int64_t id = p->params->prompts[i].id;
        if (id >= follower.first_id && id < INT64_MAX)
            follower.first_id = id + 1;
    }
    return roto_follower_new(p->segmenter, &follower, &p->follower);
}

roto_status followed_objects_new(const roto_run_params *params, const roto_source_info *info,
                                 followed_objects **out)
{
    *out = NULL;
    followed_objects *p = memory_new_array(1, sizeof(*p));
    if (!p)
        return ROTO_ERROR_MEMORY;
    p->params = params;
    roto_status status = prompts_new(params, info->width, info->height, &p->prompts);
    if (status == ROTO_OK)
        status = roto_segmenter_open(params->segmenter_path, &params->segmenter, &p->segmenter);
    if (status == ROTO_OK)
        status = open_follower(p);
    if (status == ROTO_OK) {
        const size_t n = (size_t)params->follower.tracker.max_objects;
        p->tracks = memory_new_array(n, sizeof(*p->tracks));
        p->segments = memory_new_array(n, sizeof(*p->segments));
        status = p->tracks && p->segments ? ROTO_OK : ROTO_ERROR_MEMORY;
    }
    if (status != ROTO_OK) {
        followed_objects_free(p);
        return status;
    }
    *out = p;
    return ROTO_OK;
}

void followed_objects_free(followed_objects *p)
{
    if (!p)
        return;
    roto_follower_free(p->follower);
    roto_segmenter_close(p->segmenter);
    prompts_free(p->prompts);
    free(p->tracks);
    free(p->segments);
    free(p);
}

bool followed_objects_want_detections(const followed_objects *p, int64_t frame)
{
    return frame % p->params->detect_every == 0 || roto_follower_wants_detections(p->follower);
}

/* Both lists go by id; the segmenter also holds objects that are not confirmed or not believed. */
static roto_status list(followed_objects *p, const roto_followed *objects, int32_t n_objects,
                        roto_run_frame *found)
{
    const roto_segment *held;
    int32_t n_held, at = 0, n = 0;
    if (n_objects > 0)
        ROTO_TRY(roto_segmenter_results(p->segmenter, &held, &n_held));
    for (int32_t i = 0; i < n_objects; i++) {
        if (objects[i].state != ROTO_FOLLOW_SEEN)
            continue;
        while (at < n_held && held[at].id < objects[i].track.id)
            at++;
        if (at == n_held || held[at].id != objects[i].track.id)
            return roto_fail(ROTO_ERROR_INTERNAL, "object %lld is in sight without a mask",
                             (long long)objects[i].track.id);
        p->tracks[n] = objects[i].track;
        p->segments[n++] = held[at];
    }
    found->tracks = p->tracks;
    found->segments = p->segments;
    found->n_tracks = found->n_segments = n;
    return ROTO_OK;
}

roto_status followed_objects_expect(followed_objects *p, const roto_frame *next)
{
    return roto_segmenter_next(p->segmenter, &next->image, next->index);
}

roto_status followed_objects_find(followed_objects *p, const roto_detection *detections,
                                  int32_t n_detections, roto_run_frame *found)
{
    const roto_frame *frame = found->frame;
    const roto_followed *objects;
    int32_t n;
    ROTO_TRY(roto_follower_frame(p->follower, &frame->image, frame->index, frame->time_s,
                                 frame->duration_s, detections, n_detections, &objects, &n));
    /* After the frame: on an object that was carried here they are then corrections. */
    ROTO_TRY(prompts_give(p->prompts, prompt_follower, p->follower, frame->index));
    ROTO_TRY(roto_follower_objects(p->follower, &objects, &n));
    return list(p, objects, n, found);
}

int64_t followed_objects_n(const followed_objects *p)
{
    return roto_follower_n_identities(p->follower);
}

roto_status followed_objects_end(const followed_objects *p, int64_t n_frames)
{
    return prompts_end(p->prompts, n_frames);
}
