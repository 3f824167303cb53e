#include "backend/cpu/simd/depthwise.h"

#include "backend/cpu/simd/vec_math.h"

/* Pixels that share a weight in a register. Each multiply-add loads its input, so two a cycle are
 * the most; eight independent sums cover their latency. */
enum { MOST_PIXELS = 8 };

SIMD_INLINE vec end_vec(vec sum, const unary_kind act)
{
    return act == UNARY_SILU ? vec_silu(sum) : act == UNARY_RELU ? vec_max(vec_set(0), sum) : sum;
}

/* One vector of channels (what is left of them, if not whole) of `pixels` pixels. These, `whole`
 * and `act` are constants wherever this is inlined. */
SIMD_INLINE void pixels_vec(const depthwise_args *d, int64_t pixel, int64_t channel,
                            const int pixels, const bool whole, const unary_kind act)
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
        const vec y = end_vec(sum[p], act);
        if (whole)
            vec_store(out, y);
        else
            vec_store_n(out, y, lanes);
    }
}

SIMD_INLINE void pixels_all(const depthwise_args *d, int64_t pixel, const int pixels,
                            const unary_kind act)
{
    int64_t c = 0;
    for (; c + VEC_LANES <= d->channels; c += VEC_LANES)
        pixels_vec(d, pixel, c, pixels, true, act);
    if (c < d->channels)
        pixels_vec(d, pixel, c, pixels, false, act);
}

SIMD_INLINE void run_act(const depthwise_args *d, const unary_kind act)
{
    int64_t pixel = 0;
    for (; pixel + MOST_PIXELS <= d->n_pixels; pixel += MOST_PIXELS)
        pixels_all(d, pixel, MOST_PIXELS, act);
    if (d->n_pixels - pixel >= 4) {
        pixels_all(d, pixel, 4, act);
        pixel += 4;
    }
    for (; pixel < d->n_pixels; pixel++)
        pixels_all(d, pixel, 1, act);
}

static void run_identity(const depthwise_args *d)
{
    run_act(d, UNARY_IDENTITY);
}

static void run_relu(const depthwise_args *d)
{
    run_act(d, UNARY_RELU);
}

static void run_silu(const depthwise_args *d)
{
    run_act(d, UNARY_SILU);
}

static void run(const depthwise_args *d)
{
    if (d->act == UNARY_SILU)
        run_silu(d);
    else if (d->act == UNARY_RELU)
        run_relu(d);
    else
        run_identity(d);
}

const depthwise_table SIMD_NAME(depthwise_table) = {.lanes = VEC_LANES, .run = run};
