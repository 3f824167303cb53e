/* Linear layers: the rows of x times constant weights. */
#include "backend/cpu/gemm.h"

#include "base/error.h"

typedef struct linear {
    gemm g;
    gemm_grid grid;
    const float *panels, *bias;
    operand x, out, residual;
} linear;

static void run(const void *state, int task, void *scratch)
{
    const linear *l = state;
    int64_t rows[2], columns[2];
    gemm_grid_part(&l->grid, task, rows, columns);
    const int64_t most_columns = gemm_block_columns(&l->g);
    const float *a[GEMM_BLOCK_ROWS];
    for (int64_t row = rows[0]; row < rows[1]; row += GEMM_BLOCK_ROWS) {
        const int64_t n_rows = rows[1] - row < GEMM_BLOCK_ROWS ? rows[1] - row : GEMM_BLOCK_ROWS;
        for (int64_t r = 0; r < n_rows; r++)
            a[r] = l->x.data + (row + r) * l->x.row_stride;
        for (int64_t c = columns[0], n; c < columns[1]; c += n) {
            n = columns[1] - c < most_columns ? columns[1] - c : most_columns;
            const gemm_block block = {
                .a = a,
                .a_stride = n_rows,
                .rows = n_rows,
                .columns = n,
                .panels = l->panels + gemm_packed_count(&l->g, c),
                .bias = l->bias + c,
                .out = l->out.data + row * l->out.row_stride + c,
                .out_stride = l->out.row_stride,
                .residual =
                    l->residual.data ? l->residual.data + row * l->residual.row_stride + c : NULL,
                .residual_stride = l->residual.row_stride,
            };
            gemm_block_run(&l->g, &block, scratch);
        }
    }
}

roto_status linear_prepare(const kernel_site *site, kernel *out)
{
    const operand *w = &site->in[1];
    if (!w->constant || (site->in[2].data && !site->in[2].constant))
        return kernel_refuse(site, "weights and bias have to be constants");
    linear *l = kernel_alloc(site, 1, sizeof(*l));
    if (!l)
        return ROTO_ERROR_MEMORY;
    *l = (linear){.x = site->in[0], .out = site->out, .residual = site->in[3]};
    const int64_t n = w->shape.dim[0], k = w->shape.dim[1];
    const tensor_shape *x = &l->x.shape;
    const int64_t n_tokens = x->rank > 1 ? x->dim[x->rank - 2] : 1;
    const bf16_product bf16 = site->node->attr.linear.precise
                                  ? BF16_NONE
                                  : kernel_bf16_for(site, n_tokens < k ? n_tokens : k);
    gemm_init(&l->g, site, bf16, 1, k, &site->node->attr.linear.epi);
    ROTO_TRY(
        gemm_pack_constant(site, &l->g, w->data, site->in[2].data, n, 1, &l->panels, &l->bias));
    l->grid = gemm_grid_make(site, &l->g, shape_rows(&l->x.shape), n);
    *out = (kernel){.name = KERNEL_PRODUCT_NAME(site, bf16, "gemm"),
                    .run = run,
                    .state = l,
                    .n_tasks = l->grid.row_parts * l->grid.column_parts,
                    .scratch_bytes =
                        gemm_scratch_bytes(&l->g, GEMM_BLOCK_ROWS, gemm_block_columns(&l->g))};
    return ROTO_OK;
}
