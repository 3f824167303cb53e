/* roto/image.h - pictures in memory, and reading and writing image files. */
#ifndef ROTO_IMAGE_H
#define ROTO_IMAGE_H

#include <roto/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Largest width and height accepted anywhere, in pixels. */
#define ROTO_IMAGE_MAX_PX 16384

typedef enum roto_pixel_format {
    ROTO_PIXEL_RGB8 = 0,    /* plane 0: [height, width, 3] bytes R G B */
    ROTO_PIXEL_GRAY8 = 1,   /* plane 0: [height, width] */
    ROTO_PIXEL_YUV420P = 2, /* planes Y [h, w], U and V [(h + 1) / 2, (w + 1) / 2] */
    ROTO_PIXEL_NV12 =
        3 /* plane 0: Y [h, w]; plane 1: U V interleaved [(h + 1) / 2, (w + 1) / 2, 2] */
} roto_pixel_format;

typedef enum roto_color_matrix {
    ROTO_COLOR_BT601 = 0, /* standard definition, and JPEG with full_range = 1 */
    ROTO_COLOR_BT709 = 1, /* high definition */
    ROTO_COLOR_BT2020 = 2
} roto_color_matrix;

/* A view of pixels; it owns nothing. Rows are stride_bytes apart and top row first. */
typedef struct roto_image {
    int32_t width, height; /* pixels, 1..ROTO_IMAGE_MAX_PX */
    roto_pixel_format format;
    roto_color_matrix matrix; /* of YUV formats */
    int32_t full_range;       /* of YUV formats: 1 for 0..255, 0 for 16..235 */
    const uint8_t *plane[3];
    ptrdiff_t stride_bytes[3];
} roto_image;

/* Refuses sizes out of range, missing planes and strides shorter than a row. */
ROTO_API roto_status roto_image_check(const roto_image *image);

/* Reads a PNG or JPEG file (told apart by content) as RGB8; alpha is dropped, greyscale expanded,
 * EXIF orientation applied. On success *out views memory owned by *storage; free that with
 * roto_image_free(). */
ROTO_API roto_status roto_image_read(const char *path, roto_image *out, void **storage);
ROTO_API void roto_image_free(void *storage); /* NULL is fine */

/* Writes RGB8 or GRAY8 as PNG. The file appears under `path` only when it is complete. */
ROTO_API roto_status roto_image_write_png(const char *path, const roto_image *image);

/* Pictures of object ids, a value a pixel, 0 for none: the masks of DAVIS and of annotation tools.
 * Reads a PNG as GRAY8: indices of a palette or grey values, of up to 8 bits, as they are stored; a
 * PNG in colour (RGB, or with alpha, which is dropped) only when all its pixels are grey. EXIF
 * orientation is not applied. */
ROTO_API roto_status roto_image_read_ids(const char *path, roto_image *out, void **storage);

/* Writes GRAY8 as a palette PNG in which every value has the colour that DAVIS gives it. The file
 * appears under `path` only when it is complete. */
ROTO_API roto_status roto_image_write_ids(const char *path, const roto_image *image);

/* A copy of `image` as RGB8 in which the objects of `ids` (GRAY8, of the same size) are tinted and
 * outlined, a colour for each id. *out views memory owned by *storage; free that with
 * roto_image_free(). */
ROTO_API roto_status roto_image_draw_ids(const roto_image *image, const roto_image *ids,
                                         roto_image *out, void **storage);

#ifdef __cplusplus
}
#endif
#endif
