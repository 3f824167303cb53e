/* What users say about objects: checked, kept until its frame comes, and answered. */
#include "track/segmenter.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WAITING = 64 };

roto_prompt roto_prompt_default(void)
{
    return (roto_prompt){.struct_bytes = sizeof(roto_prompt)};
}

void prompt_set_free(prompt_set *p)
{
    free(p->mask);
    *p = (prompt_set){.frame = -1};
}

static roto_status read_box(const roto_box *box, int64_t id, prompt_set *out)
{
    if (!isfinite(box->x0) || !isfinite(box->y0) || !isfinite(box->x1) || !isfinite(box->y1) ||
        box->x0 >= box->x1 || box->y0 >= box->y1)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: the box is %g,%g,%g,%g; x0 < x1 and y0 < y1 have to be "
                         "finite",
                         (long long)id, (double)box->x0, (double)box->y0, (double)box->x1,
                         (double)box->y1);
    out->points[0] = (prompt_point){box->x0, box->y0, POINT_BOX_TOP_LEFT};
    out->points[1] = (prompt_point){box->x1, box->y1, POINT_BOX_BOTTOM_RIGHT};
    out->n_points = 2;
    out->has_box = true;
    return ROTO_OK;
}

static roto_status read_points(const roto_prompt *from, int64_t id, prompt_set *out)
{
    if (from->n_points < 0 || (from->n_points > 0 && !from->points))
        return roto_fail(ROTO_ERROR_ARGUMENT, "object %lld: %d points%s", (long long)id,
                         from->n_points, from->n_points < 0 ? "" : " at no address");
    if (out->n_points + from->n_points > SEGMENT_MAX_POINTS)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: %d points; at most %d a frame, of which a box is two",
                         (long long)id, from->n_points, SEGMENT_MAX_POINTS);
    for (int32_t i = 0; i < from->n_points; i++) {
        const float x = from->points[2 * i], y = from->points[2 * i + 1];
        const int32_t label = from->labels ? from->labels[i] : POINT_FOREGROUND;
        if (!isfinite(x) || !isfinite(y))
            return roto_fail(ROTO_ERROR_ARGUMENT, "object %lld: point %d is %g,%g", (long long)id,
                             i, (double)x, (double)y);
        if (label != POINT_FOREGROUND && label != POINT_BACKGROUND)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "object %lld: point %d has the label %d; 1 is on the object, 0 is not",
                             (long long)id, i, label);
        out->points[out->n_points++] = (prompt_point){x, y, (point_label)label};
    }
    return ROTO_OK;
}

static roto_status read_mask(const roto_prompt *from, int64_t id, prompt_set *out)
{
    const int32_t w = from->mask_width, h = from->mask_height;
    if (w < 1 || h < 1 || w > ROTO_IMAGE_MAX_PX || h > ROTO_IMAGE_MAX_PX)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: a mask of %d x %d pixels; each has to be 1..%d",
                         (long long)id, w, h, ROTO_IMAGE_MAX_PX);
    if (from->mask_stride_bytes < w)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: the mask's rows are %lld bytes apart and %d long",
                         (long long)id, (long long)from->mask_stride_bytes, w);
    if (from->mask_value < 0 || from->mask_value > UINT8_MAX)
        return roto_fail(ROTO_ERROR_ARGUMENT, "object %lld: mask_value is %d; it has to be 0..%d",
                         (long long)id, from->mask_value, UINT8_MAX);
    out->mask = memory_new_array((size_t)w * (size_t)h, 1);
    if (!out->mask)
        return ROTO_ERROR_MEMORY;
    out->mask_w = w;
    out->mask_h = h;
    for (int32_t y = 0; y < h; y++) {
        const uint8_t *row = from->mask + y * from->mask_stride_bytes;
        uint8_t *to = out->mask + (size_t)y * (size_t)w;
        for (int32_t x = 0; x < w; x++)
            to[x] = from->mask_value ? row[x] == from->mask_value : row[x] != 0;
    }
    return ROTO_OK;
}

roto_status prompt_set_read(const roto_prompt *from, int64_t id, prompt_set *out)
{
    *out = (prompt_set){.frame = -1};
    if (!from || from->struct_bytes != sizeof(*from))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: the prompt does not come from roto_prompt_default()",
                         (long long)id);
    if (from->mask && (from->box || from->n_points != 0))
        return roto_fail(ROTO_ERROR_ARGUMENT, "object %lld: a mask goes without points and box",
                         (long long)id);
    if (!from->mask && !from->box && from->n_points == 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: the prompt has no point, no box and no mask", (long long)id);
    if (from->mask)
        return read_mask(from, id, out);
    if (from->box)
        ROTO_TRY(read_box(from->box, id, out));
    return read_points(from, id, out);
}

static bool mask_is_empty(const prompt_set *p)
{
    const size_t n = (size_t)p->mask_w * (size_t)p->mask_h;
    for (size_t i = 0; i < n; i++) {
        if (p->mask[i])
            return false;
    }
    return true;
}

roto_status prompt_set_check(const prompt_set *p, int64_t id, int32_t frame_w, int32_t frame_h)
{
    if (p->mask && (p->mask_w != frame_w || p->mask_h != frame_h))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: the mask has %d x %d pixels and the frame %d x %d",
                         (long long)id, p->mask_w, p->mask_h, frame_w, frame_h);
    const int32_t first_point = p->has_box ? 2 : 0;
    if (p->has_box && (p->points[0].x >= (float)frame_w || p->points[0].y >= (float)frame_h ||
                       p->points[1].x <= 0 || p->points[1].y <= 0))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: the box %g,%g,%g,%g lies outside the frame of %d x %d",
                         (long long)id, (double)p->points[0].x, (double)p->points[0].y,
                         (double)p->points[1].x, (double)p->points[1].y, frame_w, frame_h);
    for (int32_t i = first_point; i < p->n_points; i++) {
        const prompt_point *at = &p->points[i];
        if (at->x < 0 || at->y < 0 || at->x > (float)frame_w || at->y > (float)frame_h)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "object %lld: the point %g,%g lies outside the frame of %d x %d",
                             (long long)id, (double)at->x, (double)at->y, frame_w, frame_h);
    }
    return ROTO_OK;
}

