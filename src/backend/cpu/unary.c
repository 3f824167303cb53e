/* Functions of one element that no convolution could take along. */
#include "backend/cpu/gemm.h"

#include "base/error.h"

typedef struct unary {
    const gemm_table *simd;
    epilogue epi;
    operand x, out;
    int64_t rows, columns; /* joined where rows lie side by side */
    int n_tasks;
} unary;

static void run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const unary *u = state;
    for (int64_t row = task_first(u->rows, u->n_tasks, task);
         row < task_first(u->rows, u->n_tasks, task + 1); row++)
        u->simd->finish(&u->epi, 1, u->columns, u->x.data + row * u->x.row_stride, 0, NULL, 0,
                        u->out.data + row * u->out.row_stride, 0);
}

roto_status unary_prepare(const kernel_site *site, kernel *out)
{
    unary *u = kernel_alloc(site, 1, sizeof(*u));
    if (!u)
        return ROTO_ERROR_MEMORY;
    *u = (unary){.simd = SIMD_TABLE(site->isa, gemm_table),
                 .epi = {.act = site->node->attr.unary},
                 .x = site->in[0],
                 .out = site->out,
                 .rows = shape_rows(&site->out.shape),
                 .columns = shape_last(&site->out.shape)};
    /* Rows without gaps are joined in pairs until they are long enough to be fast. */
    const int64_t longest = 1024;
    if (u->x.row_stride == u->columns && u->out.row_stride == u->columns) {
        while (u->rows % 2 == 0 && u->columns * 2 <= longest) {
            u->rows /= 2;
            u->columns *= 2;
        }
        u->x.row_stride = u->out.row_stride = u->columns;
    }
    u->n_tasks = kernel_n_tasks(site, u->rows, (double)u->columns * 0.5);
    *out =
        (kernel){.name = KERNEL_NAME(site, "unary"), .run = run, .state = u, .n_tasks = u->n_tasks};
    return ROTO_OK;
}
