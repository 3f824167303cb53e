#include <roto/track.h>

#include "base/error.h"
#include "base/memory.h"
#include "track/assignment.h"
#include "track/association.h"
#include "track/camera.h"
#include "track/evidence.h"
#include "track/ranking.h"
#include "track/registry.h"
#include "track/track_check.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Steps of a re-update are bounded, so that an absence of an hour costs no more than one of a
 * second. */
enum { REUPDATE_MAX_STEPS = 64 };

struct roto_tracker {
    roto_tracker_params params;
    float evidence_needed; /* see evidence.h */
    registry objects;
    assignment *pairing;
    roto_detection *detections; /* of this frame, best first, at most max_objects */
    int n_detections, n_high;   /* the first n_high are for the first stage */
    int *object_of;      /* per detection: index of the object that it was matched with, or -1 */
    bool *matched;       /* per object */
    int *rows, *columns; /* objects and detections that take part in a stage */
    int *column_of_row;
    double *gain;   /* [rows, columns] */
    float *scratch; /* per object */
    roto_track *tracks;
    bool has_time;
    double time_s;
    int64_t frame;
    int64_t n_identities; /* reported so far */
};

roto_tracker_params roto_tracker_params_default(void)
{
    return (roto_tracker_params){.struct_bytes = sizeof(roto_tracker_params),
                                 .high_score = 0.5f,
                                 .low_score = 0.1f,
                                 .birth_score = 0.6f,
                                 .match_iou = 0.2f,
                                 .match_iou_low = 0.5f,
                                 .momentum_weight = 0.2f,
                                 .momentum_frames = 3,
                                 .confirm_hits = 3,
                                 .max_absence_s = 1,
                                 .class_aware = 1,
                                 .max_objects = 256};
}

roto_status roto_tracker_new(const roto_tracker_params *params, roto_tracker **out)
{
    if (!out)
        return roto_fail(ROTO_ERROR_ARGUMENT, "tracker: no place to put it was given");
    *out = NULL;
    roto_tracker_params p = roto_tracker_params_default();
    if (params) {
        if (params->struct_bytes != sizeof(p))
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "tracker: parameters of %zu bytes, not %zu; start from "
                             "roto_tracker_params_default()",
                             params->struct_bytes, sizeof(p));
        p = *params;
    }
    ROTO_TRY(check_tracker_params("tracker", &p));
    roto_tracker *t = memory_new_array(1, sizeof(*t));
    if (!t)
        return ROTO_ERROR_MEMORY;
    t->params = p;
    t->evidence_needed = evidence_needed(p.confirm_hits);
    size_t n = (size_t)p.max_objects;
    roto_status status = registry_init(&t->objects, p.max_objects);
    if (status == ROTO_OK)
        status = assignment_new(p.max_objects, p.max_objects, &t->pairing);
    if (status != ROTO_OK)
        goto fail;
    status = ROTO_ERROR_MEMORY;
    t->detections = memory_new_array(n, sizeof(*t->detections));
    t->object_of = memory_new_array(n, sizeof(*t->object_of));
    t->matched = memory_new_array(n, sizeof(*t->matched));
    t->rows = memory_new_array(n, sizeof(*t->rows));
    t->columns = memory_new_array(n, sizeof(*t->columns));
    t->column_of_row = memory_new_array(n, sizeof(*t->column_of_row));
    t->gain = memory_new_array(n * n, sizeof(*t->gain));
    t->scratch = memory_new_array(n, sizeof(*t->scratch));
    t->tracks = memory_new_array(n, sizeof(*t->tracks));
    if (!t->detections || !t->object_of || !t->matched || !t->rows || !t->columns ||
        !t->column_of_row || !t->gain || !t->scratch || !t->tracks)
        goto fail;
    *out = t;
    return ROTO_OK;
fail:
    roto_tracker_free(t);
    return status;
}

void roto_tracker_free(roto_tracker *t)
{
    if (!t)
        return;
    registry_release(&t->objects);
    assignment_free(t->pairing);
    free(t->detections);
    free(t->object_of);
    free(t->matched);
    free(t->rows);
    free(t->columns);
    free(t->column_of_row);
    free(t->gain);
    free(t->scratch);
    free(t->tracks);
    free(t);
}

