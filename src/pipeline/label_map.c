#include "pipeline/label_map.h"

#include "base/error.h"
#include "base/memory.h"
#include "track/mask_scale.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct label_map {
    mask_scaler *scaler;
    int32_t width, height, mask_w, mask_h; /* what the scaler was made for */
    uint16_t *labels;
    mask_edges *reach; /* of each mask */
    uint8_t *mask;     /* 0 outside `drawn` */
    mask_edges drawn;
    uint8_t *matte;
    size_t label_capacity, reach_capacity, mask_capacity, matte_capacity;
};

roto_status label_map_new(label_map **out)
{
    *out = memory_new_array(1, sizeof(**out));
    return *out ? ROTO_OK : ROTO_ERROR_MEMORY;
}

void label_map_free(label_map *m)
{
    if (!m)
        return;
    mask_scaler_free(m->scaler);
    free(m->labels);
    free(m->reach);
    free(m->mask);
    free(m->matte);
    free(m);
}

static size_t n_pixels(const label_map *m)
{
    return (size_t)m->width * (size_t)m->height;
}

static roto_status prepare(label_map *m, const frame_objects *objects, int32_t width,
                           int32_t height)
{
    const bool same = m->scaler && m->width == width && m->height == height &&
                      m->mask_w == objects->mask_w && m->mask_h == objects->mask_h;
    if (m->width != width || m->height != height) {
        m->width = width;
        m->height = height;
        m->drawn = (mask_edges){0, 0, 0, 0};
        if (m->mask)
            memset(m->mask, 0, m->mask_capacity);
    }
    if (same || objects->n_masks == 0)
        return ROTO_OK;
    mask_scaler_free(m->scaler);
    m->scaler = NULL;
    m->mask_w = objects->mask_w;
    m->mask_h = objects->mask_h;
    return mask_scaler_new(m->mask_w, m->mask_h, width, height, &m->scaler);
}

roto_status label_map_make(label_map *m, const frame_objects *objects, int32_t width,
                           int32_t height)
{
    ROTO_TRY(prepare(m, objects, width, height));
    if (!memory_grow((void **)&m->labels, &m->label_capacity, n_pixels(m), sizeof(*m->labels)) ||
        !memory_grow((void **)&m->mask, &m->mask_capacity, n_pixels(m), 1))
        return ROTO_ERROR_MEMORY;
    if (objects->n_masks == 0) {
        memset(m->labels, 0, n_pixels(m) * sizeof(*m->labels));
        return ROTO_OK;
    }
    if (!memory_grow((void **)&m->reach, &m->reach_capacity, (size_t)objects->n_masks,
                     sizeof(*m->reach)))
        return ROTO_ERROR_MEMORY;
    ROTO_TRY(mask_scaler_start_map(m->scaler, m->labels, width));
    for (int32_t i = 0; i < objects->n_masks; i++) {
        const float *logits = frame_objects_logits(objects, i);
        mask_scaler_add_to_map(m->scaler, logits, (uint16_t)(i + 1));
        m->reach[i] = mask_scaler_reach(m->scaler, logits);
    }
    return ROTO_OK;
}

const uint16_t *label_map_labels(const label_map *m)
{
    return m->labels;
}

const uint8_t *label_map_mask(label_map *m, int32_t mask)
{
    const uint16_t label = (uint16_t)(mask + 1);
    for (int32_t y = m->drawn.y0; y < m->drawn.y1; y++)
        memset(m->mask + (ptrdiff_t)y * m->width + m->drawn.x0, 0,
               (size_t)(m->drawn.x1 - m->drawn.x0));
    m->drawn = m->reach[mask];
    for (int32_t y = m->drawn.y0; y < m->drawn.y1; y++) {
        const uint16_t *labels = m->labels + (ptrdiff_t)y * m->width;
        uint8_t *row = m->mask + (ptrdiff_t)y * m->width;
        for (int32_t x = m->drawn.x0; x < m->drawn.x1; x++)
            row[x] = labels[x] == label;
    }
    return m->mask;
}

roto_status label_map_matte(label_map *m, const frame_objects *objects, int32_t width,
                            int32_t height, const uint8_t **matte)
{
    ROTO_TRY(prepare(m, objects, width, height));
    if (!memory_grow((void **)&m->matte, &m->matte_capacity, n_pixels(m), 1))
        return ROTO_ERROR_MEMORY;
    *matte = m->matte;
    if (objects->n_masks == 0) {
        memset(m->matte, 0, n_pixels(m));
        return ROTO_OK;
    }
    return mask_scaler_matte(m->scaler, objects->logits, objects->n_masks, m->matte, width);
}
