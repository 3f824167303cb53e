#include "track/follower.h"

#include "base/error.h"
#include "base/memory.h"
#include "track/evidence.h"
#include "track/ranking.h"
#include "track/track_check.h"

#include <math.h>
#include <stdlib.h>

enum { DEFAULT_OBJECTS = 32, DETECTIONS_PER_OBJECT = 4, MAX_FRAMES = 1000 };
static const int64_t MAX_ID = (int64_t)1 << 53; /* as far as JSON's numbers are exact */
static const char WHO[] = "follower";

roto_follower_params roto_follower_params_default(void)
{
    roto_follower_params p = {.struct_bytes = sizeof(p),
                              .tracker = roto_tracker_params_default(),
                              .explained_share = 0.5f,
                              .anchor_iou = 0.6f,
                              .anchor_share = 0.8f,
                              .anchor_frames = 3,
                              .least_iou = 0.5f,
                              .duplicate_iou = 0.7f,
                              .duplicate_frames = 3,
                              .least_likeness = 0.6f,
                              .return_likeness = 0.85f,
                              .max_unsupported_s = 10,
                              .first_id = 1};
    p.tracker.confirm_hits = 2;
    p.tracker.max_absence_s = 5;
    p.tracker.max_objects = DEFAULT_OBJECTS;
    return p;
}

static roto_status check_likeness(const char *name, float value)
{
    if (!(value >= -1 && value <= 1))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: %s is %g; it must be in -1..1", WHO, name,
                         (double)value);
    return ROTO_OK;
}

static roto_status check_params(const roto_follower_params *p, int32_t max_objects)
{
    if (p->struct_bytes != sizeof(*p) || p->tracker.struct_bytes != sizeof(p->tracker))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: the parameters do not come from "
                         "roto_follower_params_default()",
                         WHO);
    ROTO_TRY(check_tracker_params(WHO, &p->tracker));
    ROTO_TRY(check_count(WHO, "max_objects", p->tracker.max_objects, 1, max_objects));
    ROTO_TRY(check_share(WHO, "explained_share", p->explained_share));
    ROTO_TRY(check_share(WHO, "anchor_iou", p->anchor_iou));
    ROTO_TRY(check_share(WHO, "anchor_share", p->anchor_share));
    ROTO_TRY(check_count(WHO, "anchor_frames", p->anchor_frames, 0, MAX_FRAMES));
    ROTO_TRY(check_share(WHO, "least_iou", p->least_iou));
    ROTO_TRY(check_share(WHO, "duplicate_iou", p->duplicate_iou));
    ROTO_TRY(check_count(WHO, "duplicate_frames", p->duplicate_frames, 1, MAX_FRAMES));
    ROTO_TRY(check_likeness("least_likeness", p->least_likeness));
    ROTO_TRY(check_likeness("return_likeness", p->return_likeness));
    ROTO_TRY(check_seconds(WHO, "max_unsupported_s", p->max_unsupported_s));
    if (p->first_id < 1 || p->first_id > MAX_ID)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: first_id is %lld; it must be in 1..%lld", WHO,
                         (long long)p->first_id, (long long)MAX_ID);
    return ROTO_OK;
}

static roto_status make_room(roto_follower *f)
{
    const size_t n = (size_t)f->params.tracker.max_objects, d = (size_t)f->max_detections;
    const size_t n_features = (size_t)f->masks.n_features;
    ROTO_TRY(registry_init(&f->objects, f->params.tracker.max_objects));
    ROTO_TRY(assignment_new((int)n, (int)d, &f->pairing));
    f->objects.next_id = f->params.first_id;
    f->of = memory_new_array(n, sizeof(*f->of));
    f->features = memory_new_array(n * n_features, sizeof(*f->features));
    f->past_features = memory_new_array(n * n_features, sizeof(*f->past_features));
    f->detections = memory_new_array(d, sizeof(*f->detections));
    f->object_of = memory_new_array(d, sizeof(*f->object_of));
    f->inside = memory_new_array(n * d, sizeof(*f->inside));
    f->gain = memory_new_array(n * d, sizeof(*f->gain));
    f->rows = memory_new_array(n, sizeof(*f->rows));
    f->columns = memory_new_array(d, sizeof(*f->columns));
    f->column_of_row = memory_new_array(n, sizeof(*f->column_of_row));
    f->scratch = memory_new_array(n, sizeof(*f->scratch));
    f->out = memory_new_array(n, sizeof(*f->out));
    const bool all = f->of && f->features && f->past_features && f->detections && f->object_of &&
                     f->inside && f->gain && f->rows && f->columns && f->column_of_row &&
                     f->scratch && f->out;
    return all ? ROTO_OK : ROTO_ERROR_MEMORY;
}

