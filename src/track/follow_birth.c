/* Prompts the segmenter with detections: objects are born, come back and are pulled back. */
#include "track/follower.h"

#include "base/error.h"
#include "track/association.h"
#include "track/evidence.h"

#include <math.h>
#include <string.h>

/* A mask that lies in a box to so much of its area is part of what the box holds. */
static const float PART_SHARE = 0.7f;

/* A new mask that shares so much of the smaller one's area with another is a part of that object,
 * or that object is a part of what was detected. */
static const float SMOTHERED_SHARE = 0.8f;

/* How far a lost object may have gone, in sizes of its box: at once, and for every second. People
 * walk about one height of theirs a second and run three. */
static const double REACH = 1, REACH_PER_S = 2;

/* How much its size may have changed. */
static const double SIZE_FACTOR = 2.5;

/* Likeness that a return at the limit of its reach has to make up for. */
static const float DISTANCE_COST = 0.2f;

static roto_status prompt_box(roto_follower *f, int slot, const roto_box *box)
{
    roto_prompt prompt = roto_prompt_default();
    prompt.box = box;
    ROTO_TRY(f->masks.prompt(f->masks.user, follower_object(f, slot)->id, f->index, &prompt));
    f->of[slot].held = true;
    return follow_look_again(f, slot);
}

static bool agrees(roto_follower *f, int slot, const roto_box *box)
{
    const followed_mask *m = &f->of[slot];
    if (!m->has_mask || box_iou(&m->box, box) < f->params.anchor_iou)
        return false;
    mask_sum(&f->parts, &f->grid, follower_bits(f, slot));
    return (float)mask_in_box(&f->parts, &f->grid, box) >=
           f->params.anchor_share * (float)m->area_cells;
}

/* The memory may help, or be what leads astray: if the corrected mask still disagrees, the object
 * begins afresh. */
static roto_status pull_back(roto_follower *f, int slot, int32_t d)
{
    followed_mask *m = &f->of[slot];
    const roto_box *box = &f->detections[d].box;
    const bool held = m->held;
    m->detection = d;
    m->disagreed = 0;
    f->object_of[d] = slot;
    ROTO_TRY(prompt_box(f, slot, box));
    if (held && !agrees(f, slot, box)) {
        ROTO_TRY(follower_forget_mask(f, slot));
        ROTO_TRY(prompt_box(f, slot, box));
    }
    m->agrees = m->has_mask && box_iou(&m->box, box) >= f->params.tracker.match_iou;
    m->supported_s = f->time_s;
    return ROTO_OK;
}

roto_status follow_anchor(roto_follower *f)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        const followed_mask *m = &f->of[slot];
        if (m->by_user || m->detection < 0 || m->detection >= f->n_high || m->agrees ||
            f->params.anchor_frames == 0)
            continue;
        if (m->disagreed < f->params.anchor_frames && m->iou >= f->params.least_iou)
            continue;
        ROTO_TRY(pull_back(f, slot, m->detection));
    }
    return ROTO_OK;
}

static void unite(roto_box *all, const roto_box *one)
{
    const bool empty = all->x0 >= all->x1;
    all->x0 = empty ? one->x0 : fminf(all->x0, one->x0);
    all->y0 = empty ? one->y0 : fminf(all->y0, one->y0);
    all->x1 = empty ? one->x1 : fmaxf(all->x1, one->x1);
    all->y1 = empty ? one->y1 : fmaxf(all->y1, one->y1);
}

/* Whether the masks there are account for a detection: they fill its box, or those that lie in it
 * make up one like it (as when a detector takes two people for one). */
static bool explained(roto_follower *f, const roto_detection *d)
{
    roto_box around = {0};
    if (f->grid.w == 0)
        return false;
    memset(f->common_bits, 0, (size_t)mask_grid_words(&f->grid) * sizeof(*f->common_bits));
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        const followed_mask *m = &f->of[slot];
        if (!m->has_mask || m->likeness < f->params.least_likeness ||
            !follower_same_class(f, follower_object(f, slot)->class_id, d->class_id))
            continue;
        const uint64_t *bits = follower_bits(f, slot);
        mask_add(&f->grid, f->common_bits, bits);
        mask_sum(&f->parts, &f->grid, bits);
        if ((float)mask_in_box(&f->parts, &f->grid, &d->box) >= PART_SHARE * (float)m->area_cells)
            unite(&around, &m->box);
    }
    mask_sum(&f->parts, &f->grid, f->common_bits);
    const float covered = (float)mask_in_box(&f->parts, &f->grid, &d->box),
                cells = (float)box_cells(&f->grid, &d->box);
    return covered >= f->params.explained_share * cells ||
           (around.x0 < around.x1 && box_iou(&around, &d->box) >= f->params.explained_share);
}

/* Whether another mask of the class holds the new one, or the other way round. */
static bool smothered(roto_follower *f, int new_slot)
{
    const followed_mask *m = &f->of[new_slot];
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        const followed_mask *other = &f->of[slot];
        if (slot == new_slot || !other->has_mask || other->likeness < f->params.least_likeness ||
            !follower_same_class(f, follower_object(f, slot)->class_id,
                                 follower_object(f, new_slot)->class_id))
            continue;
        const int32_t common =
            mask_common(&f->grid, follower_bits(f, slot), follower_bits(f, new_slot));
        const int32_t least = m->area_cells < other->area_cells ? m->area_cells : other->area_cells;
        if ((float)common >= SMOTHERED_SHARE * (float)least)
            return true;
    }
    return false;
}

