/* Products of two matrices, of which the second one is packed by whoever needs it: at compile time
 * if it is constant, else by each task into its scratch memory. */
#include "backend/cpu/gemm.h"

#include "base/error.h"
#include "base/memory.h"

typedef struct matmul {
    gemm g;
    gemm_grid grid; /* of one matrix of the batch */
    operand a, b, out;
    float scale;
    int64_t column_stride, k_stride; /* of b */
    int64_t batch;
    const float *zeros;  /* the bias */
    const float *packed; /* b, if it is one constant matrix; else NULL */
    int64_t columns_at_once;
} matmul;

/* Which of an operand's matrices meets the output's matrix `index` after broadcasting. */
static int64_t matrix_of(const operand *o, const tensor_shape *out, int64_t index)
{
    int64_t matrix = 0, step = 1;
    for (int i = out->rank - 3; i >= 0; i--) {
        const int own = i - (out->rank - o->shape.rank);
        if (own < 0)
            break;
        if (o->shape.dim[own] != 1)
            matrix += index % out->dim[i] * step;
        step *= o->shape.dim[own];
        index /= out->dim[i];
    }
    return matrix;
}

static int64_t rows_of(const operand *o)
{
    return o->shape.dim[o->shape.rank - 2];
}

static void run_rows(const matmul *m, const int64_t rows[2], int64_t column, int64_t n_columns,
                     const float *a, const float *panels, float *out, void *scratch)
{
    const float *pointers[GEMM_BLOCK_ROWS];
    for (int64_t row = rows[0]; row < rows[1]; row += GEMM_BLOCK_ROWS) {
        const int64_t n_rows = rows[1] - row < GEMM_BLOCK_ROWS ? rows[1] - row : GEMM_BLOCK_ROWS;
        for (int64_t r = 0; r < n_rows; r++)
            pointers[r] = a + (row + r) * m->a.row_stride;
        const gemm_block block = {.a = pointers,
                                  .a_stride = n_rows,
                                  .rows = n_rows,
                                  .columns = n_columns,
                                  .panels = panels,
                                  .bias = m->zeros,
                                  .out = out + row * m->out.row_stride + column,
                                  .out_stride = m->out.row_stride};
        gemm_block_run(&m->g, &block, scratch);
    }
}

static void run(const void *state, int task, void *scratch)
{
    const matmul *m = state;
    const int n_parts = m->grid.row_parts * m->grid.column_parts;
    const int64_t matrix = task / n_parts;
    int64_t rows[2], columns[2];
    gemm_grid_part(&m->grid, task % n_parts, rows, columns);
    const int64_t a_matrix = matrix_of(&m->a, &m->out.shape, matrix);
    const int64_t b_matrix = matrix_of(&m->b, &m->out.shape, matrix);
    const float *a = m->a.data + a_matrix * rows_of(&m->a) * m->a.row_stride;
    const float *b = m->b.data + b_matrix * rows_of(&m->b) * m->b.row_stride;
    float *out = m->out.data + matrix * rows_of(&m->out) * m->out.row_stride;
    float *panels = (float *)scratch; /* then the product's own scratch memory */
    float *rest = panels + (m->packed ? 0 : gemm_packed_count(&m->g, m->columns_at_once));
    for (int64_t c = columns[0]; c < columns[1]; c += m->columns_at_once) {
        const int64_t n = columns[1] - c < m->columns_at_once ? columns[1] - c : m->columns_at_once;
        if (!m->packed)
            gemm_pack(&m->g, n, b + c * m->column_stride, m->column_stride, m->k_stride, m->scale,
                      panels);
        run_rows(m, rows, c, n, a, m->packed ? m->packed + gemm_packed_count(&m->g, c) : panels,
                 out, rest);
    }
}

/* Packed columns that fit half of a second-level cache of 512 KiB, but whole panels. */
static int64_t columns_that_fit(const gemm *g, int64_t k)
{
    const int64_t half_cache_floats = 64 * 1024;
    const int64_t panels = half_cache_floats / k / g->simd->columns;
    const int64_t columns = (panels > 1 ? panels : 1) * g->simd->columns;
    return columns < gemm_block_columns(g) ? columns : gemm_block_columns(g);
}

roto_status matmul_prepare(const kernel_site *site, kernel *out)
{
    matmul *m = kernel_alloc(site, 1, sizeof(*m));
    if (!m)
        return ROTO_ERROR_MEMORY;
    const matmul_attr *attr = &site->node->attr.matmul;
    *m = (matmul){.a = site->in[0], .b = site->in[1], .out = site->out, .scale = attr->scale};
    const int64_t n_rows = rows_of(&m->out), n_columns = shape_last(&m->out.shape);
    const int64_t k = shape_last(&m->a.shape);
    m->batch = shape_count(&m->out.shape) / (n_rows * n_columns);
    m->column_stride = attr->transpose_b ? m->b.row_stride : 1;
    m->k_stride = attr->transpose_b ? 1 : m->b.row_stride;
    /* fp32 always: both operands would have to be rounded in every run, for products that are few.
     */
    gemm_init(&m->g, site, BF16_NONE, 1, k, NULL);
    m->columns_at_once = columns_that_fit(&m->g, k);
    m->zeros = kernel_alloc(site, (size_t)gemm_padded(&m->g, n_columns), sizeof(float));
    if (!m->zeros)
        return ROTO_ERROR_MEMORY;
    const bool one_matrix = shape_count(&m->b.shape) == k * n_columns;
    if (m->b.constant && one_matrix) {
        float *packed =
            kernel_alloc(site, (size_t)gemm_packed_count(&m->g, n_columns), sizeof(float));
        if (!packed)
            return ROTO_ERROR_MEMORY;
        gemm_pack(&m->g, n_columns, m->b.data, m->column_stride, m->k_stride, m->scale, packed);
        m->packed = packed;
        m->columns_at_once = gemm_block_columns(&m->g);
    }
    m->grid = gemm_grid_make(site, &m->g, n_rows, n_columns);
    const int64_t enough_tasks = 4 * (int64_t)site->n_threads;
    if (m->batch >= enough_tasks)
        m->grid.row_parts = m->grid.column_parts = 1;
    const int64_t n_tasks = m->batch * m->grid.row_parts * m->grid.column_parts;
    if (n_tasks > INT32_MAX)
        return kernel_refuse(site, "%lld matrices are too many", (long long)m->batch);
    const size_t packed_floats =
        m->packed ? 0 : (size_t)gemm_packed_count(&m->g, m->columns_at_once);
    *out =
        (kernel){.name = KERNEL_NAME(site, "matmul"),
                 .run = run,
                 .state = m,
                 .n_tasks = (int)n_tasks,
                 .scratch_bytes = packed_floats * sizeof(float) +
                                  gemm_scratch_bytes(&m->g, GEMM_BLOCK_ROWS, m->columns_at_once)};
    return ROTO_OK;
}
