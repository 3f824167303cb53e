#include "video/orient.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Columns of the source are walked in tiles, so that a turned copy uses each cache line it fetched
 * before the line is evicted. */
enum { TILE = 32 };

orientation orientation_of_matrix(const int32_t matrix[9])
{
    /* Stored (x, y) is shown at (a x + c y, b x + d y). */
    int64_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    if (llabs(a) + llabs(d) >= llabs(b) + llabs(c)) {
        if (a == 0 || d == 0)
            return (orientation){0};
        return (orientation){.from_right = a < 0, .from_bottom = d < 0};
    }
    if (b == 0 || c == 0)
        return (orientation){0};
    return (orientation){.swap = true, .from_right = b < 0, .from_bottom = c < 0};
}

int32_t orientation_degrees(orientation o)
{
    if (o.swap)
        return o.from_bottom ? 90 : 270;
    return o.from_bottom ? 180 : 0;
}

bool orientation_is_upright(orientation o)
{
    return !o.swap && !o.from_right && !o.from_bottom;
}

static inline void copy_pixel(uint8_t *to, const uint8_t *from, int pixel_bytes)
{
    for (int i = 0; i < pixel_bytes; i++)
        to[i] = from[i];
}

/* `width` and `height` are those of the upright plane. Inlined with constant pixel sizes below. */
static inline __attribute__((always_inline)) void
orient_plane(orientation o, int pixel_bytes, int width, int height, const uint8_t *from,
             ptrdiff_t from_stride, uint8_t *to, ptrdiff_t to_stride)
{
    int stored_width = o.swap ? height : width, stored_height = o.swap ? width : height;
    ptrdiff_t along_x = o.from_right ? -pixel_bytes : pixel_bytes;
    ptrdiff_t along_y = o.from_bottom ? -from_stride : from_stride;
    const uint8_t *start = from + (o.from_right ? (ptrdiff_t)(stored_width - 1) * pixel_bytes : 0) +
                           (o.from_bottom ? (stored_height - 1) * from_stride : 0);
    ptrdiff_t step_x = o.swap ? along_y : along_x, step_y = o.swap ? along_x : along_y;
    for (int y0 = 0; y0 < height; y0 += TILE) {
        int y1 = y0 + TILE < height ? y0 + TILE : height;
        for (int x0 = 0; x0 < width; x0 += TILE) {
            int x1 = x0 + TILE < width ? x0 + TILE : width;
            for (int y = y0; y < y1; y++) {
                uint8_t *row = to + y * to_stride;
                const uint8_t *source = start + y * step_y;
                for (int x = x0; x < x1; x++)
                    copy_pixel(row + (ptrdiff_t)x * pixel_bytes, source + x * step_x, pixel_bytes);
            }
        }
    }
}

static void orient_any_plane(orientation o, int pixel_bytes, const AVFrame *from, AVFrame *to,
                             int plane, int width, int height)
{
    const uint8_t *source = from->data[plane];
    uint8_t *target = to->data[plane];
    int source_stride = from->linesize[plane], target_stride = to->linesize[plane];
    switch (pixel_bytes) {
    case 1:
        orient_plane(o, 1, width, height, source, source_stride, target, target_stride);
        break;
    case 2:
        orient_plane(o, 2, width, height, source, source_stride, target, target_stride);
        break;
    default:
        orient_plane(o, 3, width, height, source, source_stride, target, target_stride);
        break;
    }
}

roto_status orient_picture(orientation o, frame_pool *pool, AVFrame *picture)
{
    if (orientation_is_upright(o))
        return ROTO_OK;
    AVFrame *made = av_frame_alloc();
    if (!made)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame");
    int width = o.swap ? picture->height : picture->width;
    int height = o.swap ? picture->width : picture->height;
    roto_status status = frame_pool_picture(pool, picture->format, width, height, made);
    if (status == ROTO_OK) {
        int chroma_width = (width + 1) / 2, chroma_height = (height + 1) / 2;
        orient_any_plane(o, picture->format == AV_PIX_FMT_RGB24 ? 3 : 1, picture, made, 0, width,
                         height);
        if (picture->format == AV_PIX_FMT_NV12)
            orient_any_plane(o, 2, picture, made, 1, chroma_width, chroma_height);
        if (picture->format == AV_PIX_FMT_YUV420P || picture->format == AV_PIX_FMT_YUVJ420P) {
            orient_any_plane(o, 1, picture, made, 1, chroma_width, chroma_height);
            orient_any_plane(o, 1, picture, made, 2, chroma_width, chroma_height);
        }
        av_frame_unref(picture);
        av_frame_move_ref(picture, made);
    }
    av_frame_free(&made);
    return status;
}
