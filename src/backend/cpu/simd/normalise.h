/* backend/cpu/simd/normalise.h - layer norm, softmax and reductions of rows and columns. */
#ifndef BACKEND_CPU_SIMD_NORMALISE_H
#define BACKEND_CPU_SIMD_NORMALISE_H

#include "graph/graph.h"

typedef struct normalise_table {
    /* gamma and beta may be NULL */
    void (*layer_norm)(int64_t n, const float *x, const float *gamma, const float *beta,
                       float epsilon, float *out);
    /* n_rows rows of 4, one after the other. */
    void (*layer_norm_4)(int64_t n_rows, const float *x, const float *gamma, const float *beta,
                         float epsilon, float *out);
    void (*softmax)(int64_t n, const float *x, float *out);
    /* Softmax of each of n columns over `depth` elements, x_step and out_step apart. */
    void (*softmax_columns)(int64_t n, int64_t depth, const float *x, int64_t x_step, float *out,
                            int64_t out_step);
    /* Sum, or maximum, of a row; the mean is for the caller to make. */
    float (*reduce)(reduce_kind kind, int64_t n, const float *x);
    /* out[i] = sum or maximum over rows[0..n_rows)[i], i < n, times scale */
    void (*reduce_columns)(reduce_kind kind, int64_t n, const float *const *rows, int64_t n_rows,
                           float scale, float *out);
} normalise_table;

extern const normalise_table normalise_table_generic, normalise_table_avx2, normalise_table_avx512;

#endif
