/* Pictures whose pixels are numbers of objects. */
#include "base/error.h"
#include "format/file.h"
#include "format/image_internal.h"

#include <stdlib.h>

#include <png.h>

/* Where every PNG has its bit depth and colour type (PNG specification, 5.2 and 11.2.1). */
enum { BIT_DEPTH_AT = 24, COLOUR_TYPE_AT = 25 };

/* Drawing programs save black and white in colour. */
static roto_status decode_grey_colours(const char *name, const uint8_t *data, size_t bytes,
                                       image_ids *out)
{
    image_pixels pixels;
    ROTO_TRY(image_png_decode(name, data, bytes, &pixels));
    size_t width = (size_t)pixels.width, n = width * (size_t)pixels.height;
    roto_status status = image_ids_new(name, pixels.width, pixels.height, out);
    for (size_t i = 0; status == ROTO_OK && i < n; i++) {
        const uint8_t *p = pixels.rgb + 3 * i;
        if (p[0] != p[1] || p[0] != p[2])
            status = roto_fail(ROTO_ERROR_FORMAT,
                               "%s: the pixel at %zu, %zu has a colour (%d, %d, %d); object ids "
                               "come as a palette or as grey",
                               name, i % width, i / width, p[0], p[1], p[2]);
        out->ids[i] = p[0];
    }
    free(pixels.rgb);
    return status;
}

roto_status image_ids_decode(const char *name, const uint8_t *data, size_t bytes, image_ids *out)
{
    *out = (image_ids){0};
    if (!image_is_png(data, bytes))
        return roto_fail(ROTO_ERROR_FORMAT, "%s: not a PNG file, which object ids come in", name);
    int colour = bytes > COLOUR_TYPE_AT ? data[COLOUR_TYPE_AT] : PNG_COLOR_TYPE_PALETTE;
    bool is_colour = colour == PNG_COLOR_TYPE_RGB || colour == PNG_COLOR_TYPE_RGB_ALPHA ||
                     colour == PNG_COLOR_TYPE_GRAY_ALPHA;
    if (!is_colour || data[BIT_DEPTH_AT] != 8)
        return image_png_decode_ids(name, data, bytes, out);
    roto_status status = decode_grey_colours(name, data, bytes, out);
    if (status != ROTO_OK) {
        free(out->ids);
        *out = (image_ids){0};
    }
    return status;
}

roto_status roto_image_read_ids(const char *path, roto_image *out, void **storage)
{
    if (!path || !out || !storage)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_image_read_ids: path, out or storage is NULL");
    *out = (roto_image){0};
    *storage = NULL;
    file_bytes file;
    ROTO_TRY(file_read(path, IMAGE_MAX_FILE_BYTES, &file));
    image_ids ids;
    roto_status status = image_ids_decode(path, file.data, file.bytes, &ids);
    file_release(&file);
    if (status != ROTO_OK)
        return status;
    *out = (roto_image){.width = ids.width,
                        .height = ids.height,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {ids.ids},
                        .stride_bytes = {ids.width}};
    *storage = ids.ids;
    return ROTO_OK;
}
