/* What happens to each object when a frame comes. */
#include "track/segmenter.h"

#include "base/error.h"

#include <string.h>

static int32_t waiting_index(const segment_object *o, int64_t frame)
{
    for (size_t i = 0; i < o->n_waiting; i++) {
        if (o->waiting[i].frame == frame)
            return (int32_t)i;
    }
    return -1;
}

static void drop_waiting(segment_object *o, int32_t index)
{
    prompt_set_free(&o->waiting[index]);
    o->n_waiting--;
    memmove(&o->waiting[index], &o->waiting[index + 1],
            (o->n_waiting - (size_t)index) * sizeof(*o->waiting));
}

/* Prompts that were given before the frame's size was known may not fit it. */
static roto_status check_waiting(roto_segmenter *s, int64_t index)
{
    for (int32_t i = 0; i < s->n_objects; i++) {
        segment_object *o = s->objects[i];
        const int32_t at = waiting_index(o, index);
        if (at < 0)
            continue;
        const roto_status status = prompt_set_check(&o->waiting[at], o->id, s->frame_w, s->frame_h);
        if (status == ROTO_OK)
            continue;
        drop_waiting(o, at);
        if (o->n_waiting == 0 && o->bank.n_conditioning == 0)
            segmenter_forget(s, o);
        return roto_fail_context(status, "frame %lld", (long long)index);
    }
    return ROTO_OK;
}

static roto_status make_room(roto_segmenter *s, int64_t index)
{
    for (int32_t i = 0; i < s->n_objects; i++) {
        segment_object *o = s->objects[i];
        const int32_t at = waiting_index(o, index);
        if (!o->logits || at >= 0)
            ROTO_TRY(segmenter_make_room(s, o, at < 0 ? -1 : o->waiting[at].n_points));
    }
    return ROTO_OK;
}

/* A prompted frame that comes again shows what was seen there. */
static bool recall_conditioning(const roto_segmenter *s, segment_object *o)
{
    const conditioning_slot *slot = memory_bank_find(&o->bank, s->frame);
    if (!slot)
        return false;
    const size_t bytes = (size_t)s->size.mask_w * (size_t)s->size.mask_h * sizeof(float);
    memcpy(o->logits, slot->mask, bytes);
    memcpy(o->raw, slot->mask, bytes);
    o->object_score = slot->object_score;
    o->iou = slot->iou;
    o->view = slot->view;
    o->shown_fresh = false;
    o->source = ROTO_SEGMENT_PROMPTED;
    o->choice = -1;
    o->present = true;
    return true;
}

static roto_status answer_waiting(roto_segmenter *s, segment_object *o, int32_t at)
{
    prompt_set *p = &o->waiting[at];
    const roto_status status = segment_answer(s, o, p);
    o->given = *p;
    o->given.mask = NULL;
    drop_waiting(o, at);
    return status;
}

static roto_status process(roto_segmenter *s)
{
    int32_t n_tracked = 0;
    for (int32_t i = 0; i < s->n_objects; i++) {
        segment_object *o = s->objects[i];
        const int32_t at = waiting_index(o, s->frame);
        o->present = false;
        o->given.frame = -1;
        if (at >= 0) {
            ROTO_TRY(segment_encode_frame(s));
            ROTO_TRY(answer_waiting(s, o, at));
            segment_object *one = o;
            ROTO_TRY(segment_remember(s, &one, 1));
        } else if (o->bank.n_conditioning > 0 && !recall_conditioning(s, o)) {
            s->due[n_tracked++] = o;
        }
    }
    if (n_tracked == 0)
        return ROTO_OK;
    ROTO_TRY(segment_encode_frame(s));
    ROTO_TRY(segment_track(s, s->due, n_tracked));
    return segment_remember(s, s->due, n_tracked);
}

roto_status roto_segmenter_direction(roto_segmenter *s, int32_t direction)
{
    if (!s || direction < -1 || direction > 1)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter is NULL, or the direction %d is none of -1, 0 and 1",
                         direction);
    s->given_direction = direction;
    return ROTO_OK;
}

static roto_status take(roto_segmenter *s, const roto_image *image, int64_t index)
{
    ROTO_TRY(roto_image_check(image));
    if (index < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "frame %lld; frames are numbered from 0",
                         (long long)index);
    if (image->width != s->frame_w || image->height != s->frame_h)
        segment_ahead_forget(s);
    ROTO_TRY(segmenter_size(s, image));
    ROTO_TRY(check_waiting(s, index));
    ROTO_TRY(make_room(s, index));
    segment_times_begin(s);
    bool taken = false;
    ROTO_TRY(segment_ahead_take(s, image, index, &taken));
    if (!taken)
        ROTO_TRY(segment_look(s, image, index));
    segment_times_end(s, SEGMENT_INPUT);
    s->is_image = false;
    if (s->given_direction)
        s->direction = s->given_direction;
    else if (s->last_frame >= 0 && index != s->last_frame)
        s->direction = index < s->last_frame ? -1 : 1;
    s->frame = s->last_frame = index;
    const roto_status status = process(s);
    if (status != ROTO_OK)
        (void)s->table->wait(s->backend); /* it may still be taking the picture */
    return status;
}

roto_status roto_segmenter_frame(roto_segmenter *s, const roto_image *image, int64_t index,
                                 const roto_segment **segments, int32_t *n_segments)
{
    if (!s)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter is NULL");
    const roto_status status = take(s, image, index);
    s->ahead.wanted = -1; /* its picture may be gone after this */
    if (status != ROTO_OK)
        return status;
    if (!segments || !n_segments)
        return ROTO_OK;
    return roto_segmenter_results(s, segments, n_segments);
}