static double distance(const roto_box *a, const roto_box *b)
{
    return hypot(((double)a->x0 + a->x1 - b->x0 - b->x1) / 2,
                 ((double)a->y0 + a->y1 - b->y0 - b->y1) / 2);
}

static double size_of(const roto_box *b)
{
    return sqrt(((double)b->x1 - b->x0) * ((double)b->y1 - b->y0));
}

/* How well a lost object fits a new mask, below return_likeness: not at all. */
static float return_fit(roto_follower *f, int lost_slot, int new_slot)
{
    const object *o = follower_object(f, lost_slot);
    const observation *latest = object_latest(o);
    const roto_box *box = &f->of[new_slot].box;
    const double size = size_of(&latest->box), size_now = size_of(box);
    if (size_now > SIZE_FACTOR * size || size > SIZE_FACTOR * size_now)
        return -1;
    const double reach = size * (REACH + REACH_PER_S * (f->time_s - latest->time_s));
    const double far = fmin(distance(&latest->box, box), distance(&o->predicted, box)) / reach;
    const float likeness = follow_likeness(f, lost_slot, new_slot);
    if (far > 1 || likeness < f->params.return_likeness)
        return -1;
    return likeness - DISTANCE_COST * (float)far;
}

/* The slot of the lost object that a new mask is most like, -1: of none. */
static int find_lost(roto_follower *f, int new_slot)
{
    int best = -1;
    float best_fit = -1;
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        const object *o = follower_object(f, slot);
        const followed_mask *m = &f->of[slot];
        const bool in_view = m->has_mask && m->likeness >= f->params.least_likeness;
        if (slot == new_slot || in_view || m->dead || !o->confirmed || o->n_history == 0 ||
            !m->alike || o->class_id < 0 ||
            !follower_same_class(f, o->class_id, follower_object(f, new_slot)->class_id))
            continue;
        const float fit = return_fit(f, slot, new_slot);
        if (fit > best_fit) {
            best = slot;
            best_fit = fit;
        }
    }
    return best;
}

/* Gives a new object's detection to the lost one that it is; the new one was never there. */
static roto_status come_back(roto_follower *f, int new_slot, int lost_slot, int32_t d)
{
    ROTO_TRY(follower_forget_mask(f, new_slot));
    f->of[new_slot].dead = true;
    f->of[new_slot].has_mask = false;
    object *o = follower_object(f, lost_slot);
    o->score = f->detections[d].score;
    return pull_back(f, lost_slot, d);
}

/* The identity of an object that was nobody is the next one's. */
static void unmake(roto_follower *f, int slot)
{
    const int64_t id = follower_object(f, slot)->id;
    f->of[slot].dead = true;
    follower_bury(f);
    if (f->objects.next_id == id + 1)
        f->objects.next_id = id;
}

static roto_status give_birth(roto_follower *f, int32_t d)
{
    const roto_detection *found = &f->detections[d];
    object *o = registry_add(&f->objects);
    if (!o)
        return ROTO_OK;
    const int slot = (int)(o - f->objects.slots);
    followed_mask *m = &f->of[slot];
    *m = (followed_mask){
        .detection = d, .sight_start_s = f->time_s, .supported_s = f->time_s, .likeness = 1};
    o->class_id = found->class_id;
    o->score = found->score;
    o->born_frame = f->index;
    const roto_status status = prompt_box(f, slot, &found->box);
    if (status != ROTO_OK) {
        unmake(f, slot);
        return status;
    }
    int lost = -1;
    m->dead = true; /* until it has proved to be something new; also when a prompt fails */
    if (!m->has_mask || box_iou(&m->box, &found->box) < f->params.tracker.match_iou ||
        smothered(f, slot) || (lost = find_lost(f, slot)) >= 0) {
        if (lost >= 0)
            ROTO_TRY(come_back(f, slot, lost, d));
        else
            ROTO_TRY(follower_forget_mask(f, slot));
        unmake(f, slot);
        return ROTO_OK;
    }
    m->dead = false;
    m->agrees = true;
    f->object_of[d] = slot;
    o->evidence = evidence_add(0, f->evidence_needed, found->score, f->params.tracker.high_score);
    return ROTO_OK;
}

roto_status follow_births(roto_follower *f)
{
    for (int32_t d = 0; d < f->n_high; d++) {
        const roto_detection *found = &f->detections[d];
        if (f->object_of[d] < 0 && found->score >= f->params.tracker.birth_score &&
            !explained(f, found))
            ROTO_TRY(give_birth(f, d));
    }
    return ROTO_OK;
}

roto_status follow_confirm(roto_follower *f)
{
    for (int i = 0; i < f->objects.n_live; i++) {
        const int slot = f->objects.live[i];
        object *o = follower_object(f, slot);
        const followed_mask *m = &f->of[slot];
        if (o->confirmed || m->dead || m->detection < 0 || o->evidence < f->evidence_needed)
            continue;
        const int lost = find_lost(f, slot);
        if (lost >= 0)
            ROTO_TRY(come_back(f, slot, lost, m->detection));
        else
            o->confirmed = true;
    }
    return ROTO_OK;
}
