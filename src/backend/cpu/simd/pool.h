/* backend/cpu/simd/pool.h - element by element over several rows. */
#ifndef BACKEND_CPU_SIMD_POOL_H
#define BACKEND_CPU_SIMD_POOL_H

#include <stdint.h>

typedef struct pool_table {
    /* out[i] = maximum over rows[0..n_rows)[offset + i], i < n; -infinity without rows. NaN wins.
     */
    void (*max)(const float *const *rows, int64_t n_rows, int64_t offset, int64_t n, float *out);
    /* out[i] = scale times the sum */
    void (*sum)(const float *const *rows, int64_t n_rows, int64_t offset, int64_t n, float scale,
                float *out);
} pool_table;

extern const pool_table pool_table_generic, pool_table_avx2, pool_table_avx512;

#endif
