/* video/orient.h - turning pictures upright as a display matrix says. */
#ifndef VIDEO_ORIENT_H
#define VIDEO_ORIENT_H

#include "video/frame.h"

#include <stdbool.h>

/* How to find the stored pixel of an upright one: first exchange x and y (swap), then count x from
 * the right and y from the bottom of the stored picture. All false: leave it. */
typedef struct orientation {
    bool swap, from_right, from_bottom;
} orientation;

/* ISO/IEC 14496-12, 8.5.2: of the track's 3x3 matrix, rounded to quarter turns and mirrorings. A
 * matrix that cannot be a turn gives none. */
orientation orientation_of_matrix(const int32_t matrix[9]);

/* Clockwise, 0, 90, 180 or 270: the turn without the mirroring. */
int32_t orientation_degrees(orientation o);

bool orientation_is_upright(orientation o);

/* Replaces *picture (YUV420P, NV12, GRAY8 or RGB24) by its upright copy. */
roto_status orient_picture(orientation o, frame_pool *pool, AVFrame *picture);

#endif
