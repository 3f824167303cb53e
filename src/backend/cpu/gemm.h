/* backend/cpu/gemm.h - matrix products over packed panels of weights, blocked for the caches.
 *
 * What is multiplied is `rows` rows of taps * depth inputs, found through pointers (see
 * simd/gemm_tile.h), with `columns` output channels. Sums run over taps and depth in order, from
 * the bias on, however the work is cut. */
#ifndef BACKEND_CPU_GEMM_H
#define BACKEND_CPU_GEMM_H

#include "backend/cpu/kernel.h"
#include "backend/cpu/simd/gemm_tile.h"

typedef struct gemm {
    const gemm_table *simd;
    int64_t inputs, taps;            /* inputs of a tap */
    int64_t sum_inputs, sum_taps;    /* the same as they are multiplied: AMX joins all taps */
    int64_t depth;                   /* of a tap: inputs, or pairs of them in bfloat16 */
    int64_t block_taps, block_depth; /* of the sums, so that a panel's share stays in cache */
    epilogue epi;
} gemm;

/* A part of the product that one task does. */
typedef struct gemm_block {
    const float *const *a; /* a[t * a_stride + r] */
    int64_t a_stride, a_offset;
    int64_t rows, columns;
    const float *panels; /* of the first column, which starts a panel */
    const float *bias;   /* gemm_padded(columns) elements */
    float *out;          /* of the first row and column */
    int64_t out_stride;
    const float *residual; /* like out; NULL without */
    int64_t residual_stride;
} gemm_block;

/* epi NULL: none. Unless `bf16` is BF16_NONE, inputs are rounded for each block as they are read,
 * weights while packing, and sums stay fp32. */
void gemm_init(gemm *g, const kernel_site *site, bf16_product bf16, int64_t taps, int64_t inputs,
               const epilogue *epi);

/* Blocks have at most this many columns: what stays in cache, or for AMX all, since rounding the
 * inputs again for others would take as long as the product. */
int64_t gemm_block_columns(const gemm *g);

/* Whole panels: a multiple of the vector length. */
int64_t gemm_padded(const gemm *g, int64_t columns);

/* Floats of packed weights for `columns` columns. The panels from column c on, c a multiple of
 * simd->columns, start at element gemm_packed_count(g, c). */
int64_t gemm_packed_count(const gemm *g, int64_t columns);

/* Weight [column][k] is at w[column * column_stride + k * k_stride]. */
void gemm_pack(const gemm *g, int64_t columns, const float *w, int64_t column_stride,
               int64_t k_stride, float scale, float *panels);

/* Packs a layer's weights [groups * columns][taps * inputs], group after group, each
 * gemm_packed_count(columns) long, and its bias (NULL: zeros), each gemm_padded(columns) long. */
roto_status gemm_pack_constant(const kernel_site *site, const gemm *g, const float *w,
                               const float *bias, int64_t columns, int64_t groups,
                               const float **panels, const float **padded_bias);

/* Of the scratch memory that a block of so many rows and columns takes. */
size_t gemm_scratch_bytes(const gemm *g, int64_t rows, int64_t columns);

void gemm_block_run(const gemm *g, const gemm_block *b, void *scratch);

/* How a product of rows x columns is cut: task t does the row range and the column range below. */
typedef struct gemm_grid {
    int64_t rows, columns;
    int64_t tile_rows, panel_columns;
    int row_parts, column_parts;
} gemm_grid;

gemm_grid gemm_grid_make(const kernel_site *site, const gemm *g, int64_t rows, int64_t columns);
void gemm_grid_part(const gemm_grid *grid, int task, int64_t row_range[2], int64_t column_range[2]);

#endif
