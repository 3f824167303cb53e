/* tests/track/scene.h - made-up detections and a tracker that follows them. */
#ifndef TESTS_TRACK_SCENE_H
#define TESTS_TRACK_SCENE_H

#include "support/cmocka_all.h"

#include <roto/track.h>

#include <math.h>
#include <stdbool.h>

static const double FRAME_S = 1.0 / 30;

/* A person 40 px wide and 100 px high around x, y. */
static inline roto_detection at(double x, double y, float score, int32_t class_id)
{
    return (roto_detection){
        .box = {(float)(x - 20), (float)(y - 50), (float)(x + 20), (float)(y + 50)},
        .score = score,
        .class_id = class_id};
}

static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* -1 .. 1 */
static inline double next_signed(uint32_t *state)
{
    return (double)(next_random(state) % 20001) / 10000 - 1;
}

static inline roto_tracker *new_tracker(const roto_tracker_params *params)
{
    roto_tracker *t = NULL;
    assert_int_equal(roto_tracker_new(params, &t), ROTO_OK);
    return t;
}

/* The number of tracks after one more frame. */
static inline int32_t update(roto_tracker *t, const roto_detection *found, int32_t n, double time_s,
                             double frame_s, const roto_track **tracks)
{
    int32_t n_tracks = -1;
    if (roto_tracker_update(t, found, n, time_s, frame_s, tracks, &n_tracks) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    return n_tracks;
}

/* The identity of the track whose centre is nearest to x, y and within 30 px; 0: none. */
static inline int64_t id_near(const roto_track *tracks, int32_t n, double x, double y)
{
    double nearest = 30;
    int64_t id = 0;
    for (int32_t i = 0; i < n; i++) {
        const roto_box *b = &tracks[i].box;
        double away = hypot((double)(b->x0 + b->x1) / 2 - x, (double)(b->y0 + b->y1) / 2 - y);
        if (away < nearest) {
            nearest = away;
            id = tracks[i].id;
        }
    }
    return id;
}

#endif
