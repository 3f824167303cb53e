#include "models/antialias.h"

#include "base/cpu_features.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Weights are read in vectors of so many. */
enum { LANES = 8 };

static int32_t max_taps(int32_t n_in, int32_t n_out)
{
    const double scale = (double)n_in / (double)n_out;
    const int32_t taps = 2 * (int32_t)ceil(scale < 1 ? 1 : scale) + 1;
    return (taps + LANES - 1) / LANES * LANES;
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

/* Output samples from `i` on. The number of channels is a constant where it is called, so that the
 * loops over it unroll. */
static inline __attribute__((always_inline)) void filter_interleaved(const antialias_axis *x,
                                                                     const float *column, int32_t i,
                                                                     int32_t channels, float *out)
{
    for (; i < x->n_out; i++) {
        const float *weights = x->weights + (ptrdiff_t)i * x->max_taps;
        const float *from = column + (ptrdiff_t)x->first[i] * channels;
        float sum[3] = {0, 0, 0};
        for (int32_t k = 0; k < x->count[i]; k++, from += channels)
            for (int32_t c = 0; c < channels; c++)
                sum[c] += weights[k] * from[c];
        for (int32_t c = 0; c < channels; c++)
            out[i * channels + c] = sum[c];
    }
}

#if defined(__x86_64__)
/* Sums of the lanes of eight vectors, in order. */
static inline __attribute__((always_inline, target("avx2,fma"))) __m256 sums_of(const __m256 v[8])
{
    const __m256 ab = _mm256_hadd_ps(v[0], v[1]), cd = _mm256_hadd_ps(v[2], v[3]);
    const __m256 ef = _mm256_hadd_ps(v[4], v[5]), gh = _mm256_hadd_ps(v[6], v[7]);
    const __m256 abcd = _mm256_hadd_ps(ab, cd), efgh = _mm256_hadd_ps(ef, gh);
    return _mm256_add_ps(_mm256_permute2f128_ps(abcd, efgh, 0x20),
                         _mm256_permute2f128_ps(abcd, efgh, 0x31));
}

/* Of one channel, eight output samples at a time as far as their vectors of taps lie inside the
 * row. Returns how many are done. */
__attribute__((target("avx2,fma"))) static int32_t filter_eight(const antialias_axis *x,
                                                                const float *column, float *out)
{
    int32_t i = 0;
    /* `first` never falls */
    for (; i + 8 <= x->n_out && x->first[i + 7] + x->max_taps <= x->n_in; i += 8) {
        __m256 sum[8];
        for (int j = 0; j < 8; j++) {
            const float *weights = x->weights + (ptrdiff_t)(i + j) * x->max_taps;
            const float *from = column + x->first[i + j];
            sum[j] = _mm256_mul_ps(_mm256_loadu_ps(weights), _mm256_loadu_ps(from));
            for (int32_t k = LANES; k < x->max_taps; k += LANES)
                sum[j] = _mm256_fmadd_ps(_mm256_loadu_ps(weights + k), _mm256_loadu_ps(from + k),
                                         sum[j]);
        }
        _mm256_storeu_ps(out + i, sums_of(sum));
    }
    return i;
}
#endif

static void filter_columns(const antialias_axis *x, const float *column, int32_t channels,
                           float *out)
{
    int32_t n_done = 0;
#if defined(__x86_64__)
    if (channels == 1 && x->avx2)
        n_done = filter_eight(x, column, out);
#endif
    if (channels == 1)
        filter_interleaved(x, column, n_done, 1, out);
    else if (channels == 2)
        filter_interleaved(x, column, 0, 2, out);
    else
        filter_interleaved(x, column, 0, 3, out);
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
