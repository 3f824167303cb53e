/* Products of bfloat16 values by AMX. */
#include "backend/cpu/simd/gemm_tile.h"

#include "backend/cpu/simd/tiles.h"

enum {
    BLOCK = 2 * TILE_SIDE,
    /* Pairs summed in one go, so that a panel's share, 32 KiB, stays in a first-level cache of 48
     * while rows pass by from the second level: both from there would be all that it delivers. */
    BLOCK_PAIRS = 256
};

/* One panel of columns: where it starts, how wide it is, and its sums [rows][width]. */
typedef struct panel {
    int64_t column, width;
    float *sums;
} panel;

/* Adds the pairs k to k + depth to the sums of the rows row to row + BLOCK. */
SIMD_INLINE void add_block(const gemm_pass *p, const panel *to, int64_t row, int64_t k,
                           int64_t depth, const bool wide)
{
    const int64_t width = wide ? BLOCK : TILE_SIDE;
    float *sums = to->sums + row * width;
    /* The bias is the same row over and over. */
    const float *start = k == 0 ? p->bias + to->column : sums;
    const int64_t stride = k == 0 ? 0 : width;
    TILE_LOAD(0, start, stride * 4);
    TILE_LOAD(2, start + TILE_SIDE * stride, stride * 4);
    if (wide) {
        TILE_LOAD(1, start + TILE_SIDE, stride * 4);
        TILE_LOAD(3, start + TILE_SIDE * stride + TILE_SIDE, stride * 4);
    }
    tiles_multiply(p->a[0] + row * p->a_stride + k, p->a_stride,
                   p->panels + to->column * p->panel_k + k * width, width, depth, wide);
    TILE_STORE(0, sums, width * 4);
    TILE_STORE(2, sums + TILE_SIDE * width, width * 4);
    if (wide) {
        TILE_STORE(1, sums + TILE_SIDE, width * 4);
        TILE_STORE(3, sums + TILE_SIDE * width + TILE_SIDE, width * 4);
    }
}

SIMD_INLINE void add_panel(const gemm_pass *p, const panel *to, const bool wide)
{
    for (int64_t k = 0; k < p->depth; k += BLOCK_PAIRS) {
        const int64_t depth = p->depth - k < BLOCK_PAIRS ? p->depth - k : BLOCK_PAIRS;
        for (int64_t row = 0; row < p->rows; row += BLOCK)
            add_block(p, to, row, k, depth, wide);
    }
}

/* Rows and columns beyond the last are computed and dropped. */
static void pass(const gemm_pass *p)
{
    float sums[GEMM_BLOCK_ROWS * BLOCK] __attribute__((aligned(64)));
    tiles_begin();
    for (int64_t column = 0; column < p->columns; column += BLOCK) {
        const int64_t left = p->columns - column;
        const panel to = {column, left > TILE_SIDE ? BLOCK : TILE_SIDE, sums};
        if (left > TILE_SIDE)
            add_panel(p, &to, true);
        else
            add_panel(p, &to, false);
        const float *residual = p->epi.residual == RESIDUAL_NONE ? NULL : p->residual + column;
        SIMD_TILES_BASE(gemm_table)
            .finish(&p->epi, (int)p->rows, left < to.width ? left : to.width, sums, to.width,
                    residual, p->residual_stride, p->out + column, p->out_stride);
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
