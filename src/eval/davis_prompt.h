/* eval/davis_prompt.h - what a user would have said about an object whose true mask is known. */
#ifndef EVAL_DAVIS_PROMPT_H
#define EVAL_DAVIS_PROMPT_H

#include <roto/error.h>
#include <stdbool.h>
#include <stdint.h>

/* The outermost pixels. */
typedef struct davis_box {
    int32_t left, top, right, bottom;
} davis_box;

/* False when no pixel of `ids` [height, width] is `id`. */
bool davis_box_of(const uint8_t *ids, int32_t width, int32_t height, uint8_t id, davis_box *out);

/* The pixel of the object that is farthest, by the distance between centres of pixels, from any
 * pixel that is not of it, where what is around the picture is not of it; of several the topmost,
 * of those the leftmost. `box` is the object's. */
roto_status davis_point_of(const uint8_t *ids, int32_t width, uint8_t id, const davis_box *box,
                           int32_t *x, int32_t *y);

#endif
