#include "eval/davis_prompt.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool davis_box_of(const uint8_t *ids, int32_t width, int32_t height, uint8_t id, davis_box *out)
{
    davis_box box = {width, height, -1, -1};
    for (int32_t y = 0; y < height; y++, ids += width) {
        const uint8_t *first = memchr(ids, id, (size_t)width);
        if (!first)
            continue;
        int32_t left = (int32_t)(first - ids), right = width - 1;
        while (ids[right] != id)
            right--;
        box.left = left < box.left ? left : box.left;
        box.right = right > box.right ? right : box.right;
        box.top = y < box.top ? y : box.top;
        box.bottom = y;
    }
    *out = box;
    return box.bottom >= 0;
}

/* Distance along the column to the next pixel outside, for each pixel of the box and a frame of
 * outside around it: [bottom - top + 3, right - left + 3]. */
static void fill_columns(const uint8_t *ids, int32_t width, uint8_t id, const davis_box *box,
                         int32_t *up_down)
{
    const int32_t w = box->right - box->left + 3, h = box->bottom - box->top + 3;
    for (int32_t y = 1; y < h - 1; y++) {
        const uint8_t *row = ids + (ptrdiff_t)(box->top + y - 1) * width + box->left;
        int32_t *to = up_down + (ptrdiff_t)y * w;
        for (int32_t x = 1; x < w - 1; x++)
            to[x] = row[x - 1] == id ? to[x - w] + 1 : 0;
    }
    for (int32_t y = h - 2; y > 0; y--) {
        int32_t *to = up_down + (ptrdiff_t)y * w;
        for (int32_t x = 1; x < w - 1; x++)
            to[x] = to[x] < to[x + w] + 1 ? to[x] : to[x + w] + 1;
    }
}

/* Squared distance of the pixel at x of a row of w to the nearest outside. */
static int64_t nearest_outside(const int32_t *row, int32_t w, int32_t x)
{
    int64_t best = (int64_t)row[x] * row[x];
    for (int64_t dx = 1; dx * dx < best; dx++) {
        /* The first and the last column are outside, so the loop ends before them. */
        const int64_t left = x >= dx ? row[x - dx] : 0, right = x + dx < w ? row[x + dx] : 0;
        const int64_t near = left < right ? left : right;
        if (near * near + dx * dx < best)
            best = near * near + dx * dx;
    }
    return best;
}

roto_status davis_point_of(const uint8_t *ids, int32_t width, uint8_t id, const davis_box *box,
                           int32_t *x_out, int32_t *y_out)
{
    const int32_t w = box->right - box->left + 3, h = box->bottom - box->top + 3;
    int32_t *up_down = memory_new_array((size_t)w * (size_t)h, sizeof(*up_down));
    if (!up_down)
        return ROTO_ERROR_MEMORY;
    fill_columns(ids, width, id, box, up_down);
    int64_t farthest = 0;
    for (int32_t y = 1; y < h - 1; y++) {
        const int32_t *row = up_down + (ptrdiff_t)y * w;
        for (int32_t x = 1; x < w - 1; x++) {
            if ((int64_t)row[x] * row[x] <= farthest)
                continue;
            const int64_t distance = nearest_outside(row, w, x);
            if (distance > farthest) {
                farthest = distance;
                *x_out = box->left + x - 1;
                *y_out = box->top + y - 1;
            }
        }
    }
    free(up_down);
    return ROTO_OK;
}
