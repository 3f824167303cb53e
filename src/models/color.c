#include "models/color.h"

/* The tables of coefficients in ITU-R BT.601, BT.709 and BT.2020. */
color_luma color_luma_of(roto_color_matrix matrix)
{
    static const color_luma weights[] = {
        [ROTO_COLOR_BT601] = {0.299, 0.114},
        [ROTO_COLOR_BT709] = {0.2126, 0.0722},
        [ROTO_COLOR_BT2020] = {0.2627, 0.0593},
    };
    return weights[matrix];
}

/* Limited range is 16..235 for luma and 16..240 for chroma. */
color_yuv color_yuv_of(const roto_image *image)
{
    const color_luma weights = color_luma_of(image->matrix);
    const double red = weights.red, blue = weights.blue, green = 1 - red - blue;
    const double luma = image->full_range ? 1 : 255.0 / 219,
                 chroma = image->full_range ? 1 : 255.0 / 224;
    return (color_yuv){
        .luma = (float)luma,
        .luma_offset = image->full_range ? 0 : -16,
        .red_v = (float)(2 * (1 - red) * chroma),
        .green_u = (float)(-2 * (1 - blue) * blue / green * chroma),
        .green_v = (float)(-2 * (1 - red) * red / green * chroma),
        .blue_u = (float)(2 * (1 - blue) * chroma),
    };
}
