/* Products of bfloat16 values by AMX. */
#include "backend/cpu/simd/gemm_tile.h"

#include "backend/cpu/simd/tiles.h"

enum { BLOCK = 2 * TILE_SIDE };

/* The rows row to row + BLOCK of the panel at `column`; rows and columns that are none are computed
 * and dropped. */
SIMD_INLINE void block(const gemm_pass *p, int64_t row, int64_t column, const bool wide)
{
    const int64_t width = wide ? BLOCK : TILE_SIDE;
    const float *panel = p->panels + column * p->panel_k;
    const float *bias = p->bias + column;
    TILE_LOAD(0, bias, 0); /* the same row over and over */
    TILE_LOAD(2, bias, 0);
    if (wide) {
        TILE_LOAD(1, bias + TILE_SIDE, 0);
        TILE_LOAD(3, bias + TILE_SIDE, 0);
    }
    tiles_multiply(p->a[0] + row * p->depth, p->depth, panel, width, p->depth, wide);
    float sums[BLOCK * BLOCK] __attribute__((aligned(64)));
    TILE_STORE(0, sums, width * 4);
    TILE_STORE(2, sums + TILE_SIDE * width, width * 4);
    if (wide) {
        TILE_STORE(1, sums + TILE_SIDE, width * 4);
        TILE_STORE(3, sums + TILE_SIDE * width + TILE_SIDE, width * 4);
    }
    const int64_t rows = p->rows - row < BLOCK ? p->rows - row : BLOCK;
    const int64_t columns = p->columns - column < width ? p->columns - column : width;
    const float *residual =
        p->epi.residual == RESIDUAL_NONE ? NULL : p->residual + row * p->residual_stride + column;
    SIMD_TILES_BASE(gemm_table)
        .finish(&p->epi, (int)rows, columns, sums, width, residual, p->residual_stride,
                p->out + row * p->out_stride + column, p->out_stride);
}

/* A panel stays in the first-level cache while all rows pass by. */
static void pass(const gemm_pass *p)
{
    tiles_begin();
    for (int64_t column = 0; column < p->columns; column += BLOCK) {
        for (int64_t row = 0; row < p->rows; row += BLOCK) {
            if (p->columns - column > TILE_SIDE)
                block(p, row, column, true);
            else
                block(p, row, column, false);
        }
    }
    tiles_end();
}

/* n inputs to n bfloat16 values. */
static void to_bf16(const float *from, int64_t n, uint16_t *to)
{
    bf16_store_row(from, n, to);
}

const gemm_table SIMD_NAME(gemm_table) = {
    .lanes = TILE_SIDE,
    .columns = BLOCK,
    .rows = BLOCK,
    .depth_multiple = TILE_SIDE,
    .to_bf16 = to_bf16,
    .pass = pass,
};