int64_t roto_tracker_n_identities(const roto_tracker *t)
{
    return t ? t->n_identities : 0;
}

static bool any(const object *o, void *user)
{
    (void)o;
    (void)user;
    return true;
}

void roto_tracker_reset(roto_tracker *t)
{
    if (!t)
        return;
    registry_remove_if(&t->objects, any, NULL);
    t->has_time = false;
    t->frame = 0;
}

typedef struct {
    const roto_tracker *tracker;
    double time_s, frame_s;
} moment;

/* An observation stands for the time until the next frame, hence the frame on top of the absence;
 * half a frame more absorbs jitter of timestamps. */
static bool forgotten(const object *o, void *user)
{
    const moment *now = user;
    double unseen_s = now->time_s - object_latest(o)->time_s - 1.5 * now->frame_s;
    return unseen_s > now->tracker->params.max_absence_s || (!o->confirmed && o->missed_frames > 0);
}

static void predict_all(roto_tracker *t, const moment *now)
{
    double dt_s = t->has_time ? now->time_s - t->time_s : 0;
    for (int i = 0; i < t->objects.n_live; i++) {
        object *o = registry_at(&t->objects, i);
        kalman_predict(&o->motion, dt_s);
        o->predicted = kalman_get(&o->motion);
        if (o->missed_frames > 0) /* the frame before went by without it */
            o->evidence = evidence_take(o->evidence, t->evidence_needed);
        o->missed_frames++;
        t->matched[i] = false;
    }
}

/* OC-SORT's observation-centric re-update (section 4.1): what the filter believed during an absence
 * is replaced by what it would have believed, had it seen the object move straight to where it is
 * now. */
static void reupdate(object *o, const roto_detection *d, const moment *now)
{
    const observation from = *object_latest(o);
    int steps = o->missed_frames < REUPDATE_MAX_STEPS ? o->missed_frames : REUPDATE_MAX_STEPS;
    double step_s = (now->time_s - from.time_s) / steps;
    o->motion = o->motion_seen;
    for (int i = 1; i <= steps; i++) {
        float at = (float)i / (float)steps;
        roto_box between = {from.box.x0 + at * (d->box.x0 - from.box.x0),
                            from.box.y0 + at * (d->box.y0 - from.box.y0),
                            from.box.x1 + at * (d->box.x1 - from.box.x1),
                            from.box.y1 + at * (d->box.y1 - from.box.y1)};
        kalman_predict(&o->motion, step_s);
        kalman_correct(&o->motion, &between, d->score);
    }
}

static void observe(const roto_tracker *t, object *o, const roto_detection *d, const moment *now)
{
    if (o->n_history == 0)
        kalman_start(&o->motion, &d->box);
    else if (o->missed_frames > 1)
        reupdate(o, d, now);
    else
        kalman_correct(&o->motion, &d->box, d->score);
    o->motion_seen = o->motion;
    o->score = d->score;
    o->class_id = d->class_id;
    o->missed_frames = 0;
    o->evidence = evidence_add(o->evidence, t->evidence_needed, d->score, t->params.high_score);
    if (o->evidence >= t->evidence_needed)
        o->confirmed = true;
    object_observe(o, &(observation){d->box, t->frame, now->time_s});
}

/* What the pair gains; 0 when it must not be. The longer an object is unseen, the less is known of
 * where it is: overlap counts for less (by a factor of e at max_absence_s), so that a match has to
 * be better and objects just seen go first. */
static float pair_gain(const roto_tracker *t, const object *o, const roto_detection *d,
                       float least_iou, bool momentum, const moment *now)
{
    if (t->params.class_aware && o->class_id != d->class_id)
        return 0;
    float iou = box_iou(&o->predicted, &d->box);
    if (iou <= 0 || iou < least_iou)
        return 0;
    const observation *latest = object_latest(o);
    double absence_s = fmax(0, now->time_s - latest->time_s - now->frame_s);
    iou *= (float)exp(-absence_s / fmax(t->params.max_absence_s, now->frame_s));
    if (iou < least_iou)
        return 0;
    if (!momentum)
        return iou;
    const observation *earlier = object_earlier(o, t->frame, t->params.momentum_frames);
    float agreement = box_momentum(&earlier->box, &latest->box, &d->box);
    return iou + t->params.momentum_weight * agreement * d->score;
}

