/* Masks of the segmenter: each object is prompted on the frame in which it is first seen. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/davis_prompt.h"
#include "eval/davis_source.h"

#include <roto/segment.h>
#include <stdlib.h>

typedef struct segmenting {
    davis_source source;
    roto_segmenter *segmenter; /* not ours */
    uint16_t *map;             /* of the frame: a place among the results and 1 */
    uint8_t *mask;             /* a prompt */
} segmenting;

static roto_status prompt_mask(segmenting *s, const davis_task *task, const davis_step *step,
                               uint8_t id)
{
    const size_t n = (size_t)task->width * (size_t)task->height;
    for (size_t i = 0; i < n; i++)
        s->mask[i] = step->truth[i] == id;
    roto_prompt prompt = roto_prompt_default();
    prompt.mask = s->mask;
    prompt.mask_width = task->width;
    prompt.mask_height = task->height;
    prompt.mask_stride_bytes = task->width;
    return roto_segmenter_prompt(s->segmenter, id, (int64_t)step->index, &prompt);
}

/* The corners are at the centres of the outermost pixels, as SAM 2 is trained and evaluated; a line
 * of pixels gets a second one, since a box has to have an area. */
static roto_status prompt_box(segmenting *s, const davis_step *step, uint8_t id,
                              const davis_box *at)
{
    const roto_box box = {.x0 = (float)at->left,
                          .y0 = (float)at->top,
                          .x1 = (float)(at->right + (at->right == at->left)),
                          .y1 = (float)(at->bottom + (at->bottom == at->top))};
    roto_prompt prompt = roto_prompt_default();
    prompt.box = &box;
    return roto_segmenter_prompt(s->segmenter, id, (int64_t)step->index, &prompt);
}

static roto_status prompt_point(segmenting *s, const davis_task *task, const davis_step *step,
                                uint8_t id, const davis_box *at)
{
    int32_t x = 0, y = 0;
    ROTO_TRY(davis_point_of(step->truth, task->width, id, at, &x, &y));
    const float point[2] = {(float)x, (float)y};
    roto_prompt prompt = roto_prompt_default();
    prompt.points = point;
    prompt.n_points = 1;
    return roto_segmenter_prompt(s->segmenter, id, (int64_t)step->index, &prompt);
}

static roto_status prompt_object(segmenting *s, const davis_task *task, const davis_step *step,
                                 uint8_t id)
{
    if (task->prompt == ROTO_DAVIS_MASK)
        return prompt_mask(s, task, step, id);
    davis_box box;
    davis_box_of(step->truth, task->width, task->height, id, &box);
    if (task->prompt == ROTO_DAVIS_BOX)
        return prompt_box(s, step, id, &box);
    return prompt_point(s, task, step, id, &box);
}

static roto_status next(davis_source *source, const davis_task *task, const davis_step *step)
{
    segmenting *s = (segmenting *)source;
    for (int32_t i = 0; i < task->n_objects; i++) {
        const davis_object *o = &task->objects[i];
        davis_box box;
        if (o->first == step->index ||
            (davis_prompts_again(o, task->prompt_every, step->index) && step->has_truth &&
             davis_box_of(step->truth, task->width, task->height, o->id, &box)))
            ROTO_TRY(prompt_object(s, task, step, o->id));
    }
    const roto_segment *segments = NULL;
    int32_t n_segments = 0;
    ROTO_TRY(roto_segmenter_frame(s->segmenter, step->image, (int64_t)step->index, &segments,
                                  &n_segments));
    ROTO_TRY(roto_segmenter_map(s->segmenter, s->map, task->width));
    const size_t n = (size_t)task->width * (size_t)task->height;
    for (size_t i = 0; i < n; i++)
        step->found[i] = s->map[i] ? (uint8_t)segments[s->map[i] - 1].id : 0;
    return ROTO_OK;
}

static void release(davis_source *source)
{
    segmenting *s = (segmenting *)source;
    roto_segmenter_reset(s->segmenter);
    free(s->map);
    free(s->mask);
    free(s);
}

roto_status davis_segmenter_new(const davis_task *task, roto_segmenter *segmenter,
                                davis_source **out)
{
    const size_t n = (size_t)task->width * (size_t)task->height;
    segmenting *s = memory_new_array(1, sizeof(*s));
    if (!s)
        return ROTO_ERROR_MEMORY;
    roto_segmenter_reset(segmenter);
    s->source = (davis_source){next, release};
    s->segmenter = segmenter;
    s->map = memory_new_array(n, sizeof(*s->map));
    s->mask = memory_new_array(n, 1);
    if (!s->map || !s->mask) {
        release(&s->source);
        return ROTO_ERROR_MEMORY;
    }
    *out = &s->source;
    return ROTO_OK;
}
