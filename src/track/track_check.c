#include "track/track_check.h"

#include "base/error.h"
#include "track/registry.h"

#include <math.h>

enum { MAX_OBJECTS = 4096, MAX_CONFIRM_HITS = 1000 };
static const double MAX_ABSENCE_S = 3600;
static const double MAX_COORDINATE_PX = 1e6; /* far outside any picture */
static const double MAX_TIME_S = 1e9;        /* 31 years; a double still holds microseconds */
static const double LEAST_FRAME_S = 1e-6;

roto_status check_share(const char *who, const char *name, float value)
{
    if (!(value >= 0 && value <= 1))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: %s is %g; it must be in 0..1", who, name,
                         (double)value);
    return ROTO_OK;
}

roto_status check_count(const char *who, const char *name, int32_t value, int32_t least,
                        int32_t most)
{
    if (value < least || value > most)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: %s is %d; it must be in %d..%d", who, name,
                         value, least, most);
    return ROTO_OK;
}

roto_status check_seconds(const char *who, const char *name, double value)
{
    if (!(value >= 0 && value <= MAX_ABSENCE_S))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: %s is %g; it must be in 0..%g", who, name, value,
                         MAX_ABSENCE_S);
    return ROTO_OK;
}

roto_status check_tracker_params(const char *who, const roto_tracker_params *p)
{
    ROTO_TRY(check_share(who, "high_score", p->high_score));
    ROTO_TRY(check_share(who, "low_score", p->low_score));
    ROTO_TRY(check_share(who, "birth_score", p->birth_score));
    ROTO_TRY(check_share(who, "match_iou", p->match_iou));
    ROTO_TRY(check_share(who, "match_iou_low", p->match_iou_low));
    ROTO_TRY(check_share(who, "momentum_weight", p->momentum_weight));
    ROTO_TRY(check_count(who, "momentum_frames", p->momentum_frames, 1, OBJECT_MAX_HISTORY - 1));
    ROTO_TRY(check_count(who, "confirm_hits", p->confirm_hits, 1, MAX_CONFIRM_HITS));
    ROTO_TRY(check_count(who, "class_aware", p->class_aware, 0, 1));
    ROTO_TRY(check_count(who, "max_objects", p->max_objects, 1, MAX_OBJECTS));
    if (p->low_score > p->high_score)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: low_score %g is above high_score %g", who,
                         (double)p->low_score, (double)p->high_score);
    return check_seconds(who, "max_absence_s", p->max_absence_s);
}

static bool inside(float coordinate)
{
    return coordinate >= -MAX_COORDINATE_PX && coordinate <= MAX_COORDINATE_PX; /* false for NaN */
}

roto_status check_detections(const char *who, const roto_detection *detections, int32_t n)
{
    if (n < 0 || (n > 0 && !detections))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: %d detections%s", who, n,
                         n < 0 ? "" : " at no address");
    for (int32_t i = 0; i < n; i++) {
        const roto_box *b = &detections[i].box;
        if (!inside(b->x0) || !inside(b->y0) || !inside(b->x1) || !inside(b->y1) ||
            b->x0 >= b->x1 || b->y0 >= b->y1)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "%s: detection %d has the box %g,%g,%g,%g; x0 < x1 and y0 < y1 "
                             "must lie within %g px",
                             who, i, (double)b->x0, (double)b->y0, (double)b->x1, (double)b->y1,
                             MAX_COORDINATE_PX);
        if (!(detections[i].score >= 0 && detections[i].score <= 1))
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "%s: detection %d has the score %g; it must be in 0..1", who, i,
                             (double)detections[i].score);
    }
    return ROTO_OK;
}

roto_status check_times(const char *who, double time_s, double frame_s, const double *latest)
{
    if (!(fabs(time_s) <= MAX_TIME_S))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: a frame at %g s; times lie within %g s of 0",
                         who, time_s, MAX_TIME_S);
    if (!(frame_s >= LEAST_FRAME_S && frame_s <= MAX_TIME_S))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: a frame of %g s; it must last %g..%g s", who,
                         frame_s, LEAST_FRAME_S, MAX_TIME_S);
    if (latest && time_s < *latest)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: a frame at %.6f s after one at %.6f s", who,
                         time_s, *latest);
    return ROTO_OK;
}
