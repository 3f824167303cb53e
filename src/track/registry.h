/* track/registry.h - the objects alive: a fixed number of slots, identities that are never reused.
 */
#ifndef TRACK_REGISTRY_H
#define TRACK_REGISTRY_H

#include "track/kalman.h"

#include <stdbool.h>

enum { OBJECT_MAX_HISTORY = 32 }; /* observations kept per object, for its direction */

/* A box that a detection gave. */
typedef struct observation {
    roto_box box;
    int64_t frame;
    double time_s;
} observation;

typedef struct object {
    int64_t id;
    int32_t class_id;
    float score; /* of its latest detection */
    int64_t born_frame;
    float evidence;        /* that it is there, see tracker.c */
    int32_t missed_frames; /* since the latest observation */
    bool confirmed;
    bool reported;          /* has been in a frame's tracks */
    kalman_box motion;      /* at the present frame */
    kalman_box motion_seen; /* right after the latest observation */
    roto_box predicted;     /* motion's box at the present frame, before any correction */
    observation history[OBJECT_MAX_HISTORY]; /* a ring */
    int n_history, newest;
} object;

/* Objects alive in the order of their identities are slots[live[0]] ... slots[live[n_live - 1]]. */
typedef struct registry {
    object *slots;
    int *live, *unused;
    int n_live, n_unused, capacity;
    int64_t next_id;
} registry;

roto_status registry_init(registry *r, int capacity);
void registry_release(registry *r);

/* The i-th object alive. */
object *registry_at(registry *r, int i);

/* A new object with the next identity, last in order; NULL when all slots are taken. */
object *registry_add(registry *r);

/* A new object of an identity that no living one has, in its place in the order. */
object *registry_add_as(registry *r, int64_t id);

/* Forgets the objects that `dead` picks; the others keep their order. */
void registry_remove_if(registry *r, bool (*dead)(const object *o, void *user), void *user);

/* Notes an observation as the newest. */
void object_observe(object *o, const observation *seen);
const observation *object_latest(const object *o);

/* Moves everything known of where it was and is: the camera turned. */
void object_shift(object *o, float dx, float dy);

/* The observation of `frame - n_frames`, or the oldest after that; the latest one if all are older.
 */
const observation *object_earlier(const object *o, int64_t frame, int n_frames);

#endif
