/* format/image_internal.h - what the image codecs share. */
#ifndef FORMAT_IMAGE_INTERNAL_H
#define FORMAT_IMAGE_INTERNAL_H

#include <roto/image.h>
#include <stdbool.h>

/* Files beyond it hold no picture of ROTO_IMAGE_MAX_PX that anyone has met. */
static const size_t IMAGE_MAX_FILE_BYTES = (size_t)1 << 30;

/* A decoded picture as stored in the file: RGB8, rows without padding, owned (free()). */
typedef struct image_pixels {
    uint8_t *rgb;
    int32_t width, height;
    int orientation; /* EXIF 1..8: what to do to see it upright; 1 is nothing */
} image_pixels;

/* A decoded picture of numbers: a byte a pixel, rows without padding, owned (free()). */
typedef struct image_ids {
    uint8_t *ids;
    int32_t width, height;
} image_ids;

bool image_is_png(const uint8_t *data, size_t bytes);
bool image_is_jpeg(const uint8_t *data, size_t bytes);

/* `name` is for messages. On failure *out owns nothing. */
roto_status image_png_decode(const char *name, const uint8_t *data, size_t bytes,
                             image_pixels *out);
roto_status image_jpeg_decode(const char *name, const uint8_t *data, size_t bytes,
                              image_pixels *out);

/* Palette indices or grey values of a PNG of up to 8 bits, as stored. */
roto_status image_png_decode_ids(const char *name, const uint8_t *data, size_t bytes,
                                 image_ids *out);

/* As above; also a colour PNG when all its pixels are grey. */
roto_status image_ids_decode(const char *name, const uint8_t *data, size_t bytes, image_ids *out);

/* Either of PNG and JPEG, told apart by content, and turned upright (orientation becomes 1). */
roto_status image_decode(const char *name, const uint8_t *data, size_t bytes, image_pixels *out);

/* Checks the size and allocates. */
roto_status image_pixels_new(const char *name, int32_t width, int32_t height, image_pixels *out);
roto_status image_ids_new(const char *name, int32_t width, int32_t height, image_ids *out);

/* The orientation tag of a TIFF structure (what follows "Exif\0\0" in JPEG, or PNG's eXIf chunk);
 * 1 when there is none or the structure is malformed: metadata never makes a picture unreadable. */
int image_exif_orientation(const uint8_t *tiff, size_t bytes);

#endif
