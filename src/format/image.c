#include "format/image_internal.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"
#include "format/image_planes.h"

#include <stdlib.h>
#include <string.h>

int image_plane_sizes(const roto_image *image, image_plane_size out[IMAGE_MAX_PLANES])
{
    const size_t w = (size_t)image->width, half_w = (w + 1) / 2;
    const image_plane_size none = {0, 0}, luma = {image->height, w};
    const int32_t half_h = (image->height + 1) / 2;
    out[0] = luma;
    out[1] = out[2] = none;
    switch (image->format) {
    case ROTO_PIXEL_RGB8:
        out[0].row_bytes = w * 3;
        return 1;
    case ROTO_PIXEL_GRAY8:
        return 1;
    case ROTO_PIXEL_YUV420P:
        out[1] = out[2] = (image_plane_size){half_h, half_w};
        return 3;
    case ROTO_PIXEL_NV12:
        out[1] = (image_plane_size){half_h, half_w * 2};
        return 2;
    }
    out[0] = none;
    return 0;
}

roto_status roto_image_check(const roto_image *image)
{
    if (!image)
        return roto_fail(ROTO_ERROR_ARGUMENT, "image is NULL");
    if (image->width < 1 || image->width > ROTO_IMAGE_MAX_PX || image->height < 1 ||
        image->height > ROTO_IMAGE_MAX_PX)
        return roto_fail(ROTO_ERROR_ARGUMENT, "image of %d x %d pixels; each must be 1..%d",
                         image->width, image->height, ROTO_IMAGE_MAX_PX);
    image_plane_size sizes[IMAGE_MAX_PLANES];
    const int n_planes = image_plane_sizes(image, sizes);
    if (n_planes == 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "image has unknown pixel format %d",
                         (int)image->format);
    for (int i = 0; i < n_planes; i++) {
        if (!image->plane[i])
            return roto_fail(ROTO_ERROR_ARGUMENT, "image plane %d is NULL", i);
        if (image->stride_bytes[i] < (ptrdiff_t)sizes[i].row_bytes)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "image plane %d has a stride of %td bytes, its rows need %zu", i,
                             image->stride_bytes[i], sizes[i].row_bytes);
    }
    bool is_yuv = image->format == ROTO_PIXEL_YUV420P || image->format == ROTO_PIXEL_NV12;
    if (is_yuv && (unsigned)image->matrix > ROTO_COLOR_BT2020)
        return roto_fail(ROTO_ERROR_ARGUMENT, "image has unknown colour matrix %d",
                         (int)image->matrix);
    if (is_yuv && image->full_range != 0 && image->full_range != 1)
        return roto_fail(ROTO_ERROR_ARGUMENT, "image full_range is %d; it must be 0 or 1",
                         image->full_range);
    return ROTO_OK;
}

static roto_status new_pixels(const char *name, int32_t width, int32_t height, size_t pixel_bytes,
                              uint8_t **out)
{
    if (width < 1 || height < 1 || width > ROTO_IMAGE_MAX_PX || height > ROTO_IMAGE_MAX_PX)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: %d x %d pixels; each must be 1..%d", name,
                         width, height, ROTO_IMAGE_MAX_PX);
    *out = malloc((size_t)width * (size_t)height * pixel_bytes);
    if (!*out)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory for %d x %d pixels", name, width,
                         height);
    return ROTO_OK;
}

roto_status image_pixels_new(const char *name, int32_t width, int32_t height, image_pixels *out)
{
    *out = (image_pixels){.width = width, .height = height, .orientation = 1};
    return new_pixels(name, width, height, 3, &out->rgb);
}

roto_status image_ids_new(const char *name, int32_t width, int32_t height, image_ids *out)
{
    *out = (image_ids){.width = width, .height = height};
    return new_pixels(name, width, height, 1, &out->ids);
}

/* EXIF 2.3, table of tag 0x0112: which stored pixel is seen at x, y of the upright picture. The
 * stored position is linear in x and y, so a start and two steps describe each of the 8 cases. */
static roto_status turn_upright(const char *name, image_pixels *pixels)
{
    int orientation = pixels->orientation;
    if (orientation == 1)
        return ROTO_OK;
    ptrdiff_t w = pixels->width, h = pixels->height;
    bool swap = orientation >= 5;
    image_pixels upright;
    ROTO_TRY(image_pixels_new(name, (int32_t)(swap ? h : w), (int32_t)(swap ? w : h), &upright));
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    ptrdiff_t start = (from_right ? w - 1 : 0) + (from_bottom ? (h - 1) * w : 0);
    ptrdiff_t step_column = from_right ? -1 : 1, step_row = from_bottom ? -w : w;
    ptrdiff_t step_x = swap ? step_row : step_column, step_y = swap ? step_column : step_row;
    uint8_t *to = upright.rgb;
    for (ptrdiff_t y = 0; y < upright.height; y++) {
        for (ptrdiff_t x = 0; x < upright.width; x++, to += 3)
            memcpy(to, pixels->rgb + 3 * (start + x * step_x + y * step_y), 3);
    }
    free(pixels->rgb);
    *pixels = upright;
    return ROTO_OK;
}

roto_status image_decode(const char *name, const uint8_t *data, size_t bytes, image_pixels *out)
{
    *out = (image_pixels){0};
    roto_status status;
    if (image_is_png(data, bytes))
        status = image_png_decode(name, data, bytes, out);
    else if (image_is_jpeg(data, bytes))
        status = image_jpeg_decode(name, data, bytes, out);
    else
        return roto_fail(ROTO_ERROR_FORMAT, "%s: neither a PNG nor a JPEG file", name);
    if (status == ROTO_OK)
        status = turn_upright(name, out);
    if (status != ROTO_OK) {
        free(out->rgb);
        *out = (image_pixels){0};
    }
    return status;
}

roto_status roto_image_read(const char *path, roto_image *out, void **storage)
{
    if (!path || !out || !storage)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_image_read: path, out or storage is NULL");
    *out = (roto_image){0};
    *storage = NULL;
    file_bytes file;
    ROTO_TRY(file_read(path, IMAGE_MAX_FILE_BYTES, &file));
    image_pixels pixels;
    roto_status status = image_decode(path, file.data, file.bytes, &pixels);
    file_release(&file);
    if (status != ROTO_OK)
        return status;
    *out = (roto_image){.width = pixels.width,
                        .height = pixels.height,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {pixels.rgb},
                        .stride_bytes = {(ptrdiff_t)pixels.width * 3}};
    *storage = pixels.rgb;
    return ROTO_OK;
}

void roto_image_free(void *storage)
{
    free(storage);
}
