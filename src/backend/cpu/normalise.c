/* Layer norm (Ba et al. 2016) and softmax. */
#include "backend/cpu/simd/normalise.h"
#include "backend/cpu/nest.h"
#include "base/error.h"

typedef struct layer_norm {
    const normalise_table *simd;
    operand x, out;
    const float *gamma, *beta;
    float epsilon;
    int n_tasks;
} layer_norm;

static void layer_norm_run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const layer_norm *l = state;
    const int64_t n_rows = shape_rows(&l->x.shape), n = shape_last(&l->x.shape);
    const int64_t first = task_first(n_rows, l->n_tasks, task);
    const int64_t end = task_first(n_rows, l->n_tasks, task + 1);
    if (n == 4 && l->x.row_stride == n && l->out.row_stride == n) { /* SAM 2's masks, of a pixel */
        l->simd->layer_norm_4(end - first, l->x.data + first * n, l->gamma, l->beta, l->epsilon,
                              l->out.data + first * n);
        return;
    }
    for (int64_t row = first; row < end; row++)
        l->simd->layer_norm(n, l->x.data + row * l->x.row_stride, l->gamma, l->beta, l->epsilon,
                            l->out.data + row * l->out.row_stride);
}

roto_status layer_norm_prepare(const kernel_site *site, kernel *out)
{
    if (site->node->attr.layer_norm.act.kind != UNARY_IDENTITY)
        return kernel_refuse(site, "an activation is an operator of its own");
    layer_norm *l = kernel_alloc(site, 1, sizeof(*l));
    if (!l)
        return ROTO_ERROR_MEMORY;
    *l = (layer_norm){.simd = SIMD_TABLE(site->isa, normalise_table),
                      .x = site->in[0],
                      .out = site->out,
                      .gamma = site->in[1].data,
                      .beta = site->in[2].data,
                      .epsilon = site->node->attr.layer_norm.epsilon};
    l->n_tasks =
        kernel_n_tasks(site, shape_rows(&l->x.shape), (double)shape_last(&l->x.shape) * 0.5 + 30);
    *out = (kernel){.name = KERNEL_NAME(site, "layer_norm"),
                    .run = layer_norm_run,
                    .state = l,
                    .n_tasks = l->n_tasks};
    return ROTO_OK;
}

/* Along the last dimension rows are independent; along another one the elements of a row are, and
 * the loops go over all dimensions but these two. */
typedef struct softmax {
    const normalise_table *simd;
    const float *x;
    float *out;
    bool along_rows;
    nest loops; /* over x and out; innermost the last dimension */
    int64_t depth, x_step, out_step;
    int n_tasks;
} softmax;

static void softmax_run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const softmax *s = state;
    const int64_t n_rows = nest_rows(&s->loops), n = s->loops.dim[s->loops.rank - 1];
    for (int64_t row = task_first(n_rows, s->n_tasks, task);
         row < task_first(n_rows, s->n_tasks, task + 1); row++) {
        int64_t offset[NEST_MAX_OPERANDS];
        nest_row(&s->loops, row, offset);
        const float *x = s->x + offset[0];
        float *out = s->out + offset[1];
        if (s->along_rows)
            s->simd->softmax(n, x, out);
        else
            s->simd->softmax_columns(n, s->depth, x, s->x_step, out, s->out_step);
    }
}

roto_status softmax_prepare(const kernel_site *site, kernel *out)
{
    softmax *s = kernel_alloc(site, 1, sizeof(*s));
    if (!s)
        return ROTO_ERROR_MEMORY;
    const int axis = site->node->attr.axis.axis, last = site->out.shape.rank - 1;
    *s = (softmax){.simd = SIMD_TABLE(site->isa, normalise_table),
                   .x = site->in[0].data,
                   .out = site->out.data,
                   .along_rows = axis == last,
                   .depth = site->out.shape.dim[axis]};
    s->loops = (nest){.rank = site->out.shape.rank, .n_operands = 2};
    operand_strides(&site->in[0], s->loops.stride[0]);
    operand_strides(&site->out, s->loops.stride[1]);
    s->x_step = s->loops.stride[0][axis];
    s->out_step = s->loops.stride[1][axis];
    for (int i = 0; i <= last; i++)
        s->loops.dim[i] = i == axis && !s->along_rows ? 1 : site->out.shape.dim[i];
    const int64_t n_rows = nest_rows(&s->loops);
    const double row_ns = (double)shape_count(&site->out.shape) / (double)n_rows * 0.8 + 10;
    s->n_tasks = kernel_n_tasks(site, n_rows, row_ns);
    *out = (kernel){.name = KERNEL_NAME(site, "softmax"),
                    .run = softmax_run,
                    .state = s,
                    .n_tasks = s->n_tasks};
    return ROTO_OK;
}
