/* roto/track.h - following detected boxes through time with stable identities.
 *
 * A Kalman filter per object with constant velocity (Bewley et al. 2016, SORT) and noise that
 * depends on the score (Du et al. 2021, GIAOTracker), association in two stages that also uses
 * low-score boxes (Zhang et al. 2022, ByteTrack), observation-centric momentum and re-update after
 * an absence (Cao et al. 2023, OC-SORT), and compensation of the camera's motion from what the
 * objects in a frame have in common. Nothing looks ahead: a frame's tracks are final.
 */
#ifndef ROTO_TRACK_H
#define ROTO_TRACK_H

#include <roto/detect.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct roto_tracker_params {
    size_t struct_bytes;
    /* Scores mean different things to different detectors: set these three to suit yours. */
    float high_score;        /* first-stage detections; also what a birth needs at least */
    float low_score;         /* second-stage detections lie in [low_score, high_score) */
    float birth_score;       /* a new object starts only at or above it */
    float match_iou;         /* least overlap of a first-stage match, 0..1 */
    float match_iou_low;     /* least overlap of a second-stage match, 0..1 */
    float momentum_weight;   /* weight of OC-SORT's direction consistency; 0 turns it off */
    int32_t momentum_frames; /* over how many frames the direction is measured */
    int32_t confirm_hits;    /* consecutive matches with scores near 1 until an object is reported,
                                again after an absence; with lower scores it takes more. 1: at
                                once */
    double max_absence_s;    /* an object unseen for longer is forgotten, seconds */
    int32_t class_aware;     /* 1: objects match detections of their class only */
    int32_t max_objects;     /* alive at once, 1..4096; further births wait */
} roto_tracker_params;

ROTO_API roto_tracker_params roto_tracker_params_default(void);

/* One object in one frame. Its box is the filtered one, steadier than the detection behind it. */
typedef struct roto_track {
    int64_t id; /* from 1, never reused */
    roto_box box;
    float score; /* of the detection behind it, or its last one while it is predicted */
    int32_t class_id;
    int32_t age_frames;    /* frames since birth */
    int32_t missed_frames; /* 0: seen in this frame; else the box is a prediction */
} roto_track;

typedef struct roto_tracker roto_tracker;

ROTO_API roto_status roto_tracker_new(const roto_tracker_params *params, roto_tracker **out);
ROTO_API void roto_tracker_free(roto_tracker *tracker); /* NULL is fine */

/* How many objects have been reported since the tracker was made. */
ROTO_API int64_t roto_tracker_n_identities(const roto_tracker *tracker);

/* Takes the next frame's detections (any order; NaN boxes are refused). time_s is the frame's time
 * and must not go back; frame_s its nominal duration, by which motion is scaled. *tracks, sorted by
 * id, holds the confirmed objects seen in this frame, belongs to the tracker and is valid until the
 * next call. */
ROTO_API roto_status roto_tracker_update(roto_tracker *tracker, const roto_detection *detections,
                                         int32_t n_detections, double time_s, double frame_s,
                                         const roto_track **tracks, int32_t *n_tracks);

/* Forgets all objects; identities go on from where they were. */
ROTO_API void roto_tracker_reset(roto_tracker *tracker);

#ifdef __cplusplus
}
#endif
#endif
