/* What has to be beaten: the first mask kept still, or moved as a whole. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/correlation_filter.h"
#include "eval/davis_prompt.h"
#include "eval/davis_source.h"

#include <math.h>
#include <stdlib.h>

typedef struct moved_mask {
    uint8_t *inside; /* [bottom - top + 1, right - left + 1] of the box; NULL: not seen yet */
    davis_box box;
    correlation_filter *filter; /* NULL: it stays where it is */
} moved_mask;

typedef struct baseline {
    davis_source source;
    bool follow;
    int32_t n_masks;
    moved_mask masks[]; /* one an object */
} baseline;

static int32_t box_width(const davis_box *box)
{
    return box->right - box->left + 1;
}

static int32_t box_height(const davis_box *box)
{
    return box->bottom - box->top + 1;
}

static double box_center_x(const davis_box *box)
{
    return (box->left + box->right) / 2.0;
}

static double box_center_y(const davis_box *box)
{
    return (box->top + box->bottom) / 2.0;
}

static roto_status start(const baseline *b, const davis_task *task, const davis_step *step,
                         uint8_t id, moved_mask *m)
{
    davis_box_of(step->truth, task->width, task->height, id, &m->box);
    const int32_t w = box_width(&m->box), h = box_height(&m->box);
    m->inside = memory_new_array((size_t)w * (size_t)h, 1);
    if (!m->inside)
        return ROTO_ERROR_MEMORY;
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++)
            m->inside[(ptrdiff_t)y * w + x] =
                task->prompt == ROTO_DAVIS_BOX ||
                step->truth[(ptrdiff_t)(m->box.top + y) * task->width + m->box.left + x] == id;
    if (!b->follow)
        return ROTO_OK;
    return correlation_filter_new(step->image, box_center_x(&m->box), box_center_y(&m->box), w, h,
                                  &m->filter);
}

static void paint(const moved_mask *m, int32_t dx, int32_t dy, uint8_t id, const davis_task *task,
                  uint8_t *found)
{
    const int32_t w = box_width(&m->box), h = box_height(&m->box);
    for (int32_t i = 0; i < h; i++) {
        const int32_t y = m->box.top + dy + i;
        if (y < 0 || y >= task->height)
            continue;
        for (int32_t k = 0; k < w; k++) {
            const int32_t x = m->box.left + dx + k;
            if (x >= 0 && x < task->width && m->inside[(ptrdiff_t)i * w + k])
                found[(ptrdiff_t)y * task->width + x] = id;
        }
    }
}

static roto_status next(davis_source *source, const davis_task *task, const davis_step *step)
{
    baseline *b = (baseline *)source;
    const size_t n = (size_t)task->width * (size_t)task->height;
    for (size_t i = 0; i < n; i++)
        step->found[i] = 0;
    for (int32_t i = 0; i < task->n_objects; i++) {
        moved_mask *m = &b->masks[i];
        const uint8_t id = task->objects[i].id;
        int32_t dx = 0, dy = 0;
        if (task->objects[i].first == step->index) {
            ROTO_TRY(start(b, task, step, id, m));
        } else if (m->filter) {
            double x, y;
            correlation_filter_next(m->filter, step->image, &x, &y);
            dx = (int32_t)lrint(x - box_center_x(&m->box));
            dy = (int32_t)lrint(y - box_center_y(&m->box));
        }
        if (m->inside)
            paint(m, dx, dy, id, task, step->found);
    }
    return ROTO_OK;
}

static void release(davis_source *source)
{
    baseline *b = (baseline *)source;
    for (int32_t i = 0; i < b->n_masks; i++) {
        free(b->masks[i].inside);
        correlation_filter_free(b->masks[i].filter);
    }
    free(b);
}

roto_status davis_baseline_new(const davis_task *task, bool follow, davis_source **out)
{
    baseline *b = memory_new_array(1, sizeof(*b) + (size_t)task->n_objects * sizeof(b->masks[0]));
    if (!b)
        return ROTO_ERROR_MEMORY;
    b->source = (davis_source){next, release};
    b->follow = follow;
    b->n_masks = task->n_objects;
    *out = &b->source;
    return ROTO_OK;
}
