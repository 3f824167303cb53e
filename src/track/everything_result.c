#include "track/everything_result.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/image_ids16.h"

#include <stdlib.h>
#include <string.h>

typedef struct holder {
    roto_everything shown; /* first: callers hold a pointer to it */
    roto_everything_mask *masks;
    uint32_t **counts; /* of each mask; owned, as are the texts */
    rle_text *texts;
} holder;

static void holder_free(holder *h)
{
    for (int32_t i = 0; i < h->shown.n_masks; i++) {
        free(h->counts[i]);
        rle_text_free(&h->texts[i]);
    }
    free(h->masks);
    free(h->counts);
    free(h->texts);
    free(h);
}

void roto_everything_free(roto_everything *all)
{
    if (all)
        holder_free((holder *)all);
}

static roto_box box_of(const mask_edges *e)
{
    return (roto_box){(float)e->x0, (float)e->y0, (float)e->x1, (float)e->y1};
}

/* A view of run lengths. */
static rle_mask rle_of(const roto_everything *all, int32_t index)
{
    const roto_everything_mask *mask = &all->masks[index];
    const holder *h = (const holder *)all;
    return (rle_mask){.width = all->width,
                      .height = all->height,
                      .counts = h->counts[index],
                      .n = mask->n_counts};
}

static roto_status take(holder *h, found_mask *from)
{
    const int32_t at = h->shown.n_masks++;
    h->counts[at] = from->counts;
    from->counts = NULL;
    h->masks[at] = (roto_everything_mask){.box = box_of(&from->box),
                                          .iou = from->iou,
                                          .stability = from->stability,
                                          .point_x = from->x,
                                          .point_y = from->y,
                                          .crop = box_of(&from->crop),
                                          .counts = h->counts[at],
                                          .n_counts = from->n_counts};
    const rle_mask rle = rle_of(&h->shown, at);
    h->masks[at].area_px = rle_area(&rle);
    ROTO_TRY(rle_write_text(&rle, &h->texts[at]));
    h->masks[at].rle = h->texts[at].chars;
    return ROTO_OK;
}

roto_status everything_new(found_masks *found, int32_t width, int32_t height, roto_everything **out)
{
    *out = NULL;
    if (found->n > EVERYTHING_MAX_MASKS)
        return roto_fail(ROTO_ERROR_MEMORY,
                         "%zu masks were found; at most %d can be told apart. Stricter "
                         "min_iou, min_stability or nms_iou leave fewer",
                         found->n, EVERYTHING_MAX_MASKS);
    holder *h = memory_new_array(1, sizeof(*h));
    if (!h)
        return ROTO_ERROR_MEMORY;
    h->masks = memory_new_array(found->n, sizeof(*h->masks));
    h->counts = memory_new_array(found->n, sizeof(*h->counts));
    h->texts = memory_new_array(found->n, sizeof(*h->texts));
    h->shown = (roto_everything){.width = width, .height = height, .masks = h->masks};
    roto_status status = h->masks && h->counts && h->texts ? ROTO_OK : ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < found->n && status == ROTO_OK; i++)
        status = take(h, &found->items[i]);
    if (status != ROTO_OK) {
        holder_free(h);
        return status;
    }
    *out = &h->shown;
    return ROTO_OK;
}

roto_status roto_everything_mask_write(const roto_everything *all, int32_t index, uint8_t value,
                                       uint8_t *mask, ptrdiff_t stride_bytes)
{
    if (!all || !mask)
        return roto_fail(ROTO_ERROR_ARGUMENT, "no masks, or no place to write one to");
    if (index < 0 || index >= all->n_masks)
        return roto_fail(ROTO_ERROR_ARGUMENT, "mask %d of %d", index, all->n_masks);
    if (stride_bytes < all->width)
        return roto_fail(ROTO_ERROR_ARGUMENT, "a mask with rows %lld bytes apart; they are %d long",
                         (long long)stride_bytes, all->width);
    const rle_mask rle = rle_of(all, index);
    rle_decode(&rle, value, mask, stride_bytes);
    return ROTO_OK;
}

typedef struct sized {
    int64_t area;
    int32_t index;
} sized;

/* The largest first, so that smaller ones are drawn over them; of equal ones the last first. */
static int by_area(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->area != y->area)
        return x->area > y->area ? -1 : 1;
    return x->index > y->index ? -1 : 1;
}

static void draw(const rle_mask *rle, uint16_t id, uint16_t *map, ptrdiff_t stride)
{
    for (rle_strip s = {0}; rle_next_strip(rle, &s);) {
        for (int32_t y = s.y; y < s.y + s.n; y++)
            map[y * stride + s.x] = id;
    }
}

roto_status roto_everything_map(const roto_everything *all, uint16_t *map, ptrdiff_t stride)
{
    if (!all || !map)
        return roto_fail(ROTO_ERROR_ARGUMENT, "no masks, or no place for their map");
    if (stride < all->width)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "a map with rows %lld elements apart; they are %d long", (long long)stride,
                         all->width);
    sized *order = memory_new_array((size_t)all->n_masks, sizeof(*order));
    if (!order)
        return ROTO_ERROR_MEMORY;
    for (int32_t i = 0; i < all->n_masks; i++)
        order[i] = (sized){.area = all->masks[i].area_px, .index = i};
    qsort(order, (size_t)all->n_masks, sizeof(*order), by_area);
    for (int32_t y = 0; y < all->height; y++)
        memset(map + y * stride, 0, (size_t)all->width * sizeof(*map));
    for (int32_t i = 0; i < all->n_masks; i++) {
        const rle_mask rle = rle_of(all, order[i].index);
        draw(&rle, (uint16_t)(order[i].index + 1), map, stride);
    }
    free(order);
    return ROTO_OK;
}

static roto_status write_palette(const char *path, const uint16_t *map, int32_t width,
                                 int32_t height)
{
    const size_t n = (size_t)width * (size_t)height;
    uint8_t *ids = memory_new_array(n, 1);
    if (!ids)
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint8_t)map[i];
    const roto_image image = {.width = width,
                              .height = height,
                              .format = ROTO_PIXEL_GRAY8,
                              .plane = {ids},
                              .stride_bytes = {width}};
    const roto_status status = roto_image_write_ids(path, &image);
    free(ids);
    return status;
}

roto_status roto_everything_write_png(const roto_everything *all, const char *path)
{
    if (!all || !path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "no masks, or no path to write them to");
    uint16_t *map = memory_new_array((size_t)all->width * (size_t)all->height, sizeof(*map));
    if (!map)
        return ROTO_ERROR_MEMORY;
    roto_status status = roto_everything_map(all, map, all->width);
    if (status == ROTO_OK)
        status = all->n_masks <= UINT8_MAX ? write_palette(path, map, all->width, all->height)
                                           : image_ids16_write(path, map, all->width, all->height);
    free(map);
    return status;
}