/* Pairs objects that are still free with free detections first..end - 1. */
static void match(roto_tracker *t, int first, int end, float least_iou, bool momentum,
                  const moment *now)
{
    int n_rows = 0, n_columns = 0;
    for (int i = 0; i < t->objects.n_live; i++)
        if (!t->matched[i])
            t->rows[n_rows++] = i;
    for (int d = first; d < end; d++)
        if (t->object_of[d] < 0)
            t->columns[n_columns++] = d;
    if (n_rows == 0 || n_columns == 0)
        return;
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_columns; c++)
            t->gain[(size_t)r * (size_t)n_columns + (size_t)c] =
                pair_gain(t, registry_at(&t->objects, t->rows[r]), &t->detections[t->columns[c]],
                          least_iou, momentum, now);
    assignment_solve(t->pairing, t->gain, n_rows, n_columns, t->column_of_row);
    for (int r = 0; r < n_rows; r++) {
        if (t->column_of_row[r] < 0)
            continue;
        int d = t->columns[t->column_of_row[r]];
        t->object_of[d] = t->rows[r];
        t->matched[t->rows[r]] = true;
        observe(t, registry_at(&t->objects, t->rows[r]), &t->detections[d], now);
    }
}

/* Moves the objects that are still free with the camera. */
static void follow_camera(roto_tracker *t)
{
    float dx = 0, dy = 0;
    if (!camera_motion(&t->objects, t->scratch, &dx, &dy))
        return;
    for (int i = 0; i < t->objects.n_live; i++)
        if (!t->matched[i])
            object_shift(registry_at(&t->objects, i), dx, dy);
}

static void give_birth(roto_tracker *t, const moment *now)
{
    for (int d = 0; d < t->n_high; d++) {
        if (t->object_of[d] >= 0 || t->detections[d].score < t->params.birth_score)
            continue;
        object *o = registry_add(&t->objects);
        if (!o)
            return;
        o->born_frame = t->frame;
        observe(t, o, &t->detections[d], now);
    }
}

static int report(roto_tracker *t)
{
    int n = 0;
    for (int i = 0; i < t->objects.n_live; i++) {
        object *o = registry_at(&t->objects, i);
        if (!o->confirmed || o->missed_frames > 0 || o->evidence < t->evidence_needed)
            continue;
        t->n_identities += !o->reported;
        o->reported = true;
        int64_t age = t->frame - o->born_frame;
        t->tracks[n++] = (roto_track){.id = o->id,
                                      .box = kalman_get(&o->motion),
                                      .score = o->score,
                                      .class_id = o->class_id,
                                      .age_frames = age < INT32_MAX ? (int32_t)age : INT32_MAX,
                                      .missed_frames = o->missed_frames};
    }
    return n;
}

roto_status roto_tracker_update(roto_tracker *t, const roto_detection *detections,
                                int32_t n_detections, double time_s, double frame_s,
                                const roto_track **tracks, int32_t *n_tracks)
{
    if (!t || !tracks || !n_tracks)
        return roto_fail(ROTO_ERROR_ARGUMENT, "tracker: no tracker, or no place for its tracks");
    ROTO_TRY(check_detections("tracker", detections, n_detections));
    ROTO_TRY(check_times("tracker", time_s, frame_s, t->has_time ? &t->time_s : NULL));
    moment now = {t, time_s, frame_s};
    t->n_detections = ranking_best(detections, n_detections, t->detections, t->params.max_objects);
    t->n_high = 0;
    int n_usable = 0;
    for (int d = 0; d < t->n_detections; d++) {
        t->object_of[d] = -1;
        t->n_high += t->detections[d].score >= t->params.high_score;
        n_usable += t->detections[d].score >= t->params.low_score;
    }
    registry_remove_if(&t->objects, forgotten, &now);
    predict_all(t, &now);
    match(t, 0, t->n_high, t->params.match_iou, true, &now);
    follow_camera(t);
    match(t, 0, t->n_high, t->params.match_iou, true, &now);
    match(t, t->n_high, n_usable, t->params.match_iou_low, false, &now);
    give_birth(t, &now);
    *n_tracks = report(t);
    *tracks = t->tracks;
    t->has_time = true;
    t->time_s = time_s;
    t->frame++;
    return ROTO_OK;
}
