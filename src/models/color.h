/* models/color.h - from luma and chroma to red, green and blue. */
#ifndef MODELS_COLOR_H
#define MODELS_COLOR_H

#include <roto/image.h>

/* What red and blue weigh in luma; green has the rest. */
typedef struct color_luma {
    double red, blue;
} color_luma;

color_luma color_luma_of(roto_color_matrix matrix);

/* R = luma (Y + luma_offset) + red_v (V - 128) and so on, all in 0..255. */
typedef struct color_yuv {
    float luma, luma_offset, red_v, green_u, green_v, blue_u;
} color_yuv;

color_yuv color_yuv_of(const roto_image *image);

#endif
