/* video/rgb_copy.h - a copy of a picture to draw into. */
#ifndef VIDEO_RGB_COPY_H
#define VIDEO_RGB_COPY_H

#include "video/draw_target.h"

/* A copy of any format as RGB8; *target is the same picture as *out, to be written. *storage owns
 * the pixels; free that. `image` has passed roto_image_check(). */
roto_status rgb_copy_new(const roto_image *image, roto_image *out, void **storage,
                         draw_target *target);

#endif
