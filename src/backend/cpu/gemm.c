#include "backend/cpu/gemm.h"

#include "base/memory.h"

#include <string.h>

/* Inputs summed in one go: a panel's share, 384 x 16 floats, stays in a 32 KiB first-level cache
 * with a few rows of inputs, which pass by (Goto and van de Geijn 2008). */
enum { BLOCK_K = 384 };

enum { BLOCK_COLUMNS = 256 };

/* Below this many bytes all panels of a block stay in the first-level cache together. */
enum { SMALL_PANELS_BYTES = 20 * 1024, SMALL_ROWS_BYTES = 8 * 1024 };

/* Of inputs rounded to bfloat16 at a time, a quarter of a second-level cache of 512 KiB; half of
 * one of 2 MiB where there is AMX, whose weights would have to come again for every so many rows.
 */
enum { PAIRS_BYTES = 128 * 1024, AMX_PAIRS_BYTES = 1024 * 1024 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static const gemm_table *table_of(const kernel_site *site, bf16_product bf16)
{
    switch (bf16) {
#if defined(__x86_64__)
    case BF16_AVX512:
        return &gemm_table_avx512_bf16;
    case BF16_AMX:
        return &gemm_table_amx;
#endif
    case BF16_AMX_EMULATED:
        return &gemm_table_amx_emulated;
    default:
        return SIMD_TABLE(site->isa, gemm_table);
    }
}

void gemm_init(gemm *g, const kernel_site *site, bf16_product bf16, int64_t taps, int64_t inputs,
               const epilogue *epi)
{
    *g = (gemm){.simd = table_of(site, bf16),
                .taps = taps,
                .inputs = inputs,
                .sum_taps = taps,
                .sum_inputs = inputs,
                .depth = inputs};
    if (epi)
        g->epi = *epi;
    if (g->simd->to_bf16) {
        g->sum_taps = 1;
        g->sum_inputs = taps * inputs;
        g->depth = divide_up(g->sum_inputs, 2 * g->simd->depth_multiple) * g->simd->depth_multiple;
        g->block_taps = 1;
        g->block_depth = g->depth;
        return;
    }
    if (g->simd->to_pairs)
        g->depth = divide_up(inputs, 2);
    g->block_depth = divide_up(g->depth, divide_up(g->depth, BLOCK_K));
    g->block_taps = g->depth < BLOCK_K ? least(taps, BLOCK_K / g->depth) : 1;
}

int64_t gemm_block_columns(const gemm *g)
{
    return g->simd->to_bf16 ? INT64_MAX : BLOCK_COLUMNS;
}

int64_t gemm_padded(const gemm *g, int64_t columns)
{
    return divide_up(columns, g->simd->lanes) * g->simd->lanes;
}

int64_t gemm_packed_count(const gemm *g, int64_t columns)
{
    return gemm_padded(g, columns) * g->sum_taps * g->depth;
}

/* Columns in the panel that starts at column `first`. */
static int64_t panel_columns(const gemm *g, int64_t first, int64_t columns)
{
    return columns - first > g->simd->lanes ? g->simd->columns : g->simd->lanes;
}

/* Rounded to the nearest bfloat16, ties to even; NaN stays NaN. */
static uint32_t bf16_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    if (x != x)
        return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* Row k of a panel; in bfloat16 pair k, of which the last ones of a tap may be empty. */
static void pack_row(const gemm *g, int64_t k, int64_t used, const float *w, int64_t column_stride,
                     int64_t k_stride, float scale, float *to)
{
    if (!g->simd->to_pairs && !g->simd->to_bf16) {
        for (int64_t c = 0; c < used; c++)
            to[c] = w[c * column_stride + k * k_stride] * scale;
        return;
    }
    const int64_t i = k % g->depth * 2, first = k / g->depth * g->sum_inputs + i;
    for (int64_t c = 0; c < used; c++) {
        const float *from = w + c * column_stride + first * k_stride;
        uint32_t pair = i < g->sum_inputs ? bf16_bits(from[0] * scale) : 0;
        if (i + 1 < g->sum_inputs)
            pair |= bf16_bits(from[k_stride] * scale) << 16;
        memcpy(to + c, &pair, sizeof(pair));
    }
}

void gemm_pack(const gemm *g, int64_t columns, const float *w, int64_t column_stride,
               int64_t k_stride, float scale, float *panels)
{
    for (int64_t first = 0; first < columns; first += g->simd->columns) {
        const int64_t width = panel_columns(g, first, columns);
        const int64_t used = least(width, columns - first);
        for (int64_t k = 0; k < g->sum_taps * g->depth; k++, panels += width) {
            pack_row(g, k, used, w + first * column_stride, column_stride, k_stride, scale, panels);
            memset(panels + used, 0, (size_t)(width - used) * sizeof(float));
        }
    }
}

roto_status gemm_pack_constant(const kernel_site *site, const gemm *g, const float *w,
                               const float *bias, int64_t columns, int64_t groups,
                               const float **panels, const float **padded_bias)
{
    const int64_t n_k = g->taps * g->inputs, count = gemm_packed_count(g, columns);
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
    return g->block_taps == g->sum_taps && g->block_depth == g->depth;
}

/* Rows whose pairs are made at a time: as many as stay in the second-level cache. */
static int64_t pair_rows(const gemm *g)
{
    const int64_t row_bytes = g->sum_taps * g->depth * (int64_t)sizeof(float);
    const int64_t bytes = g->simd->to_bf16 ? AMX_PAIRS_BYTES : PAIRS_BYTES;
    const int64_t tiles = bytes / row_bytes / g->simd->rows;
    return least((tiles > 1 ? tiles : 1) * g->simd->rows, GEMM_BLOCK_ROWS);
}

/* Pairs from one rounded row to the next: 16 rows that are read together must not all fall into the
 * same set of a cache's lines, as they would a multiple of 2 KiB apart. */
static int64_t rounded_stride(const gemm *g)
{
    const int64_t set_pairs = 512;
    return g->depth % set_pairs == 0 ? g->depth + g->simd->depth_multiple : g->depth;
}

static size_t align(size_t bytes)
{
    return (bytes + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
}

static size_t sums_bytes(const gemm *g, int64_t rows, int64_t columns)
{
    return one_pass(g) ? 0 : align((size_t)(rows * gemm_padded(g, columns)) * sizeof(float));
}

size_t gemm_scratch_bytes(const gemm *g, int64_t rows, int64_t columns)
{
    size_t bytes = sums_bytes(g, rows, columns);
    if (g->simd->to_pairs) {
        const size_t n = (size_t)(g->taps * pair_rows(g));
        bytes += align(n * (size_t)g->depth * sizeof(float)) + n * sizeof(const float *);
    }
    if (g->simd->to_bf16)
        bytes += align((size_t)(pair_rows(g) * rounded_stride(g)) * sizeof(float));
    return bytes;
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

static void run_passes(const gemm *g, const gemm_block *b, void *sums)
{
    gemm_pass pass = {.a_stride = b->a_stride,
                      .rows = b->rows,
                      .columns = b->columns,
                      .panels = b->panels,
                      .panel_k = g->sum_taps * g->depth,
                      .bias = b->bias,
                      .sums = sums,
                      .epi = g->epi,
                      .out = b->out,
                      .out_stride = b->out_stride,
                      .residual = b->residual,
                      .residual_stride = b->residual_stride};
    for (int64_t t = 0; t < g->sum_taps; t += g->block_taps) {
        for (int64_t k = 0; k < g->depth; k += g->block_depth) {
            pass.a = b->a + t * b->a_stride;
            pass.a_offset = b->a_offset + k;
            pass.taps = least(g->block_taps, g->sum_taps - t);
            pass.depth = least(g->block_depth, g->depth - k);
            pass.first_k = t * g->depth + k;
            pass.first = t == 0 && k == 0;
            pass.last = t + g->block_taps >= g->sum_taps && k + g->block_depth >= g->depth;
            pass.rows_at_once = rows_at_once(g, &pass);
            g->simd->pass(&pass);
        }
    }
}

/* Rounds the inputs of a few rows at a time. */
static void run_pairs(const gemm *g, const gemm_block *b, char *scratch)
{
    const int64_t most = pair_rows(g);
    char *memory = scratch + sums_bytes(g, b->rows, b->columns);
    float *pairs = (float *)(void *)memory;
    const float **a = (const float **)(void *)(memory + align((size_t)(g->taps * most * g->depth) *
                                                              sizeof(float)));
    for (int64_t row = 0; row < b->rows; row += most) {
        gemm_block part = *b;
        part.a = a;
        part.a_stride = most;
        part.a_offset = 0;
        part.rows = least(most, b->rows - row);
        part.out += row * b->out_stride;
        if (b->residual)
            part.residual += row * b->residual_stride;
        float *to = pairs;
        for (int64_t t = 0; t < g->taps; t++) {
            for (int64_t r = 0; r < part.rows; r++, to += g->depth) {
                g->simd->to_pairs(b->a[t * b->a_stride + row + r] + b->a_offset, g->inputs, to);
                a[t * most + r] = to;
            }
        }
        run_passes(g, &part, scratch);
    }
}

/* Rounds all that a few rows are multiplied with, all taps side by side. */
static void run_rounded(const gemm *g, const gemm_block *b, void *scratch)
{
    const int64_t most = pair_rows(g), stride = rounded_stride(g);
    const float *rounded = scratch;
    for (int64_t row = 0; row < b->rows; row += most) {
        gemm_block part = *b;
        part.a = &rounded;
        part.a_stride = stride;
        part.a_offset = 0;
        part.rows = least(most, b->rows - row);
        part.out += row * b->out_stride;
        if (b->residual)
            part.residual += row * b->residual_stride;
        for (int64_t r = 0; r < part.rows; r++) {
            uint16_t *to = (uint16_t *)scratch + 2 * r * stride;
            for (int64_t t = 0; t < g->taps; t++)
                g->simd->to_bf16(b->a[t * b->a_stride + row + r] + b->a_offset, g->inputs,
                                 to + t * g->inputs);
            memset(to + g->sum_inputs, 0, (size_t)(2 * g->depth - g->sum_inputs) * sizeof(*to));
        }
        run_passes(g, &part, NULL);
    }
}

void gemm_block_run(const gemm *g, const gemm_block *b, void *scratch)
{
    if (g->simd->to_bf16)
        run_rounded(g, b, scratch);
    else if (g->simd->to_pairs)
        run_pairs(g, b, scratch);
    else
        run_passes(g, b, scratch);
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
    const double tile_ns = vectors * ((double)(g->sum_taps * g->depth) / 6 + 3);
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
