/* video/paint.h - blending a colour into pictures through coverage. */
#ifndef VIDEO_PAINT_H
#define VIDEO_PAINT_H

#include "video/draw_target.h"
#include "video/overlay.h"

/* A colour as the target's planes store it. */
typedef struct paint {
    const draw_target *target; /* borrowed */
    uint8_t value[3];          /* Y U V or R G B */
} paint;

paint paint_new(const draw_target *target, overlay_color color);

/* Blends into the rectangle at x, y: coverage [height, width] with rows of stride bytes, 255 is the
 * colour alone. What lies outside the picture is left out. Where chroma is shared by four pixels it
 * takes their mean coverage; a rectangle that starts at odd x or y blends into a shared pixel that
 * its neighbour blends into too, so pieces of one shape start at even ones. */
void paint_tile(const paint *p, int x, int y, int width, int height, const uint8_t *coverage,
                ptrdiff_t stride);

#endif
