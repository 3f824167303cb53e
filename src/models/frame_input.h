/* models/frame_input.h - a whole frame, of any size and pixel format, as a network's input. */
#ifndef MODELS_FRAME_INPUT_H
#define MODELS_FRAME_INPUT_H

#include "base/team.h"

#include <roto/image.h>

typedef struct frame_input frame_input;

/* A channel's value is byte * gain + offset, which is (byte / 255 - mean) / std. */
void frame_input_scale(const float mean[3], const float std[3], float gain[3], float offset[3]);

/* For an input of width x height; a channel's value is (byte / 255 - mean) / std, in RGB order.
 * Rows are shared out among the team, which has to outlive it; NULL: the caller alone. */
roto_status frame_input_new(int32_t width, int32_t height, const float mean[3], const float std[3],
                            team *t, frame_input **out);
void frame_input_free(frame_input *f); /* NULL is fine */

/* Makes ready for images of that size, so that filling allocates nothing. */
roto_status frame_input_prepare(frame_input *f, int32_t image_w, int32_t image_h);

/* Resizes with antialiasing and writes out [height, width, 3]. `image` has passed
 * roto_image_check(). Allocates only when the image's size is another than before. Planes are
 * resized as they are, before they become RGB; a chroma sample lies in the middle of its luma
 * samples. */
roto_status frame_input_fill(frame_input *f, const roto_image *image, float *out);

#endif
