/* track/follower.h - the inside of roto_follower, shared by the files that make it up: follower.c
 * opens, closes and goes through a frame, follow_look.c reads masks, follow_match.c pairs them with
 * detections, follow_birth.c prompts the segmenter with detections, follow_settle.c decides what is
 * believed. */
#ifndef TRACK_FOLLOWER_H
#define TRACK_FOLLOWER_H

#include "track/assignment.h"
#include "track/follow_masks.h"
#include "track/registry.h"

#include <roto/follow.h>

/* What is known of an object beside what the registry keeps. Of the registry's object the box
 * observed is the mask's, and missed_frames counts the frames out of sight. */
typedef struct followed_mask {
    bool by_user;
    bool held;  /* by the segmenter */
    bool dead;  /* to be removed at the end of the frame */
    bool alike; /* there are features to compare with */

    /* On the current frame: */
    bool has_mask; /* the segmenter sees it */
    bool in_sight; /* and it is believed */
    bool agrees;   /* with a detection */
    float object_score, iou, likeness;
    int32_t area_cells;
    roto_box box;
    int32_t detection; /* the one it was paired with, or -1 */

    double sight_start_s; /* in sight without a break since */
    double supported_s;   /* a detection overlapped it last */
    int32_t disagreed;    /* detections in a row */
    int64_t twin_id;      /* the object whose mask it shares, 0: none */
    int32_t twin_frames;
} followed_mask;

struct roto_follower {
    roto_follower_params params;
    follow_masks masks;
    float evidence_needed;
    registry objects;
    followed_mask *of; /* by slot */

    mask_grid grid; /* w 0: not known yet */
    mask_parts parts;
    uint64_t *bits, *common_bits;    /* [slots, words], [words] */
    float *features, *past_features; /* [slots, n_features]: now; averaged over the past */

    roto_detection *detections; /* of this frame, best first, cut to the frame */
    int32_t n_detections, n_high, max_detections;
    int32_t *object_of; /* per detection: the slot that it was paired with, or -1 */
    float *inside;      /* [slots, max_detections]: share of the mask in the box */
    assignment *pairing;
    double *gain;
    int *rows, *columns, *column_of_row;
    float *scratch; /* per object */

    roto_followed *out;
    bool has_time, detected;
    int64_t index;
    double time_s, frame_s;
    int32_t frame_w, frame_h;
    int64_t n_identities;
    int64_t offered_id; /* the latest from roto_follower_new_id() */
};

/* follower.c */
roto_status follower_new(const follow_masks *masks, const roto_follower_params *params,
                         roto_follower **out);
/* Takes the object's mask from the segmenter, which may hold none. */
roto_status follower_forget_mask(roto_follower *f, int slot);
void follower_bury(roto_follower *f); /* removes the objects that are marked dead */

static inline object *follower_object(roto_follower *f, int slot)
{
    return &f->objects.slots[slot];
}

static inline uint64_t *follower_bits(const roto_follower *f, int slot)
{
    return f->bits + (size_t)slot * (size_t)mask_grid_words(&f->grid);
}

/* Whether detections or objects of these classes may be the same thing; -1: of any class. */
bool follower_same_class(const roto_follower *f, int32_t a, int32_t b);

/* follow_look.c */

/* Reads an object's segment of the current frame; `s` NULL: it has none. */
roto_status follow_look(roto_follower *f, int slot, const roto_segment *s);
/* The same after a prompt. */
roto_status follow_look_again(roto_follower *f, int slot);
/* Likeness of an object's mask now to what another one looked like; 1 when nothing is known. */
float follow_likeness(const roto_follower *f, int past_slot, int now_slot);
void follow_note_features(roto_follower *f, int slot);

/* follow_match.c: pairs masks with the frame's detections and notes what they say. */
void follow_match(roto_follower *f);

/* follow_birth.c */

/* Prompts again where masks and detections disagree. */
roto_status follow_anchor(roto_follower *f);
/* Detections that nothing explains become objects, or lost ones come back. */
roto_status follow_births(roto_follower *f);
/* Believes the objects for which there is evidence enough, unless they are lost ones come back. */
roto_status follow_confirm(roto_follower *f);

/* follow_settle.c */

/* The object is where its mask is. */
void follow_observe(roto_follower *f, int slot);
/* Which masks are believed, which objects are one, which are forgotten. */
roto_status follow_settle(roto_follower *f);

#endif
