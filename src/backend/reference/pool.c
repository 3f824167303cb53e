/* Maxima and means over sliding windows. */
#include "backend/reference/operators.h"

#include <math.h>

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static float pool_window(const ref_call *call, int64_t n, int64_t oy, int64_t ox, int64_t c)
{
    const pool2d_attr *a = &call->node->attr.pool2d;
    const tensor_shape *in = call->shape[0];
    const int64_t h = in->dim[1], w = in->dim[2];
    const int64_t top = oy * a->stride_h - a->pad_top, left = ox * a->stride_w - a->pad_left;
    /* With ceil_mode a window may reach past the padding; what lies there never counts. */
    const int64_t bottom = clamp(top + a->kernel_h, top, h + a->pad_bottom);
    const int64_t right = clamp(left + a->kernel_w, left, w + a->pad_right);
    int64_t n_inside = 0;
    double sum = 0, max = -INFINITY;
    for (int64_t y = clamp(top, 0, h); y < clamp(bottom, 0, h); y++)
        for (int64_t x = clamp(left, 0, w); x < clamp(right, 0, w); x++) {
            const double v = call->in[0][((n * h + y) * w + x) * in->dim[3] + c];
            n_inside++;
            sum += v;
            if (v > max || v != v)
                max = v;
        }
    if (a->kind == POOL_MAX)
        return (float)max;
    const int64_t n_padded = (bottom - top) * (right - left);
    return (float)(sum / (double)(a->count_padding ? n_padded : n_inside));
}

void ref_pool2d(const ref_call *call)
{
    const tensor_shape *out = call->out_shape;
    float *to = call->out;
    for (int64_t n = 0; n < out->dim[0]; n++)
        for (int64_t y = 0; y < out->dim[1]; y++)
            for (int64_t x = 0; x < out->dim[2]; x++)
                for (int64_t c = 0; c < out->dim[3]; c++)
                    *to++ = pool_window(call, n, y, x, c);
}
