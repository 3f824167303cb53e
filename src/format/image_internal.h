/* format/image_internal.h - what the image codecs share. */
#ifndef FORMAT_IMAGE_INTERNAL_H
#define FORMAT_IMAGE_INTERNAL_H

#include <roto/image.h>
#include <stdbool.h>

/* A decoded picture as stored in the file: RGB8, rows without padding, owned (free()). */
typedef struct image_pixels {
    uint8_t *rgb;
    int32_t width, height;
    int orientation; /* EXIF 1..8: what to do to see it upright; 1 is nothing */
} image_pixels;

bool image_is_png(const uint8_t *data, size_t bytes);
bool image_is_jpeg(const uint8_t *data, size_t bytes);

/* `name` is for messages. On failure *out owns nothing. */
roto_status image_png_decode(const char *name, const uint8_t *data, size_t bytes,
                             image_pixels *out);
roto_status image_jpeg_decode(const char *name, const uint8_t *data, size_t bytes,
                              image_pixels *out);

/* Either of them, told apart by content, and turned upright (orientation becomes 1). */
roto_status image_decode(const char *name, const uint8_t *data, size_t bytes, image_pixels *out);

/* Allocates rgb for a size already checked. */
roto_status image_pixels_new(const char *name, int32_t width, int32_t height, image_pixels *out);

/* The orientation tag of a TIFF structure (what follows "Exif\0\0" in JPEG, or PNG's eXIf chunk);
 * 1 when there is none or the structure is malformed: metadata never makes a picture unreadable. */
int image_exif_orientation(const uint8_t *tiff, size_t bytes);

#endif
