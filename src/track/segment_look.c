/* Chooses what part of the frame the model sees, and brings answers from one view to another. */
#include "track/segmenter.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/image_planes.h"

#include <string.h>

static roto_status prepare_inputs(roto_segmenter *s)
{
    for (int32_t level = 0; level < SEGMENT_VIEW_LEVELS; level++) {
        int32_t size[2];
        segment_view_size(s->frame_w, s->frame_h, level, size);
        ROTO_TRY(s->device_input ? frame_device_prepare(s->device_input, level, size[0], size[1])
                                 : frame_input_prepare(s->inputs[level], size[0], size[1]));
    }
    return ROTO_OK;
}

/* Keeps the frame: a prompt for it may need another view. */
static roto_status hold(roto_segmenter *s, const roto_image *image)
{
    image_plane_size sizes[IMAGE_MAX_PLANES];
    image_plane_sizes(image, sizes);
    size_t total = 0;
    for (int i = 0; i < IMAGE_MAX_PLANES; i++)
        total += (size_t)sizes[i].rows * sizes[i].row_bytes;
    if (!memory_grow((void **)&s->held_bytes, &s->held_capacity, total, 1))
        return ROTO_ERROR_MEMORY;
    s->held = *image;
    uint8_t *to = s->held_bytes;
    for (int i = 0; i < IMAGE_MAX_PLANES; i++) {
        const size_t bytes = sizes[i].row_bytes;
        s->held.plane[i] = sizes[i].rows ? to : NULL;
        s->held.stride_bytes[i] = (ptrdiff_t)bytes;
        for (int32_t y = 0; y < sizes[i].rows; y++, to += bytes)
            memcpy(to, image->plane[i] + y * image->stride_bytes[i], bytes);
    }
    return ROTO_OK;
}

roto_status segment_take(roto_segmenter *s, const roto_image *image, const roto_image **taken)
{
    *taken = s->device_input ? &s->held : image;
    if (s->device_input)
        return frame_device_take(s->device_input, image, &s->held);
    return s->zoom ? hold(s, image) : ROTO_OK;
}

roto_status segment_show(roto_segmenter *s, const segment_view *view, const roto_image *taken)
{
    const roto_image part = segment_view_image(view, taken);
    const segment_graph *maker = NULL;
    ROTO_TRY(segment_graphs_maker(s->graphs, &maker));
    s->encoded = false;
    if (s->device_input)
        return frame_device_choose(s->device_input, view->level, &part);
    return frame_input_fill(s->inputs[view->level], &part,
                            s->table->input(maker->e, FRAME_IN_IMAGE));
}

static roto_status show(roto_segmenter *s, const segment_view *view, const roto_image *taken)
{
    ROTO_TRY(segment_show(s, view, taken));
    s->view = *view;
    return ROTO_OK;
}

/* The box around what is positive, in pixels of the frame. */
static bool box_of(const roto_segmenter *s, const segment_object *o, roto_box *out)
{
    int32_t x0 = s->size.mask_w, y0 = s->size.mask_h, x1 = 0, y1 = 0;
    for (int32_t y = 0; y < s->size.mask_h; y++) {
        const float *row = o->logits + (ptrdiff_t)y * s->size.mask_w;
        for (int32_t x = 0; x < s->size.mask_w; x++) {
            if (!(row[x] > 0))
                continue;
            x0 = x < x0 ? x : x0;
            x1 = x + 1 > x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0;
            y1 = y + 1;
        }
    }
    if (x1 == 0)
        return false;
    const float cell_w = (float)o->view.w / (float)s->size.mask_w,
                cell_h = (float)o->view.h / (float)s->size.mask_h;
    const float left = (float)o->view.x, top = (float)o->view.y;
    *out = (roto_box){left + (float)x0 * cell_w, top + (float)y0 * cell_h,
                      left + (float)x1 * cell_w, top + (float)y1 * cell_h};
    return true;
}

/* What prompts say about where the object is. */
static void hint_of_prompts(const prompt_set *p, view_hint *hint)
{
    if (p->mask) {
        roto_box box = {(float)p->mask_w, (float)p->mask_h, 0, 0};
        for (int32_t y = 0; y < p->mask_h; y++) {
            for (int32_t x = 0; x < p->mask_w; x++) {
                if (!p->mask[(ptrdiff_t)y * p->mask_w + x])
                    continue;
                box.x0 = (float)x < box.x0 ? (float)x : box.x0;
                box.x1 = (float)x + 1 > box.x1 ? (float)x + 1 : box.x1;
                box.y0 = (float)y < box.y0 ? (float)y : box.y0;
                box.y1 = (float)y + 1;
            }
        }
        if (box.x1 > 0)
            view_hint_add(hint, &box);
        return;
    }
    hint->unsure = hint->unsure || !p->has_box;
    roto_box box = {p->points[0].x, p->points[0].y, p->points[0].x, p->points[0].y};
    for (int32_t i = 1; i < p->n_points; i++) {
        const prompt_point *at = &p->points[i];
        box.x0 = at->x < box.x0 ? at->x : box.x0;
        box.y0 = at->y < box.y0 ? at->y : box.y0;
        box.x1 = at->x > box.x1 ? at->x : box.x1;
        box.y1 = at->y > box.y1 ? at->y : box.y1;
    }
    view_hint_add(hint, &box);
}

