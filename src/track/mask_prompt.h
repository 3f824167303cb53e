/* track/mask_prompt.h - a user's mask in the forms that the model takes. */
#ifndef TRACK_MASK_PROMPT_H
#define TRACK_MASK_PROMPT_H

#include "models/sam2/config.h"

#include <stddef.h>

/* A mask prompt is its own answer: these are its logits inside and, negated, outside. */
#define MASK_PROMPT_LOGIT 10.0f

/* The mask [h, w] (non-zero: inside), rows stride_bytes apart, at the model's input size as the
 * official code does it: antialiased, then 1 where at least half is inside. out [image_h, image_w]
 * of 0 and 1. */
roto_status mask_prompt_resize(const uint8_t *mask, int32_t w, int32_t h, ptrdiff_t stride_bytes,
                               const sam2_size *size, float *out);

/* Its logits [mask_h, mask_w]: -10 and 10, antialiased. */
roto_status mask_prompt_logits(const float *mask, const sam2_size *size, float *out);

/* What the decoder sees to make its pointer [mask_h, mask_w]: a learned 4x4 filter with stride 4;
 * weight [4, 4], bias [1]. */
void mask_prompt_downsample(const float *mask, const sam2_size *size, const float *weight,
                            const float *bias, float *out);

#endif
