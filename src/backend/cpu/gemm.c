#include "backend/cpu/gemm.h"

#include <string.h>

/* Inputs summed in one go: a panel's share, 384 x 16 floats, stays in a 32 KiB first-level cache
 * with a few rows of inputs, which pass by (Goto and van de Geijn 2008). */
enum { BLOCK_K = 384 };

/* Below this many bytes all panels of a block stay in the first-level cache together. */
enum { SMALL_PANELS_BYTES = 20 * 1024, SMALL_ROWS_BYTES = 8 * 1024 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void gemm_init(gemm *g, isa_level isa, int64_t taps, int64_t depth, const epilogue *epi)
{
    *g = (gemm){.simd = SIMD_TABLE(isa, gemm_table), .taps = taps, .depth = depth};
    if (epi)
        g->epi = *epi;
    g->block_depth = divide_up(depth, divide_up(depth, BLOCK_K));
    g->block_taps = depth < BLOCK_K ? least(taps, BLOCK_K / depth) : 1;
}

int64_t gemm_padded(const gemm *g, int64_t columns)
{
    return divide_up(columns, g->simd->lanes) * g->simd->lanes;
}

int64_t gemm_packed_count(const gemm *g, int64_t columns)
{
    return gemm_padded(g, columns) * g->taps * g->depth;
}

/* Columns in the panel that starts at column `first`. */
static int64_t panel_columns(const gemm *g, int64_t first, int64_t columns)
{
    return columns - first > g->simd->lanes ? g->simd->columns : g->simd->lanes;
}

void gemm_pack(const gemm *g, int64_t columns, const float *w, int64_t column_stride,
               int64_t k_stride, float scale, float *panels)
{
    const int64_t n_k = g->taps * g->depth;
    for (int64_t first = 0; first < columns; first += g->simd->columns) {
        const int64_t width = panel_columns(g, first, columns);
        const int64_t used = least(width, columns - first);
        const float *from = w + first * column_stride;
        for (int64_t k = 0; k < n_k; k++, panels += width) {
            for (int64_t c = 0; c < used; c++)
                panels[c] = from[c * column_stride + k * k_stride] * scale;
            for (int64_t c = used; c < width; c++)
                panels[c] = 0;
        }
    }
}

roto_status gemm_pack_constant(const kernel_site *site, const gemm *g, const float *w,
                               const float *bias, int64_t columns, int64_t groups,
                               const float **panels, const float **padded_bias)
{
    const int64_t n_k = g->taps * g->depth, count = gemm_packed_count(g, columns);
    float *packed = kernel_alloc(site, (size_t)(groups * count), sizeof(float));
    float *padded = kernel_alloc(site, (size_t)(groups * gemm_padded(g, columns)), sizeof(float));
    if (!packed || !padded)
        return ROTO_ERROR_MEMORY;
    for (int64_t i = 0; i < groups; i++) {
        gemm_pack(g, columns, w + i * columns * n_k, n_k, 1, 1, packed + i * count);
        for (int64_t c = 0; bias && c < columns; c++)
            padded[i * gemm_padded(g, columns) + c] = bias[i * columns + c];
    }
    *panels = packed;
    *padded_bias = padded;
    return ROTO_OK;
}

static bool one_pass(const gemm *g)
{
    return g->block_taps == g->taps && g->block_depth == g->depth;
}

size_t gemm_scratch_bytes(const gemm *g, int64_t rows, int64_t columns)
{
    int64_t sums = one_pass(g) ? 0 : rows * gemm_padded(g, columns);
    return (size_t)sums * sizeof(float);
}

/* Where all panels stay in the first-level cache, so do the inputs of a few rows. Otherwise a panel
 * stays there while the inputs of all rows pass by from the second level. */
static int64_t rows_at_once(const gemm *g, const gemm_pass *p)
{
    const int64_t row_bytes = p->taps * p->depth * (int64_t)sizeof(float);
    if (gemm_padded(g, p->columns) * row_bytes > SMALL_PANELS_BYTES)
        return p->rows;
    const int64_t tiles = SMALL_ROWS_BYTES / row_bytes / g->simd->rows;
    return (tiles > 1 ? tiles : 1) * g->simd->rows;
}

void gemm_block_run(const gemm *g, const gemm_block *b, void *scratch)
{
    gemm_pass pass = {.a_stride = b->a_stride,
                      .rows = b->rows,
                      .columns = b->columns,
                      .panels = b->panels,
                      .panel_k = g->taps * g->depth,
                      .bias = b->bias,
                      .sums = scratch,
                      .epi = g->epi,
                      .out = b->out,
                      .out_stride = b->out_stride,
                      .residual = b->residual,
                      .residual_stride = b->residual_stride};
    for (int64_t t = 0; t < g->taps; t += g->block_taps) {
        for (int64_t k = 0; k < g->depth; k += g->block_depth) {
            pass.a = b->a + t * b->a_stride;
            pass.a_offset = b->a_offset + k;
            pass.taps = least(g->block_taps, g->taps - t);
            pass.depth = least(g->block_depth, g->depth - k);
            pass.first_k = t * g->depth + k;
            pass.first = t == 0 && k == 0;
            pass.last = t + g->block_taps >= g->taps && k + g->block_depth >= g->depth;
            pass.rows_at_once = rows_at_once(g, &pass);
            g->simd->pass(&pass);
        }
    }
}

gemm_grid gemm_grid_make(const kernel_site *site, const gemm *g, int64_t rows, int64_t columns)
{
    gemm_grid grid = {.rows = rows,
                      .columns = columns,
                      .tile_rows = g->simd->rows,
                      .panel_columns = g->simd->columns};
    const int64_t row_tiles = divide_up(rows, grid.tile_rows);
    const int64_t panels = divide_up(columns, grid.panel_columns);
    /* A vector multiply-add takes about a sixth of a nanosecond, an output vector's epilogue 3. */
    const double vectors = (double)(g->simd->rows * 2);
    const double tile_ns = vectors * ((double)(g->taps * g->depth) / 6 + 3);
    const int wanted = kernel_n_tasks(site, row_tiles * panels, tile_ns);
    grid.row_parts = (int)least(wanted, row_tiles);
    grid.column_parts = (int)least(divide_up(wanted, grid.row_parts), panels);
    return grid;
}

void gemm_grid_part(const gemm_grid *grid, int task, int64_t row_range[2], int64_t column_range[2])
{
    const int64_t row_tiles = divide_up(grid->rows, grid->tile_rows);
    const int64_t panels = divide_up(grid->columns, grid->panel_columns);
    const int row_part = task % grid->row_parts, column_part = task / grid->row_parts;
    for (int i = 0; i < 2; i++) {
        int64_t tile = task_first(row_tiles, grid->row_parts, row_part + i);
        int64_t panel = task_first(panels, grid->column_parts, column_part + i);
        row_range[i] = least(tile * grid->tile_rows, grid->rows);
        column_range[i] = least(panel * grid->panel_columns, grid->columns);
    }
}
