#include "pipeline/frame_objects.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static size_t mask_floats(const frame_objects *o)
{
    return (size_t)o->mask_w * (size_t)o->mask_h;
}

static roto_status copy_masks(frame_objects *to, const roto_run_frame *from)
{
    to->n_masks = 0;
    if (from->n_segments == 0)
        return ROTO_OK;
    to->mask_w = from->segments[0].logits_width;
    to->mask_h = from->segments[0].logits_height;
    const size_t n = (size_t)from->n_segments, floats = mask_floats(to);
    if (!memory_grow((void **)&to->mask_ids, &to->id_capacity, n, sizeof(*to->mask_ids)) ||
        !memory_grow((void **)&to->logits, &to->logit_capacity, n * floats, sizeof(*to->logits)))
        return ROTO_ERROR_MEMORY;
    for (int32_t i = 0; i < from->n_segments; i++) {
        const roto_segment *s = &from->segments[i];
        if (!(s->area > 0))
            continue;
        to->mask_ids[to->n_masks] = s->id;
        memcpy(to->logits + (size_t)to->n_masks * floats, s->logits, floats * sizeof(float));
        to->n_masks++;
    }
    return ROTO_OK;
}

roto_status frame_objects_reserve(frame_objects *o, int32_t n_tracks)
{
    return memory_grow((void **)&o->tracks, &o->track_capacity, (size_t)n_tracks,
                       sizeof(*o->tracks))
               ? ROTO_OK
               : ROTO_ERROR_MEMORY;
}

roto_status frame_objects_copy(frame_objects *to, const roto_run_frame *from)
{
    const size_t n = (size_t)from->n_tracks;
    ROTO_TRY(frame_objects_reserve(to, from->n_tracks));
    to->n_tracks = from->n_tracks;
    if (n > 0)
        memcpy(to->tracks, from->tracks, n * sizeof(*to->tracks));
    return copy_masks(to, from);
}

void frame_objects_free(frame_objects *o)
{
    free(o->tracks);
    free(o->mask_ids);
    free(o->logits);
    *o = (frame_objects){0};
}

int32_t frame_objects_mask_of(const frame_objects *o, int64_t id)
{
    int32_t first = 0, end = o->n_masks;
    while (first < end) {
        const int32_t middle = first + (end - first) / 2;
        if (o->mask_ids[middle] < id)
            first = middle + 1;
        else
            end = middle;
    }
    return first < o->n_masks && o->mask_ids[first] == id ? first : -1;
}

const float *frame_objects_logits(const frame_objects *o, int32_t mask)
{
    return o->logits + (size_t)mask * mask_floats(o);
}