static const prompt_set *waiting_for(const segment_object *o, int64_t frame)
{
    for (size_t i = 0; i < o->n_waiting; i++) {
        if (o->waiting[i].frame == frame)
            return &o->waiting[i];
    }
    return NULL;
}

roto_status segment_look(roto_segmenter *s, const roto_image *image, int64_t index)
{
    segment_view view = segment_view_whole(image->width, image->height);
    if (s->zoom) {
        view_hint hint = {0};
        const bool same_size = s->held.width == image->width && s->held.height == image->height;
        bool is_first = true;
        for (int32_t i = 0; i < s->n_objects; i++) {
            const segment_object *o = s->objects[i];
            const prompt_set *p = waiting_for(o, index);
            roto_box box;
            if (p)
                hint_of_prompts(p, &hint);
            if (!o->present || !same_size)
                continue;
            is_first = false;
            if (box_of(s, o, &box))
                view_hint_add(&hint, &box);
            else
                hint.lost = true;
        }
        view = segment_view_next(&s->view, is_first, &hint, image->width, image->height,
                                 s->size.image_w);
        ROTO_TRY(prepare_inputs(s));
    }
    const roto_image *taken = NULL;
    ROTO_TRY(segment_take(s, image, &taken));
    return show(s, &view, taken);
}

roto_status segment_look_again(roto_segmenter *s, const segment_object *o, const prompt_set *p)
{
    if (!s->zoom)
        return ROTO_OK;
    view_hint hint = {0};
    hint_of_prompts(p, &hint);
    if (o->present) { /* a correction: what was seen is enough if it holds the points */
        if (!hint.any || segment_view_holds(&s->view, &hint.around))
            return ROTO_OK;
        hint.unsure = true;
    }
    bool alone = true;
    for (int32_t i = 0; i < s->n_objects; i++) {
        roto_box box;
        const segment_object *other = s->objects[i];
        if (other == o || !other->present)
            continue;
        alone = false;
        if (box_of(s, other, &box))
            view_hint_add(&hint, &box);
    }
    const segment_view view = segment_view_next(&s->view, alone && !o->present, &hint, s->frame_w,
                                                s->frame_h, s->size.image_w);
    return segment_view_same(&view, &s->view) ? ROTO_OK : show(s, &view, &s->held);
}

bool segment_could_look_closer(roto_segmenter *s, const segment_object *o, const prompt_set *p,
                               segment_view *out)
{
    view_hint hint = {0};
    roto_box box;
    if (!s->zoom || p->mask || p->has_box || !box_of(s, o, &box))
        return false;
    for (int32_t i = 0; i < s->n_objects; i++) {
        if (s->objects[i] != o && s->objects[i]->present)
            return false;
    }
    hint_of_prompts(p, &hint);
    hint.unsure = false;
    view_hint_add(&hint, &box);
    *out = segment_view_next(&s->view, true, &hint, s->frame_w, s->frame_h, s->size.image_w);
    return out->level > s->view.level;
}

roto_status segment_look_closer(roto_segmenter *s, const segment_view *view)
{
    ROTO_TRY(show(s, view, &s->held));
    return segment_encode_frame(s);
}

void segment_bring(roto_segmenter *s, segment_object *o)
{
    if (!s->zoom || !o->present || segment_view_same(&o->view, &s->view))
        return;
    const int32_t w = s->size.mask_w, h = s->size.mask_h;
    const size_t bytes = (size_t)w * (size_t)h * sizeof(float);
    float *const answers[] = {o->raw, o->logits};
    for (int i = 0; i < 2; i++) {
        segment_view_resample(answers[i], w, h, &o->view, &s->view, w, h, MASK_NO_OBJECT_LOGIT,
                              s->spread);
        memcpy(answers[i], s->spread, bytes);
    }
    o->view = s->view;
    o->shown_fresh = false;
}

const float *segment_shown(roto_segmenter *s, segment_object *o)
{
    if (!s->zoom)
        return o->logits;
    if (!o->shown_fresh) {
        const segment_view whole = segment_view_whole(s->frame_w, s->frame_h);
        segment_view_resample(o->logits, s->size.mask_w, s->size.mask_h, &o->view, &whole,
                              s->shown_w, s->shown_h, MASK_NO_OBJECT_LOGIT, o->shown);
        o->shown_fresh = true;
    }
    return o->shown;
}
