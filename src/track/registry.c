#include "track/registry.h"

#include "base/memory.h"

#include <stdlib.h>

roto_status registry_init(registry *r, int capacity)
{
    *r = (registry){.capacity = capacity, .next_id = 1};
    r->slots = memory_new_array((size_t)capacity, sizeof(*r->slots));
    r->live = memory_new_array((size_t)capacity, sizeof(*r->live));
    r->unused = memory_new_array((size_t)capacity, sizeof(*r->unused));
    if (!r->slots || !r->live || !r->unused) {
        registry_release(r);
        return ROTO_ERROR_MEMORY;
    }
    for (int i = 0; i < capacity; i++)
        r->unused[r->n_unused++] = capacity - 1 - i;
    return ROTO_OK;
}

void registry_release(registry *r)
{
    free(r->slots);
    free(r->live);
    free(r->unused);
    *r = (registry){0};
}

object *registry_at(registry *r, int i)
{
    return &r->slots[r->live[i]];
}

object *registry_add(registry *r)
{
    object *o = registry_add_as(r, r->next_id);
    r->next_id += o ? 1 : 0;
    return o;
}

object *registry_add_as(registry *r, int64_t id)
{
    if (r->n_unused == 0)
        return NULL;
    int slot = r->unused[--r->n_unused], place = r->n_live++;
    for (; place > 0 && r->slots[r->live[place - 1]].id > id; place--)
        r->live[place] = r->live[place - 1];
    r->live[place] = slot;
    object *o = &r->slots[slot];
    *o = (object){.id = id};
    return o;
}

void registry_remove_if(registry *r, bool (*dead)(const object *o, void *user), void *user)
{
    int kept = 0;
    for (int i = 0; i < r->n_live; i++) {
        if (dead(&r->slots[r->live[i]], user))
            r->unused[r->n_unused++] = r->live[i];
        else
            r->live[kept++] = r->live[i];
    }
    r->n_live = kept;
}

void object_observe(object *o, const observation *seen)
{
    o->newest = o->n_history == 0 ? 0 : (o->newest + 1) % OBJECT_MAX_HISTORY;
    o->history[o->newest] = *seen;
    if (o->n_history < OBJECT_MAX_HISTORY)
        o->n_history++;
}

static void shift_box(roto_box *b, float dx, float dy)
{
    *b = (roto_box){b->x0 + dx, b->y0 + dy, b->x1 + dx, b->y1 + dy};
}

void object_shift(object *o, float dx, float dy)
{
    kalman_shift(&o->motion, dx, dy);
    kalman_shift(&o->motion_seen, dx, dy);
    shift_box(&o->predicted, dx, dy);
    for (int i = 0; i < o->n_history; i++)
        shift_box(&o->history[i].box, dx, dy);
}

const observation *object_latest(const object *o)
{
    return &o->history[o->newest];
}

const observation *object_earlier(const object *o, int64_t frame, int n_frames)
{
    const observation *found = object_latest(o);
    for (int back = 1; back < o->n_history; back++) {
        int at = (o->newest - back + OBJECT_MAX_HISTORY) % OBJECT_MAX_HISTORY;
        if (o->history[at].frame < frame - n_frames)
            break;
        found = &o->history[at];
    }
    return found;
}
