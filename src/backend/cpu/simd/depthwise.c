#include "backend/cpu/simd/depthwise.h"

#include "backend/cpu/simd/activation.h"

/* Sums in registers. Each multiply-add loads its input, so two a cycle are the most; eight
 * independent sums cover their latency. */
enum { MOST_SUMS = 8 };

/* What the compiler knows of a loop when it inlines it. */
typedef struct shape_known {
    int pixels;             /* whose sums are in registers at once */
    int vectors;            /* of channels, likewise */
    bool whole;             /* vectors; else there is one, of the channels that are left */
    int64_t taps_h, taps_w; /* perhaps known */
    unary_attr act;         /* its kind */
} shape_known;

/* pixels x vectors outputs from `pixel` and `channel` on. */
SIMD_INLINE void block(const depthwise_args *d, int64_t pixel, int64_t channel,
                       const shape_known known)
{
    const int64_t lanes = known.whole ? VEC_LANES : d->channels - channel;
    const int64_t step = d->pixel_step;
    const float *row = d->in + pixel * step + channel;
    const float *weight_row = d->weights + channel;
    vec sum[MOST_SUMS];
#pragma GCC unroll 8
    for (int p = 0; p < known.pixels; p++) {
#pragma GCC unroll 8
        for (int v = 0; v < known.vectors; v++)
            sum[p * known.vectors + v] = vec_load(d->bias + channel + v * VEC_LANES);
    }
#pragma GCC unroll 3
    for (int64_t i = 0; i < known.taps_h; i++) {
        const float *tap = row, *weights = weight_row;
#pragma GCC unroll 3
        for (int64_t j = 0; j < known.taps_w; j++) {
#pragma GCC unroll 8
            for (int v = 0; v < known.vectors; v++) {
                const vec w = vec_load(weights + v * VEC_LANES);
#pragma GCC unroll 8
                for (int p = 0; p < known.pixels; p++) {
                    const float *at = tap + p * step + v * VEC_LANES;
                    sum[p * known.vectors + v] +=
                        (known.whole ? vec_load(at) : vec_load_n(at, lanes)) * w;
                }
            }
            tap += d->tap_step;
            weights += d->weight_step;
        }
        row += d->row_step;
        weight_row += d->weight_row_step;
    }
    float *out = d->out + pixel * d->out_stride + channel;
#pragma GCC unroll 8
    for (int p = 0; p < known.pixels; p++, out += d->out_stride) {
#pragma GCC unroll 8
        for (int v = 0; v < known.vectors; v++) {
            const vec y = activate(sum[p * known.vectors + v], known.act);
            if (known.whole)
                vec_store(out + v * VEC_LANES, y);
            else
                vec_store_n(out + v * VEC_LANES, y, lanes);
        }
    }
}

SIMD_INLINE void all_channels(const depthwise_args *d, int64_t pixel, shape_known known)
{
    const int64_t step = known.vectors * VEC_LANES;
    int64_t c = 0;
    for (; c + step <= d->channels; c += step)
        block(d, pixel, c, known);
    known.vectors = 1;
    for (; c + VEC_LANES <= d->channels; c += VEC_LANES)
        block(d, pixel, c, known);
    known.whole = false;
    if (c < d->channels)
        block(d, pixel, c, known);
}

SIMD_INLINE void run_known(const depthwise_args *d, shape_known known)
{
    int64_t pixel = 0;
    known.pixels = MOST_SUMS / 2;
    known.vectors = 2; /* whole cache lines of AVX2 */
    for (; pixel + known.pixels <= d->n_pixels; pixel += known.pixels)
        all_channels(d, pixel, known);
    known.pixels = 1;
    known.vectors = 4;
    for (; pixel < d->n_pixels; pixel++)
        all_channels(d, pixel, known);
}

SIMD_INLINE void run_act(const depthwise_args *d, const unary_kind act)
{
    shape_known known = {.whole = true, .taps_h = 3, .taps_w = 3, .act = d->act};
    known.act.kind = act;
    if (d->taps_h == 3 && d->taps_w == 3) { /* nearly always, and then worth its own loops */
        run_known(d, known);
        return;
    }
    known.taps_h = d->taps_h;
    known.taps_w = d->taps_w;
    run_known(d, known);
}

static void run_identity(const depthwise_args *d)
{
    run_act(d, UNARY_IDENTITY);
}

static void run_relu(const depthwise_args *d)
{
    run_act(d, UNARY_RELU);
}

static void run_clamp(const depthwise_args *d)
{
    run_act(d, UNARY_CLAMP);
}

static void run_silu(const depthwise_args *d)
{
    run_act(d, UNARY_SILU);
}

static void run(const depthwise_args *d)
{
    if (d->act.kind == UNARY_SILU)
        run_silu(d);
    else if (d->act.kind == UNARY_CLAMP)
        run_clamp(d);
    else if (d->act.kind == UNARY_RELU)
        run_relu(d);
    else
        run_identity(d);
}

const depthwise_table SIMD_NAME(depthwise_table) = {.lanes = VEC_LANES, .run = run};
