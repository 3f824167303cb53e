#include "track/mask_prompt.h"

#include "base/memory.h"
#include "models/antialias.h"

#include <stdlib.h>

static uint8_t *zeros_and_ones(const uint8_t *mask, int32_t w, int32_t h, ptrdiff_t stride_bytes)
{
    uint8_t *copy = memory_new_array((size_t)w * (size_t)h, 1);
    if (!copy)
        return NULL;
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++)
            copy[(size_t)y * (size_t)w + (size_t)x] = mask[y * stride_bytes + x] != 0;
    return copy;
}

roto_status mask_prompt_resize(const uint8_t *mask, int32_t w, int32_t h, ptrdiff_t stride_bytes,
                               const sam2_size *size, float *out)
{
    antialias_axis x = {0}, y = {0};
    uint8_t *binary = zeros_and_ones(mask, w, h, stride_bytes);
    float *column = memory_new_array((size_t)w, sizeof(float));
    roto_status status = binary && column ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK)
        status = antialias_axis_init(&x, w, size->image_w);
    if (status == ROTO_OK)
        status = antialias_axis_init(&y, h, size->image_h);
    for (int32_t row = 0; status == ROTO_OK && row < size->image_h; row++) {
        float *to = out + (ptrdiff_t)row * size->image_w;
        antialias_row(&x, &y, binary, w, 1, row, column, to);
        for (int32_t i = 0; i < size->image_w; i++)
            to[i] = to[i] >= 0.5f ? 1 : 0;
    }
    antialias_axis_free(&x);
    antialias_axis_free(&y);
    free(column);
    free(binary);
    return status;
}

roto_status mask_prompt_logits(const float *mask, const sam2_size *size, float *out)
{
    antialias_axis x = {0}, y = {0};
    float *column = memory_new_array((size_t)size->image_w, sizeof(float));
    roto_status status = column ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK)
        status = antialias_axis_init(&x, size->image_w, size->mask_w);
    if (status == ROTO_OK)
        status = antialias_axis_init(&y, size->image_h, size->mask_h);
    for (int32_t row = 0; status == ROTO_OK && row < size->mask_h; row++) {
        float *to = out + (ptrdiff_t)row * size->mask_w;
        antialias_row_f32(&x, &y, mask, row, column, to);
        for (int32_t i = 0; i < size->mask_w; i++) /* weights sum to 1, so that it can come last */
            to[i] = (2 * to[i] - 1) * MASK_PROMPT_LOGIT;
    }
    antialias_axis_free(&x);
    antialias_axis_free(&y);
    free(column);
    return status;
}

void mask_prompt_downsample(const float *mask, const sam2_size *size, const float *weight,
                            const float *bias, float *out)
{
    for (int32_t y = 0; y < size->mask_h; y++) {
        for (int32_t x = 0; x < size->mask_w; x++) {
            float sum = bias[0];
            for (int32_t k = 0; k < SAM2_MASK_STRIDE * SAM2_MASK_STRIDE; k++) {
                const int32_t row = y * SAM2_MASK_STRIDE + k / SAM2_MASK_STRIDE,
                              column = x * SAM2_MASK_STRIDE + k % SAM2_MASK_STRIDE;
                sum += weight[k] * mask[(ptrdiff_t)row * size->image_w + column];
            }
            *out++ = sum;
        }
    }
}
