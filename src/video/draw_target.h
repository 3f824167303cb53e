/* video/draw_target.h - a picture that may be written. */
#ifndef VIDEO_DRAW_TARGET_H
#define VIDEO_DRAW_TARGET_H

#include <roto/image.h>

/* Planes laid out as in roto_image. */
typedef struct draw_target {
    int32_t width, height;
    roto_pixel_format format;
    roto_color_matrix matrix;
    int32_t full_range;
    uint8_t *plane[3];
    ptrdiff_t stride_bytes[3];
} draw_target;

#endif
