/* backend/cpu/simd/gemm_tile.h - the inner loops of matrix products and convolutions. */
#ifndef BACKEND_CPU_SIMD_GEMM_TILE_H
#define BACKEND_CPU_SIMD_GEMM_TILE_H

#include "graph/graph.h"

/* In the table for bfloat16, whatever is called an input or a weight is a pair of bfloat16 values
 * in the memory of a float: two neighbours of the sum, multiplied and added with one instruction,
 * and depths count pairs.
 *
 * One pass over a block of outputs: `rows` rows of `columns` channels, summed over `depth` inputs
 * of each of `taps` taps (of a convolution's kernel; other products have one tap).
 *
 * Inputs come through pointers: a[t * a_stride + r] + a_offset is where row r reads its inputs of
 * tap t. So a convolution copies nothing, and padding is a pointer to zeros.
 *
 * Weights come in panels of table.columns output channels, [k][columns] over all k of the product,
 * the last one of table.lanes if that is enough for what is left. This pass starts at input
 * `first_k` of `panel_k`. */
typedef struct gemm_pass {
    const float *const *a;
    int64_t a_stride, a_offset;
    int64_t taps, depth;
    int64_t rows, columns;
    const float *panels;
    int64_t panel_k, first_k;
    const float *bias;    /* whole panels */
    float *sums;          /* rows x columns in whole panels, between the passes of a block */
    bool first, last;     /* of the block's passes: begins with the bias, ends with the epilogue */
    int64_t rows_at_once; /* that pass by all panels before the next; whole tiles */
    epilogue epi;
    float *out;
    int64_t out_stride;
    const float *residual;
    int64_t residual_stride;
} gemm_pass;

/* Blocks have at most this many rows. */
enum { GEMM_BLOCK_ROWS = 192 };

enum { GEMM_MAX_ROWS = 12, GEMM_MAX_COLUMNS = 32 };

typedef struct gemm_table {
    int lanes, columns, rows; /* of a panel's vectors, a panel, a tile of sums in registers */
    /* n inputs to (n + 1) / 2 pairs, the last one with 0; NULL where inputs are floats. */
    void (*to_pairs)(const float *from, int64_t n, float *to);
    /* Of AMX, NULL for others: inputs and weights are bfloat16 values, depth_multiple pairs of
     * which go through a tile at once. `pass` then finds row r at a[0] + r * a_stride, with zeros
     * up to such a multiple and memory for whole tiles of rows, and has one tap and all of the sum.
     */
    int64_t depth_multiple;
    void (*to_bf16)(const float *from, int64_t n, uint16_t *to);
    void (*pass)(const gemm_pass *pass);
    /* act(tile + residual) or act(tile) + residual, to `out`, which may be `tile`. Nothing outside
     * the rows x columns elements is touched. */
    void (*finish)(const epilogue *epi, int rows, int64_t columns, const float *tile,
                   int64_t tile_stride, const float *residual, int64_t residual_stride, float *out,
                   int64_t out_stride);
} gemm_table;

extern const gemm_table gemm_table_generic, gemm_table_avx2, gemm_table_avx512,
    gemm_table_avx512_bf16, gemm_table_amx, gemm_table_amx_emulated;

#endif
