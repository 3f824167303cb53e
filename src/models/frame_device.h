/* models/frame_device.h - the work of frame_input.h on a backend that makes inputs of pictures
 * itself: the host only copies a frame's bytes to where the device takes them from. */
#ifndef MODELS_FRAME_DEVICE_H
#define MODELS_FRAME_DEVICE_H

#include "backend/backend.h"

#include <roto/image.h>

typedef struct frame_device frame_device;

/* For an input of width x height and windows of up to n_sizes sizes; a channel's value is (byte /
 * 255 - mean) / std, in RGB order. The backend's `show` is there. Rows are copied by the team,
 * which has to outlive it; NULL: by the caller alone. */
roto_status frame_device_new(const backend_table *table, backend *b, int32_t width, int32_t height,
                             const float mean[3], const float std[3], int32_t n_sizes, team *t,
                             frame_device **out);
void frame_device_free(frame_device *f); /* NULL is fine */

/* Makes size number `index` ready for windows of w x h, so that showing them allocates nothing.
 * Waits for the device when it was another. */
roto_status frame_device_prepare(frame_device *f, int32_t index, int32_t w, int32_t h);

/* Copies a frame, which has passed roto_image_check(), and makes *held view the copy until the call
 * after the next one: until then the device may take the frame and look at it, in any queue.
 * Allocates when neither of two frames in a row was as large before. */
roto_status frame_device_take(frame_device *f, const roto_image *image, roto_image *held);

/* The window of the latest *held that the next enqueueing shows; chroma starts on a whole sample.
 * Prepares the size if it has not been. */
roto_status frame_device_choose(frame_device *f, int32_t index, const roto_image *window);

/* Enqueues the upload of the frame, unless that has been, and filling `out` [height, width, 3] with
 * the window. */
roto_status frame_device_enqueue(frame_device *f, backend_queue queue, buffer *out);

#endif
