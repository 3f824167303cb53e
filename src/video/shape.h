/* video/shape.h - rounded boxes and masks as coverage, painted two rows at a time. */
#ifndef VIDEO_SHAPE_H
#define VIDEO_SHAPE_H

#include "video/paint.h"

#include <roto/detect.h>

/* Two rows of coverage: what one row of chroma needs. Zeroed at first. */
typedef struct shape_scratch {
    uint8_t *rows;
    size_t capacity;
    int width;
} shape_scratch;

roto_status shape_scratch_grow(shape_scratch *scratch, int width);
void shape_scratch_free(shape_scratch *scratch);

/* A line of line_px along the box's edges, half of it outside, with rounded corners. */
void shape_outline(shape_scratch *scratch, const paint *p, const roto_box *box, float line_px,
                   float radius_px);

/* The inside. */
void shape_fill(shape_scratch *scratch, const paint *p, const roto_box *box, float radius_px);

/* Pixels whose mask byte is not 0 get a tint, those of them within line_px of one that is 0 get
 * nearly the full colour. The mask has the target's size. */
void shape_mask(shape_scratch *scratch, const paint *p, const uint8_t *mask, ptrdiff_t stride_bytes,
                float line_px);

#endif