roto_status follower_new(const follow_masks *masks, const roto_follower_params *params,
                         roto_follower **out)
{
    *out = NULL;
    const roto_follower_params p = params ? *params : roto_follower_params_default();
    ROTO_TRY(check_params(&p, masks->max_objects));
    roto_follower *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->params = p;
    f->masks = *masks;
    f->evidence_needed = evidence_needed(p.tracker.confirm_hits);
    f->max_detections = DETECTIONS_PER_OBJECT * p.tracker.max_objects;
    f->index = -1;
    const roto_status status = make_room(f);
    if (status != ROTO_OK) {
        roto_follower_free(f);
        return status;
    }
    *out = f;
    return ROTO_OK;
}

roto_status roto_follower_new(roto_segmenter *segmenter, const roto_follower_params *params,
                              roto_follower **out)
{
    if (!segmenter || !out)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: no segmenter, or no place for the handle", WHO);
    const follow_masks masks = follow_masks_of(segmenter);
    return follower_new(&masks, params, out);
}

void roto_follower_free(roto_follower *f)
{
    if (!f)
        return;
    registry_release(&f->objects);
    assignment_free(f->pairing);
    mask_parts_release(&f->parts);
    free(f->of);
    free(f->bits);
    free(f->common_bits);
    free(f->features);
    free(f->past_features);
    free(f->detections);
    free(f->object_of);
    free(f->inside);
    free(f->gain);
    free(f->rows);
    free(f->columns);
    free(f->column_of_row);
    free(f->scratch);
    free(f->out);
    free(f);
}

bool follower_same_class(const roto_follower *f, int32_t a, int32_t b)
{
    return !f->params.tracker.class_aware || a < 0 || b < 0 || a == b;
}

roto_status follower_forget_mask(roto_follower *f, int slot)
{
    followed_mask *m = &f->of[slot];
    if (!m->held)
        return ROTO_OK;
    m->held = m->has_mask = m->in_sight = false;
    return f->masks.remove(f->masks.user, follower_object(f, slot)->id);
}

static bool is_dead(const object *o, void *user)
{
    const roto_follower *f = user;
    return f->of[o - f->objects.slots].dead;
}

void follower_bury(roto_follower *f)
{
    registry_remove_if(&f->objects, is_dead, f);
}

/* ---- prompts ---------------------------------------------------------------------------------
 */

static int find_slot(const roto_follower *f, int64_t id)
{
    for (int i = 0; i < f->objects.n_live; i++)
        if (f->objects.slots[f->objects.live[i]].id == id)
            return f->objects.live[i];
    return -1;
}

roto_status roto_follower_prompt(roto_follower *f, int64_t id, int64_t frame,
                                 const roto_prompt *prompt)
{
    if (!f)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s is NULL", WHO);
    int slot = find_slot(f, id);
    if (slot < 0 && id >= f->params.first_id && id != f->offered_id)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: object %lld is not alive; ids from %lld on are given to new objects, "
                         "one by one, by roto_follower_new_id()",
                         WHO, (long long)id, (long long)f->params.first_id);
    const bool is_new = slot < 0;
    if (is_new && f->objects.n_unused == 0)
        return roto_fail(ROTO_ERROR_MEMORY,
                         "%s: object %lld would be one more than the %d that max_objects allows",
                         WHO, (long long)id, f->params.tracker.max_objects);
    ROTO_TRY(f->masks.prompt(f->masks.user, id, frame, prompt));
    if (is_new) {
        object *o = registry_add_as(&f->objects, id);
        slot = (int)(o - f->objects.slots);
        f->of[slot] = (followed_mask){.by_user = true, .likeness = 1, .detection = -1};
        o->class_id = -1;
        o->confirmed = true;
        o->born_frame = frame;
    }
    f->of[slot].held = true;
    if (frame != f->index)
        return ROTO_OK;
    ROTO_TRY(follow_look_again(f, slot));
    if (f->of[slot].has_mask)
        follow_observe(f, slot);
    return ROTO_OK;
}

int64_t roto_follower_new_id(roto_follower *f)
{
    if (!f)
        return 0;
    f->offered_id = f->objects.next_id++;
    return f->offered_id;
}

roto_status roto_follower_remove(roto_follower *f, int64_t id)
{
    const int slot = f ? find_slot(f, id) : -1;
    if (slot < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: there is no object %lld to remove", WHO,
                         (long long)id);
    const roto_status status = follower_forget_mask(f, slot);
    f->of[slot].dead = true;
    follower_bury(f);
    return status;
}

int32_t roto_follower_wants_detections(const roto_follower *f)
{
    for (int i = 0; f && i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        if (!f->objects.slots[slot].confirmed || f->of[slot].disagreed > 0)
            return 1;
    }
    return 0;
}

int64_t roto_follower_n_identities(const roto_follower *f)
{
    return f ? f->n_identities : 0;
}

/* ---- a frame ---------------------------------------------------------------------------------
 */

static void predict(roto_follower *f, double dt_s)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        object *o = registry_at(&f->objects, i);
        if (o->n_history == 0)
            continue;
        kalman_predict(&o->motion, dt_s);
        o->predicted = kalman_get(&o->motion);
        o->missed_frames++;
    }
}

