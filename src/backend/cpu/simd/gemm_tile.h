/* backend/cpu/simd/gemm_tile.h - the inner loops of matrix products and convolutions. */
#ifndef BACKEND_CPU_SIMD_GEMM_TILE_H
#define BACKEND_CPU_SIMD_GEMM_TILE_H

#include "graph/graph.h"

/* A tile is `rows` x `columns` outputs held in registers. Weights come in panels of `columns`
 * output channels, [k][columns], the last one of `lanes` if that is enough for what is left.
 *
 * Inputs come through pointers: a[t * stride + r] is where row r of the tile reads its `depth`
 * elements of tap t (of a convolution's kernel; other products have one tap). So a convolution
 * copies nothing, and padding is a pointer to zeros. */
typedef struct gemm_tile_args {
    const float *const *a;
    int64_t a_stride; /* pointers from a tap to the next */
    int64_t a_offset; /* elements, added to every pointer */
    int64_t taps, depth;
    const float *panel;
    const float *start; /* what the sums start from: the bias (start_stride 0) or earlier sums */
    int64_t start_stride;
    float *out;
    int64_t out_stride;
} gemm_tile_args;

/* out[r][c] = start[r][c] + sum over t, k of a[t][r][k] * panel[t * depth + k][c] */
typedef void gemm_tile_fn(const gemm_tile_args *args);

enum { GEMM_MAX_ROWS = 12, GEMM_MAX_COLUMNS = 32 };

typedef struct gemm_table {
    int lanes, columns, rows;
    gemm_tile_fn *const *full; /* [r - 1]: tiles of r rows, `columns` wide */
    gemm_tile_fn *const *slim; /* `lanes` wide */
    /* act(tile + residual) or act(tile) + residual, to `out`, which may be `tile`. Nothing outside
     * the rows x columns elements of out and residual is touched; tile rows are read in whole
     * vectors when tile != out. */
    void (*finish)(const epilogue *epi, int rows, int64_t columns, const float *tile,
                   int64_t tile_stride, const float *residual, int64_t residual_stride, float *out,
                   int64_t out_stride);
} gemm_table;

extern const gemm_table gemm_table_generic, gemm_table_avx2, gemm_table_avx512;

#endif
