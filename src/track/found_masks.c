#include "track/found_masks.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void found_masks_free(found_masks *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->items[i].counts);
    free(m->items);
    *m = (found_masks){0};
}

roto_status found_masks_add(found_masks *m, const found_mask *mask, const rle_mask *rle)
{
    if (!memory_grow((void **)&m->items, &m->capacity, m->n + 1, sizeof(*m->items)))
        return ROTO_ERROR_MEMORY;
    uint32_t *counts = memory_new_array(rle->n, sizeof(*counts));
    if (!counts)
        return ROTO_ERROR_MEMORY;
    if (rle->n > 0)
        memcpy(counts, rle->counts, rle->n * sizeof(*counts));
    found_mask *to = &m->items[m->n++];
    *to = *mask;
    to->counts = counts;
    to->n_counts = rle->n;
    m->bytes += rle->n * sizeof(*counts);
    return ROTO_OK;
}

static float width_of(const mask_edges *e)
{
    return (float)(e->x1 - e->x0);
}

static float height_of(const mask_edges *e)
{
    return (float)(e->y1 - e->y0);
}

/* From the centre of the first pixel to that of the last. */
static float area_between(const mask_edges *e)
{
    return (width_of(e) - 1) * (height_of(e) - 1);
}

/* A mask of one row or column has no area and overlaps nothing. */
static float overlap(const mask_edges *a, const mask_edges *b)
{
    const mask_edges both = {a->x0 > b->x0 ? a->x0 : b->x0, a->y0 > b->y0 ? a->y0 : b->y0,
                             a->x1 < b->x1 ? a->x1 : b->x1, a->y1 < b->y1 ? a->y1 : b->y1};
    if (both.x1 <= both.x0 || both.y1 <= both.y0)
        return 0;
    const float common = area_between(&both), all = area_between(a) + area_between(b) - common;
    return all > 0 ? common / all : 0;
}

typedef struct ranked {
    float rank;
    size_t at;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static float rank_of(const found_mask *mask, found_rank rank)
{
    return rank == RANK_IOU ? mask->iou : 1.0f / (width_of(&mask->crop) * height_of(&mask->crop));
}

roto_status found_masks_suppress(found_masks *m, size_t first, found_rank rank, float max_iou)
{
    const size_t n = m->n - first;
    ranked *order = memory_new_array(n, sizeof(*order));
    found_mask *sorted = memory_new_array(n, sizeof(*sorted));
    if (!order || !sorted) {
        free(order);
        free(sorted);
        return ROTO_ERROR_MEMORY;
    }
    found_mask *items = m->items + first;
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){.rank = rank_of(&items[i], rank), .at = i};
    qsort(order, n, sizeof(*order), by_rank);
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        found_mask *mask = &items[order[i].at];
        bool keep = true;
        for (size_t k = 0; k < n_kept && keep; k++)
            keep = !(overlap(&sorted[k].box, &mask->box) > max_iou);
        if (keep) {
            sorted[n_kept++] = *mask;
            continue;
        }
        m->bytes -= mask->n_counts * sizeof(*mask->counts);
        free(mask->counts);
    }
    if (n_kept > 0)
        memcpy(items, sorted, n_kept * sizeof(*items));
    m->n = first + n_kept;
    free(order);
    free(sorted);
    return ROTO_OK;
}
