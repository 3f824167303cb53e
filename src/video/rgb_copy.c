#include "video/rgb_copy.h"

#include "base/memory.h"
#include "models/color.h"

#include <stdbool.h>
#include <string.h>

static uint8_t to_byte(float value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5f);
}

static void yuv_to_rgb(const roto_image *image, float y, float u, float v, uint8_t *rgb)
{
    const color_luma weights = color_luma_of(image->matrix);
    const float wr = (float)weights.red, wb = (float)weights.blue;
    if (!image->full_range) {
        y = (y - 16) * 255 / 219;
        u = (u - 128) * 255 / 224;
        v = (v - 128) * 255 / 224;
    } else {
        u -= 128;
        v -= 128;
    }
    float r = y + 2 * (1 - wr) * v, b = y + 2 * (1 - wb) * u;
    rgb[0] = to_byte(r);
    rgb[1] = to_byte((y - wr * r - wb * b) / (1 - wr - wb));
    rgb[2] = to_byte(b);
}

static void copy_row(const roto_image *image, int32_t row, uint8_t *rgb)
{
    const uint8_t *p0 = image->plane[0] + row * image->stride_bytes[0];
    if (image->format == ROTO_PIXEL_RGB8) {
        memcpy(rgb, p0, (size_t)image->width * 3);
        return;
    }
    for (int32_t x = 0; x < image->width; x++, rgb += 3) {
        if (image->format == ROTO_PIXEL_GRAY8) {
            rgb[0] = rgb[1] = rgb[2] = p0[x];
            continue;
        }
        const uint8_t *p1 = image->plane[1] + row / 2 * image->stride_bytes[1];
        bool interleaved = image->format == ROTO_PIXEL_NV12;
        const uint8_t *p2 =
            interleaved ? p1 + 1 : image->plane[2] + row / 2 * image->stride_bytes[2];
        ptrdiff_t at = interleaved ? x / 2 * 2 : x / 2;
        yuv_to_rgb(image, p0[x], p1[at], p2[at], rgb);
    }
}

roto_status rgb_copy_new(const roto_image *image, roto_image *out, void **storage,
                         draw_target *target)
{
    const size_t stride = (size_t)image->width * 3;
    uint8_t *rgb = memory_new_array((size_t)image->height, stride);
    if (!rgb)
        return ROTO_ERROR_MEMORY;
    for (int32_t row = 0; row < image->height; row++)
        copy_row(image, row, rgb + (size_t)row * stride);
    *target = (draw_target){.width = image->width,
                            .height = image->height,
                            .format = ROTO_PIXEL_RGB8,
                            .plane = {rgb},
                            .stride_bytes = {(ptrdiff_t)stride}};
    *out = (roto_image){.width = image->width,
                        .height = image->height,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {(ptrdiff_t)stride}};
    *storage = rgb;
    return ROTO_OK;
}
