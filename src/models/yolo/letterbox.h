/* models/yolo/letterbox.h - a picture of any size and format as a network's input. */
#ifndef MODELS_YOLO_LETTERBOX_H
#define MODELS_YOLO_LETTERBOX_H

#include "models/yolo/config.h"

#include <roto/detect.h>

typedef struct letterbox letterbox;

roto_status letterbox_new(const detector_config *config, letterbox **out);
void letterbox_free(letterbox *l); /* NULL is fine */

/* Where the picture lies in the network's input, pixels. */
typedef struct letterbox_place {
    int32_t left, top, width, height;
    double image_px_x, image_px_y; /* pixels of the picture for one of the input's */
} letterbox_place;

/* Writes all of input [height, width, 3]. `image` has passed roto_image_check(). Allocates nothing.
 */
letterbox_place letterbox_fill(letterbox *l, const roto_image *image, float *input);

#endif
