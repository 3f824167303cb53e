/* roto/follow.h - following objects by their masks: a detector finds them, a segmenter carries
 * them.
 *
 * A confident detection that no mask explains becomes an object: its box prompts the segmenter,
 * whose memory carries the mask from frame to frame, also through frames that no detector saw. The
 * detections that come now and then say that the object is real, pull a mask back that has drifted
 * off, and find objects again that were out of sight. This is tracking by prompted segmentation as
 * in Yang et al. 2023 ("Track Anything") and Cheng et al. 2023 (DEVA), with the confirmation and
 * the motion model of roto/track.h.
 *
 *     roto_follower *follower;
 *     roto_follower_new(segmenter, NULL, &follower);
 *     for (int64_t i = 0; next_frame(&frame); i++) {
 *         const roto_detection *found = NULL;
 *         int32_t n_found = ROTO_NOT_DETECTED;
 *         if (i % 10 == 0 || roto_follower_wants_detections(follower))
 *             roto_detector_run(detector, &frame.image, &found, &n_found);
 *         roto_follower_frame(follower, &frame.image, i, frame.time_s, frame.duration_s, found,
 *                             n_found, &objects, &n_objects);
 *         roto_segmenter_mask(segmenter, objects[0].track.id, 255, mask, frame.image.width);
 *     }
 *
 * A follower is used by one thread at a time, together with its segmenter. The same calls give the
 * same bits. Nothing looks ahead: a frame's objects are final.
 */
#ifndef ROTO_FOLLOW_H
#define ROTO_FOLLOW_H

#include <roto/segment.h>
#include <roto/track.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As n_detections: the detector did not run on this frame. 0 says that it found nothing. */
#define ROTO_NOT_DETECTED (-1)

typedef struct roto_follower roto_follower;

typedef struct roto_follower_params {
    size_t struct_bytes;

    /* Scores, confirmation, classes and absence as in roto/track.h, with these differences: an
     * object's evidence only decides when it is reported for the first time; confirm_hits is 2 by
     * default, since the mask has to hold as well; max_absence_s is 5; max_objects, 32, is of those
     * in sight and those remembered together, and at most the segmenter's; momentum is not used. */
    roto_tracker_params tracker;

    float explained_share; /* a detection is explained by masks that cover so much of its box, or
                              whose common box overlaps it (IoU) so much, 0..1. Default 0.5 */

    /* A mask disagrees with its detection when their boxes overlap by less than anchor_iou or less
     * than anchor_share of the mask lies in the box. After anchor_frames frames in a row with a
     * detection that disagrees, or at once when the segmenter trusts its mask less than least_iou,
     * the box prompts the segmenter again. */
    float anchor_iou;      /* 0..1, default 0.6 */
    float anchor_share;    /* 0..1, default 0.8 */
    int32_t anchor_frames; /* 1..1000, default 3; 0: never pull a mask back */
    float least_iou;       /* of the segmenter's estimate, 0..1, default 0.5. Below half of it a
                              mask without a detection that agrees counts as out of sight */

    /* Two masks of a class whose overlap (IoU) stays at or above duplicate_iou for
     * duplicate_frames frames are one object: the one that has been in sight for less long goes. */
    float duplicate_iou;      /* 0..1, default 0.7 */
    int32_t duplicate_frames; /* 1..1000, default 3 */

    /* Likeness compares the segmenter's features under a mask with what they were for the object
     * before, -1..1. Below least_likeness, without a detection that agrees, the mask lies on
     * something else and the object counts as out of sight. It comes back with a mask that is as
     * like as return_likeness and trusted by least_iou; a new object that is as like a lost one,
     * and near enough for the time gone by, is that one come back. With the shipped segmenter, on
     * eight sequences, 0.85 takes 89 of 100 objects for themselves a second later. */
    float least_likeness;  /* default 0.6; -1: never */
    float return_likeness; /* default 0.85 */

    double max_unsupported_s; /* a mask that no detection agreed with for so long, while a detector
                                 ran, counts as lost; seconds, 0: never. Default 10 */

    int64_t first_id; /* of objects that detections give birth to; smaller ones are the caller's, 1
                         or more. Default 1 */
} roto_follower_params;

ROTO_API roto_follower_params roto_follower_params_default(void);

typedef enum roto_follow_state {
    ROTO_FOLLOW_SEEN = 0, /* has a mask in this frame */
    ROTO_FOLLOW_LOST = 1  /* out of sight; its box is a prediction */
} roto_follow_state;

/* One object in one frame. */
typedef struct roto_followed {
    roto_track track; /* box: around the mask's main parts; score: of the latest detection, of a
                         prompted object the segmenter's iou; class_id: -1 for a prompted object
                         until a detection agrees with it */
    roto_follow_state state;
    int32_t by_user;    /* 1: from roto_follower_prompt() */
    float iou;          /* the segmenter's estimate, 0..1 */
    float object_score; /* the segmenter's, a logit */
    float likeness;     /* to what it looked like before, -1..1; 1 when it is new */
    float area;         /* of the mask, in pixels of the frame */
} roto_followed;

/* The segmenter stays the caller's, has to outlive *out and to be fresh: every object in it is the
 * follower's business from here. params may be NULL. */
ROTO_API roto_status roto_follower_new(roto_segmenter *segmenter,
                                       const roto_follower_params *params, roto_follower **out);
ROTO_API void roto_follower_free(roto_follower *follower); /* NULL is fine */

/* Prompts as roto_segmenter_prompt() takes them. `id` is below first_id, or of an object alive, or
 * from roto_follower_new_id(); an id from first_id on that is none of these is refused, because it
 * may have been another object's. Objects made this way are reported at once, are never taken for
 * duplicates and never forgotten; detections do not move their masks. */
ROTO_API roto_status roto_follower_prompt(roto_follower *follower, int64_t id, int64_t frame,
                                          const roto_prompt *prompt);

/* An identity that no object had or will have, for a prompt. */
ROTO_API int64_t roto_follower_new_id(roto_follower *follower);

/* Forgets an object, whoever made it. ROTO_ERROR_ARGUMENT when there is none of that id. */
ROTO_API roto_status roto_follower_remove(roto_follower *follower, int64_t id);

/* 1 when detections on the next frame would settle something: an object waits to be confirmed, or
 * a mask disagrees with its detections. A caller that detects on every n-th frame does so then as
 * well. */
ROTO_API int32_t roto_follower_wants_detections(const roto_follower *follower);

/* Takes a frame: `index` as in roto_segmenter_frame() but always growing, times as in
 * roto_tracker_update(). *objects, sorted by id, holds the confirmed objects, those out of sight
 * included; belongs to the follower and is valid until the next call. Masks of the objects in state
 * SEEN are in the segmenter under the same id. Allocates nothing once as many objects as now have
 * been followed at the same time, unless the image's size changes. After an error of the segmenter
 * the frame's objects are not known; the next frame can be given all the same. */
ROTO_API roto_status roto_follower_frame(roto_follower *follower, const roto_image *image,
                                         int64_t index, double time_s, double frame_s,
                                         const roto_detection *detections, int32_t n_detections,
                                         const roto_followed **objects, int32_t *n_objects);

/* The current frame's objects as they are now, after prompts and removals. */
ROTO_API roto_status roto_follower_objects(roto_follower *follower, const roto_followed **objects,
                                           int32_t *n_objects);

/* How many objects have been reported since the follower was made. */
ROTO_API int64_t roto_follower_n_identities(const roto_follower *follower);

#ifdef __cplusplus
}
#endif
#endif
