/* eval/davis_picture.h - shows a result and the truth on the image. */
#ifndef EVAL_DAVIS_PICTURE_H
#define EVAL_DAVIS_PICTURE_H

#include <roto/image.h>

/* Writes the RGB8 image with `found` (ids [height, width]) tinted, and outlines of `truth` in white
 * on black. */
roto_status davis_picture_write(const char *path, const roto_image *image, const uint8_t *truth,
                                const uint8_t *found);

#endif