/* Both lists go by id; objects that wait for their frame or are only remembered have no segment. */
static roto_status look(roto_follower *f, const roto_segment *segments, int32_t n)
{
    int32_t at = 0;
    for (int i = 0; i < f->objects.n_live; i++) {
        const int64_t id = registry_at(&f->objects, i)->id;
        while (at < n && segments[at].id < id)
            at++;
        const roto_segment *s = at < n && segments[at].id == id ? &segments[at] : NULL;
        ROTO_TRY(follow_look(f, f->objects.live[i], s));
    }
    return ROTO_OK;
}

static float within(float value, int32_t limit)
{
    return fminf(fmaxf(value, 0), (float)limit);
}

/* Masks end at the frame's edge, and so have boxes that are compared with them. */
static void take_detections(roto_follower *f, const roto_detection *detections, int32_t n)
{
    const int32_t kept = ranking_best(detections, n, f->detections, f->max_detections);
    f->n_detections = f->n_high = 0;
    for (int32_t i = 0; i < kept; i++) {
        roto_detection d = f->detections[i];
        d.box = (roto_box){within(d.box.x0, f->frame_w), within(d.box.y0, f->frame_h),
                           within(d.box.x1, f->frame_w), within(d.box.y1, f->frame_h)};
        if (d.box.x1 - d.box.x0 < 1 || d.box.y1 - d.box.y0 < 1 ||
            d.score < f->params.tracker.low_score)
            continue;
        f->object_of[f->n_detections] = -1;
        f->detections[f->n_detections++] = d;
        f->n_high += d.score >= f->params.tracker.high_score;
    }
}

static roto_status use_detections(roto_follower *f)
{
    follow_match(f);
    ROTO_TRY(follow_anchor(f));
    ROTO_TRY(follow_births(f));
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        followed_mask *m = &f->of[slot];
        if (follower_object(f, slot)->confirmed || m->detection >= 0)
            continue;
        m->dead = true; /* it has been looked for and not found again */
        ROTO_TRY(follower_forget_mask(f, slot));
    }
    return follow_confirm(f);
}

static int32_t report(roto_follower *f)
{
    int32_t n = 0;
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        object *o = follower_object(f, slot);
        const followed_mask *m = &f->of[slot];
        if (!o->confirmed || o->n_history == 0)
            continue;
        f->n_identities += !o->reported;
        o->reported = true;
        const int64_t age = f->index - o->born_frame;
        f->out[n++] = (roto_followed){
            .track = {.id = o->id,
                      .box = m->in_sight ? m->box : kalman_get(&o->motion),
                      .score =
                          m->by_user && o->class_id < 0 ? fminf(fmaxf(m->iou, 0), 1) : o->score,
                      .class_id = o->class_id,
                      .age_frames = age < INT32_MAX ? (int32_t)age : INT32_MAX,
                      .missed_frames = o->missed_frames},
            .state = m->in_sight ? ROTO_FOLLOW_SEEN : ROTO_FOLLOW_LOST,
            .by_user = m->by_user,
            .iou = m->iou,
            .object_score = m->object_score,
            .likeness = m->likeness,
            .area = m->in_sight ? (float)m->area_cells * f->grid.cell_w * f->grid.cell_h : 0};
    }
    return n;
}

static roto_status process(roto_follower *f, const roto_image *image, int64_t index)
{
    const roto_segment *segments;
    int32_t n;
    ROTO_TRY(f->masks.frame(f->masks.user, image, index, &segments, &n));
    ROTO_TRY(look(f, segments, n));
    if (f->detected)
        ROTO_TRY(use_detections(f));
    return follow_settle(f);
}

roto_status roto_follower_frame(roto_follower *f, const roto_image *image, int64_t index,
                                double time_s, double frame_s, const roto_detection *detections,
                                int32_t n_detections, const roto_followed **objects,
                                int32_t *n_objects)
{
    if (!f || !image || !objects || !n_objects)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: no follower, no image, or no place for objects",
                         WHO);
    if (index <= f->index)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: frame %lld after frame %lld", WHO,
                         (long long)index, (long long)f->index);
    if (n_detections != ROTO_NOT_DETECTED)
        ROTO_TRY(check_detections(WHO, detections, n_detections));
    ROTO_TRY(check_times(WHO, time_s, frame_s, f->has_time ? &f->time_s : NULL));
    ROTO_TRY(roto_image_check(image));
    const double dt_s = f->has_time ? time_s - f->time_s : 0;
    f->has_time = true;
    f->time_s = time_s;
    f->frame_s = frame_s;
    f->index = index;
    f->frame_w = image->width;
    f->frame_h = image->height;
    f->detected = n_detections != ROTO_NOT_DETECTED;
    follower_bury(f); /* after a frame that failed */
    predict(f, dt_s);
    if (f->detected)
        take_detections(f, detections, n_detections);
    ROTO_TRY(process(f, image, index));
    return roto_follower_objects(f, objects, n_objects);
}

roto_status roto_follower_objects(roto_follower *f, const roto_followed **objects,
                                  int32_t *n_objects)
{
    if (!f || !objects || !n_objects)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: no follower, or no place for objects", WHO);
    *n_objects = report(f);
    *objects = f->out;
    return ROTO_OK;
}
