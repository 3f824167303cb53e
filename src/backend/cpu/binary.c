/* Functions of two elements, with NumPy's broadcasting. */
#include "backend/cpu/nest.h"
#include "backend/cpu/simd/elementwise.h"

#include "base/error.h"

typedef struct binary {
    const elementwise_table *simd;
    binary_kind kind;
    nest loops; /* over a, b and the output */
    const float *a, *b;
    float *out;
    int n_tasks;
} binary;

static void run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const binary *b = state;
    const nest *n = &b->loops;
    const int64_t n_rows = nest_rows(n);
    for (int64_t row = task_first(n_rows, b->n_tasks, task);
         row < task_first(n_rows, b->n_tasks, task + 1); row++) {
        int64_t offset[NEST_MAX_OPERANDS];
        nest_row(n, row, offset);
        b->simd->binary(b->kind, n->dim[n->rank - 1], b->a + offset[0],
                        n->stride[0][n->rank - 1] == 0, b->b + offset[1],
                        n->stride[1][n->rank - 1] == 0, b->out + offset[2]);
    }
}

/* Steps through `o` along the output's dimensions: 0 where it is repeated. */
static void broadcast_strides(const operand *o, const tensor_shape *out,
                              int64_t stride[TENSOR_MAX_RANK])
{
    int64_t own[TENSOR_MAX_RANK];
    operand_strides(o, own);
    const int missing = out->rank - o->shape.rank;
    for (int i = 0; i < out->rank; i++) {
        const bool repeated = i < missing || o->shape.dim[i - missing] == 1;
        stride[i] = repeated ? 0 : own[i - missing];
    }
}

roto_status binary_prepare(const kernel_site *site, kernel *out)
{
    binary *b = kernel_alloc(site, 1, sizeof(*b));
    if (!b)
        return ROTO_ERROR_MEMORY;
    *b = (binary){.simd = SIMD_TABLE(site->isa, elementwise_table),
                  .kind = site->node->attr.binary,
                  .a = site->in[0].data,
                  .b = site->in[1].data,
                  .out = site->out.data};
    nest *n = &b->loops;
    *n = (nest){.rank = site->out.shape.rank, .n_operands = 3};
    for (int i = 0; i < n->rank; i++)
        n->dim[i] = site->out.shape.dim[i];
    broadcast_strides(&site->in[0], &site->out.shape, n->stride[0]);
    broadcast_strides(&site->in[1], &site->out.shape, n->stride[1]);
    operand_strides(&site->out, n->stride[2]);
    const int64_t longest_row = 4096;
    nest_join(n, longest_row);
    const int64_t length = n->dim[n->rank - 1];
    b->n_tasks = kernel_n_tasks(site, nest_rows(n), (double)length * 0.3);
    *out = (kernel){
        .name = KERNEL_NAME(site, "binary"), .run = run, .state = b, .n_tasks = b->n_tasks};
    return ROTO_OK;
}
