#include "models/antialias.h"

#include "base/cpu_features.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t max_taps(int32_t n_in, int32_t n_out)
{
    const double scale = (double)n_in / (double)n_out;
    return 2 * (int32_t)ceil(scale < 1 ? 1 : scale) + 1;
}

/* The bounds and weights of PyTorch's _upsample_bilinear2d_aa, which are PIL's. */
static void set_taps(antialias_axis *axis, int32_t i)
{
    const double step = (double)axis->n_in / (double)axis->n_out, support = step < 1 ? 1 : step;
    const double center = step * ((double)i + 0.5);
    int32_t first = (int32_t)(center - support + 0.5), end = (int32_t)(center + support + 0.5);
    first = first < 0 ? 0 : first;
    end = end > axis->n_in ? axis->n_in : end;
    float *weights = axis->weights + (ptrdiff_t)i * axis->max_taps;
    double sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t k = 0; k < end - first; k++) {
            const double w = 1 - fabs(((double)(first + k) - center + 0.5) / support);
            if (pass == 0)
                sum += w > 0 ? w : 0;
            else
                weights[k] = (float)((w > 0 ? w : 0) / sum);
        }
    }
    axis->first[i] = first;
    axis->count[i] = end - first;
}

roto_status antialias_axis_init(antialias_axis *axis, int32_t n_in, int32_t n_out)
{
    *axis = (antialias_axis){.n_in = n_in,
                             .n_out = n_out,
                             .max_taps = max_taps(n_in, n_out),
                             .avx2 = cpu_features_detect().avx2};
    axis->first = memory_new_array((size_t)n_out, sizeof(*axis->first));
    axis->count = memory_new_array((size_t)n_out, sizeof(*axis->count));
    axis->weights = memory_new_array((size_t)n_out * (size_t)axis->max_taps, sizeof(float));
    if (!axis->first || !axis->count || !axis->weights) {
        antialias_axis_free(axis);
        return ROTO_ERROR_MEMORY;
    }
    for (int32_t i = 0; i < n_out; i++)
        set_taps(axis, i);
    return ROTO_OK;
}

void antialias_axis_free(antialias_axis *axis)
{
    free(axis->first);
    free(axis->count);
    free(axis->weights);
    *axis = (antialias_axis){0};
}

/* Rows first: they lie one after the other, so that the sum over rows vectorises, and it is where
 * most of the work is. */
static inline __attribute__((always_inline)) void sum_rows(const antialias_axis *y,
                                                           const uint8_t *plane,
                                                           ptrdiff_t stride_bytes, int32_t n,
                                                           int32_t row, float *restrict column)
{
    const float *weights = y->weights + (ptrdiff_t)row * y->max_taps;
    const uint8_t *from = plane + (ptrdiff_t)y->first[row] * stride_bytes;
    for (int32_t i = 0; i < n; i++)
        column[i] = weights[0] * (float)from[i];
    for (int32_t k = 1; k < y->count[row]; k++) {
        const uint8_t *restrict next = from + k * stride_bytes;
        const float w = weights[k];
        for (int32_t i = 0; i < n; i++)
            column[i] += w * (float)next[i];
    }
}

static void sum_rows_generic(const antialias_axis *y, const uint8_t *plane, ptrdiff_t stride_bytes,
                             int32_t n, int32_t row, float *column)
{
    sum_rows(y, plane, stride_bytes, n, row, column);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void sum_rows_avx2(const antialias_axis *y,
                                                              const uint8_t *plane,
                                                              ptrdiff_t stride_bytes, int32_t n,
                                                              int32_t row, float *column)
{
    sum_rows(y, plane, stride_bytes, n, row, column);
}
#endif

/* The number of channels is a constant where it is called, so that the loops over it unroll. */
static inline __attribute__((always_inline)) void
filter_interleaved(const antialias_axis *x, const float *column, int32_t channels, float *out)
{
    for (int32_t i = 0; i < x->n_out; i++, out += channels) {
        const float *weights = x->weights + (ptrdiff_t)i * x->max_taps;
        const float *from = column + (ptrdiff_t)x->first[i] * channels;
        float sum[3] = {0, 0, 0};
        for (int32_t k = 0; k < x->count[i]; k++, from += channels)
            for (int32_t c = 0; c < channels; c++)
                sum[c] += weights[k] * from[c];
        for (int32_t c = 0; c < channels; c++)
            out[c] = sum[c];
    }
}

static void filter_columns(const antialias_axis *x, const float *column, int32_t channels,
                           float *out)
{
    if (channels == 1)
        filter_interleaved(x, column, 1, out);
    else if (channels == 2)
        filter_interleaved(x, column, 2, out);
    else
        filter_interleaved(x, column, 3, out);
}

void antialias_row(const antialias_axis *x, const antialias_axis *y, const uint8_t *plane,
                   ptrdiff_t stride_bytes, int32_t channels, int32_t row, float *column, float *out)
{
    const int32_t n = x->n_in * channels;
#if defined(__x86_64__)
    if (x->avx2)
        sum_rows_avx2(y, plane, stride_bytes, n, row, column);
    else
#endif
        sum_rows_generic(y, plane, stride_bytes, n, row, column);
    filter_columns(x, column, channels, out);
}

void antialias_row_f32(const antialias_axis *x, const antialias_axis *y, const float *plane,
                       int32_t row, float *column, float *out)
{
    const float *weights = y->weights + (ptrdiff_t)row * y->max_taps;
    memset(column, 0, (size_t)x->n_in * sizeof(float));
    for (int32_t k = 0; k < y->count[row]; k++) {
        const float *from = plane + (ptrdiff_t)(y->first[row] + k) * x->n_in;
        for (int32_t i = 0; i < x->n_in; i++)
            column[i] += weights[k] * from[i];
    }
    filter_columns(x, column, 1, out);
}
