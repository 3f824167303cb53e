#include "backend/cpu/simd/depthwise.h"

#include "backend/cpu/simd/vec.h"

/* Pixels that share a weight in a register. Each multiply-add loads its input, so two a cycle are
 * the most; eight independent sums cover their latency. */
enum { MOST_PIXELS = 8 };

/* One vector of channels (the first `lanes` of it) of `pixels` pixels, a constant wherever this is
 * inlined, as is whether the vector is whole. */
SIMD_INLINE void pixels_vec(const depthwise_args *d, int64_t pixel, int64_t channel,
                            const int pixels, const bool whole)
{
    const int64_t lanes = whole ? VEC_LANES : d->channels - channel;
    const int64_t step = d->pixel_step;
    const float *row = d->in + pixel * step + channel;
    const float *weight_row = d->weights + channel;
    vec sum[MOST_PIXELS];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++)
        sum[p] = vec_load(d->bias + channel);
    for (int64_t i = 0; i < d->taps_h; i++, row += d->row_step, weight_row += d->weight_row_step) {
        const float *tap = row, *weights = weight_row;
        for (int64_t j = 0; j < d->taps_w; j++, tap += d->tap_step, weights += d->weight_step) {
            const vec w = vec_load(weights);
#pragma GCC unroll 8
            for (int p = 0; p < pixels; p++) {
                const float *at = tap + p * step;
                sum[p] += (whole ? vec_load(at) : vec_load_n(at, lanes)) * w;
            }
        }
    }
    float *out = d->out + pixel * d->out_stride + channel;
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++, out += d->out_stride) {
        if (whole)
            vec_store(out, sum[p]);
        else
            vec_store_n(out, sum[p], lanes);
    }
}

SIMD_INLINE void pixels_all(const depthwise_args *d, int64_t pixel, const int pixels)
{
    int64_t c = 0;
    for (; c + VEC_LANES <= d->channels; c += VEC_LANES)
        pixels_vec(d, pixel, c, pixels, true);
    if (c < d->channels)
        pixels_vec(d, pixel, c, pixels, false);
}

static void run(const depthwise_args *d)
{
    int64_t pixel = 0;
    for (; pixel + MOST_PIXELS <= d->n_pixels; pixel += MOST_PIXELS)
        pixels_all(d, pixel, MOST_PIXELS);
    if (d->n_pixels - pixel >= 4) {
        pixels_all(d, pixel, 4);
        pixel += 4;
    }
    if (d->n_pixels - pixel >= 2) {
        pixels_all(d, pixel, 2);
        pixel += 2;
    }
    if (pixel < d->n_pixels)
        pixels_all(d, pixel, 1);
}

const depthwise_table SIMD_NAME(depthwise_table) = {.lanes = VEC_LANES, .run = run};