roto_status prompt_set_merge(prompt_set *p, prompt_set *more, bool replace, int64_t id)
{
    if (more->mask || more->has_box || p->mask || replace) {
        const int64_t frame = p->frame;
        prompt_set_free(p);
        *p = *more;
        p->frame = frame;
        *more = (prompt_set){.frame = -1};
        return ROTO_OK;
    }
    if (p->n_points + more->n_points > SEGMENT_MAX_POINTS)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "object %lld: %d points on one frame; at most %d, of which a box is two",
                         (long long)id, p->n_points + more->n_points, SEGMENT_MAX_POINTS);
    memcpy(p->points + p->n_points, more->points, (size_t)more->n_points * sizeof(more->points[0]));
    p->n_points += more->n_points;
    return ROTO_OK;
}

/* Corners beyond the frame say nothing that its edge does not. */
static void clip_box(prompt_set *p, int32_t frame_w, int32_t frame_h)
{
    for (int32_t i = 0; p->has_box && i < 2; i++) {
        p->points[i].x = fminf(fmaxf(p->points[i].x, 0), (float)frame_w);
        p->points[i].y = fminf(fmaxf(p->points[i].y, 0), (float)frame_h);
    }
}

/* The first prompts of a frame are a fresh start; on a frame to which the object was carried they
 * correct it, with its memory and from the answer there is. */
roto_status segment_answer(roto_segmenter *s, segment_object *o, prompt_set *p)
{
    clip_box(p, s->frame_w, s->frame_h);
    segment_bring(s, o);
    const bool corrects = o->present && o->source != ROTO_SEGMENT_PROMPTED;
    ROTO_TRY(segment_prompted(s, o, p, o->present, corrects));
    segment_view closer;
    while (!corrects && segment_could_look_closer(s, o, p, &closer)) {
        ROTO_TRY(segment_look_closer(s, &closer));
        ROTO_TRY(segment_prompted(s, o, p, false, false));
    }
    o->source = corrects ? ROTO_SEGMENT_CORRECTED : ROTO_SEGMENT_PROMPTED;
    return ROTO_OK;
}

static prompt_set *waiting_for(segment_object *o, int64_t frame)
{
    for (size_t i = 0; i < o->n_waiting; i++) {
        if (o->waiting[i].frame == frame)
            return &o->waiting[i];
    }
    return NULL;
}

static roto_status wait_for_frame(segment_object *o, int64_t frame, prompt_set *p, bool replace)
{
    prompt_set *there = waiting_for(o, frame);
    if (there)
        return prompt_set_merge(there, p, replace, o->id);
    if (o->n_waiting == MAX_WAITING)
        return roto_fail(ROTO_ERROR_MEMORY,
                         "object %lld: prompts for %d frames wait already; frames come first",
                         (long long)o->id, MAX_WAITING);
    if (!memory_grow((void **)&o->waiting, &o->waiting_capacity, o->n_waiting + 1,
                     sizeof(*o->waiting)))
        return ROTO_ERROR_MEMORY;
    o->waiting[o->n_waiting] = *p;
    o->waiting[o->n_waiting++].frame = frame;
    *p = (prompt_set){.frame = -1};
    return ROTO_OK;
}

static roto_status answer_now(roto_segmenter *s, segment_object *o, prompt_set *p, bool replace)
{
    prompt_set all = o->given;
    if (all.frame != s->frame)
        all = (prompt_set){.frame = s->frame};
    ROTO_TRY(prompt_set_merge(&all, p, replace, o->id));
    *p = all; /* its mask, if any, is freed by the caller */
    p->frame = s->frame;
    clip_box(p, s->frame_w, s->frame_h);
    ROTO_TRY(segment_look_again(s, o, p));
    ROTO_TRY(segment_encode_frame(s));
    ROTO_TRY(segment_answer(s, o, p));
    o->given = *p;
    o->given.mask = NULL;
    return segment_remember(s, &o, 1);
}

roto_status roto_segmenter_prompt(roto_segmenter *s, int64_t id, int64_t frame,
                                  const roto_prompt *prompt)
{
    if (!s)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter is NULL");
    if (id < 1 || frame < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "a prompt for object %lld on frame %lld; ids start at 1, frames at 0",
                         (long long)id, (long long)frame);
    prompt_set p;
    segment_object *o = NULL;
    bool is_new = false;
    roto_status status = prompt_set_read(prompt, id, &p);
    if (status == ROTO_OK)
        status = segmenter_object(s, id, &o, &is_new);
    if (status == ROTO_OK && is_new && p.mask && mask_is_empty(&p))
        status =
            roto_fail(ROTO_ERROR_ARGUMENT, "object %lld: its first mask is empty", (long long)id);
    if (status == ROTO_OK && s->frame >= 0)
        status = prompt_set_check(&p, id, s->frame_w, s->frame_h);
    if (status == ROTO_OK && s->sized)
        status = segmenter_make_room(s, o, p.n_points);
    const bool replace = status == ROTO_OK && prompt->replace != 0;
    if (status == ROTO_OK)
        status = frame == s->frame ? answer_now(s, o, &p, replace)
                                   : wait_for_frame(o, frame, &p, replace);
    prompt_set_free(&p);
    if (status != ROTO_OK && is_new && o)
        segmenter_forget(s, o);
    return status;
}
