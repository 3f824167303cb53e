#include "eval/davis_picture.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Far apart in hue, none of them close to white; ids go round. */
static const uint8_t TINTS[][3] = {{255, 70, 70},  {60, 200, 90},  {70, 130, 255}, {255, 190, 40},
                                   {220, 80, 230}, {40, 210, 220}, {255, 130, 50}, {150, 100, 255}};
enum { N_TINTS = sizeof(TINTS) / sizeof(TINTS[0]), TINT_SHARE = 120 /* of 256 */ };

static void tint(uint8_t *rgb, uint8_t id)
{
    const uint8_t *colour = TINTS[(id - 1) % N_TINTS];
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)((rgb[c] * (256 - TINT_SHARE) + colour[c] * TINT_SHARE) / 256);
}

/* Whether another id is within `reach` pixels, to the sides, above or below. */
static bool is_edge(const uint8_t *ids, int32_t w, int32_t h, int32_t x, int32_t y, int32_t reach)
{
    const uint8_t id = ids[(ptrdiff_t)y * w + x];
    for (int32_t d = 1; d <= reach; d++) {
        if ((x >= d && ids[(ptrdiff_t)y * w + x - d] != id) ||
            (x + d < w && ids[(ptrdiff_t)y * w + x + d] != id) ||
            (y >= d && ids[(ptrdiff_t)(y - d) * w + x] != id) ||
            (y + d < h && ids[(ptrdiff_t)(y + d) * w + x] != id))
            return true;
    }
    return false;
}

roto_status davis_picture_write(const char *path, const roto_image *image, const uint8_t *truth,
                                const uint8_t *found)
{
    const int32_t w = image->width, h = image->height;
    uint8_t *rgb = memory_new_array((size_t)w * (size_t)h, 3);
    if (!rgb)
        return ROTO_ERROR_MEMORY;
    for (int32_t y = 0; y < h; y++) {
        uint8_t *to = rgb + (ptrdiff_t)y * w * 3;
        memcpy(to, image->plane[0] + y * image->stride_bytes[0], (size_t)w * 3);
        for (int32_t x = 0; x < w; x++, to += 3) {
            const ptrdiff_t at = (ptrdiff_t)y * w + x;
            if (found[at])
                tint(to, found[at]);
            if (is_edge(truth, w, h, x, y, 2)) /* white inside, black outside */
                memset(to, truth[at] ? 255 : 0, 3);
        }
    }
    const roto_image picture = {.width = w,
                                .height = h,
                                .format = ROTO_PIXEL_RGB8,
                                .plane = {rgb},
                                .stride_bytes = {(ptrdiff_t)w * 3}};
    const roto_status status = roto_image_write_png(path, &picture);
    free(rgb);
    return status;
}
