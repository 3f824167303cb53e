/* backend/cpu/simd/resize.h - weighted sums of rows, and of pixels of a row. */
#ifndef BACKEND_CPU_SIMD_RESIZE_H
#define BACKEND_CPU_SIMD_RESIZE_H

#include <stdint.h>

typedef struct resize_table {
    /* out[i] = sum of weights[r] * rows[r][i], i < n */
    void (*rows)(int64_t n_rows, const float *const *rows, const float *weights, int64_t n,
                 float *out);
    /* Pixel x of n_out, `channels` long and out_stride apart, is the sum over taps t of
     * weights[x * taps + t] times the pixel of `row` at element offsets[x * taps + t]. */
    void (*pixels)(int64_t n_out, int64_t taps, int64_t channels, const float *row,
                   const int32_t *offsets, const float *weights, float *out, int64_t out_stride);
} resize_table;

extern const resize_table resize_table_generic, resize_table_avx2, resize_table_avx512;

#endif
