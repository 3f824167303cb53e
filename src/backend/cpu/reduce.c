/* Sums, means and maxima: each output element, or each piece of an output row, by one task. */
#include "backend/cpu/nest.h"
#include "backend/cpu/simd/normalise.h"
#include "base/error.h"

/* Columns reduced together when rows are added to rows: four vectors of the widest kind. */
enum { PIECE = 64 };

typedef struct reduce {
    const normalise_table *simd;
    reduce_kind kind;
    operand x, out;
    int64_t x_stride[TENSOR_MAX_RANK];
    const int64_t *offsets; /* of the rows that one output is made of, from the first of them */
    bool along_rows;
    float scale;
    int64_t n_rows, n_pieces;
    int n_tasks;
} reduce;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where the rows for an output row begin. */
static const float *first_of(const reduce *r, int64_t out_row)
{
    const tensor_shape *shape = &r->out.shape;
    const float *at = r->x.data;
    for (int i = shape->rank - 2; i >= 0; i--) {
        at += out_row % shape->dim[i] * r->x_stride[i];
        out_row /= shape->dim[i];
    }
    return at;
}

static float reduce_rows(const reduce *r, const float *from)
{
    const int64_t n = shape_last(&r->x.shape);
    float total = 0;
    for (int64_t row = 0; row < r->n_rows; row++) {
        const float one = r->simd->reduce(r->kind, n, from + r->offsets[row]);
        if (row == 0)
            total = one;
        else if (r->kind != REDUCE_MAX)
            total += one;
        else if (one > total || one != one)
            total = one;
    }
    return total * r->scale;
}

static void run(const void *state, int task, void *scratch)
{
    const reduce *r = state;
    const float **rows = scratch;
    const int64_t n_items = shape_rows(&r->out.shape) * r->n_pieces;
    for (int64_t item = task_first(n_items, r->n_tasks, task);
         item < task_first(n_items, r->n_tasks, task + 1); item++) {
        const float *from = first_of(r, item / r->n_pieces);
        float *out = r->out.data + item / r->n_pieces * r->out.row_stride;
        if (r->along_rows) {
            out[0] = reduce_rows(r, from);
            continue;
        }
        const int64_t first = item % r->n_pieces * PIECE;
        for (int64_t row = 0; row < r->n_rows; row++)
            rows[row] = from + r->offsets[row] + first;
        r->simd->reduce_columns(r->kind, least(PIECE, shape_last(&r->out.shape) - first), rows,
                                r->n_rows, r->scale, out + first);
    }
}

/* The rows that one output is made of. */
static roto_status list_rows(const kernel_site *site, reduce *r)
{
    const uint32_t axes = site->node->attr.reduce.axes;
    const int rank = r->x.shape.rank;
    nest inner = {.rank = rank, .n_operands = 1};
    for (int i = 0; i < rank; i++) {
        inner.dim[i] = axes >> i & 1 || i == rank - 1 ? r->x.shape.dim[i] : 1;
        inner.stride[0][i] = r->x_stride[i];
    }
    r->n_rows = nest_rows(&inner);
    int64_t *offsets = kernel_alloc(site, (size_t)r->n_rows, sizeof(*offsets));
    if (!offsets)
        return ROTO_ERROR_MEMORY;
    for (int64_t row = 0; row < r->n_rows; row++) {
        int64_t offset[NEST_MAX_OPERANDS];
        nest_row(&inner, row, offset);
        offsets[row] = offset[0];
    }
    r->offsets = offsets;
    return ROTO_OK;
}

roto_status reduce_prepare(const kernel_site *site, kernel *out)
{
    reduce *r = kernel_alloc(site, 1, sizeof(*r));
    if (!r)
        return ROTO_ERROR_MEMORY;
    const reduce_attr *a = &site->node->attr.reduce;
    *r = (reduce){.simd = SIMD_TABLE(site->isa, normalise_table),
                  .kind = a->kind,
                  .x = site->in[0],
                  .out = site->out};
    operand_strides(&r->x, r->x_stride);
    r->along_rows = a->axes >> (r->x.shape.rank - 1) & 1;
    ROTO_TRY(list_rows(site, r));
    const int64_t n_reduced = shape_count(&r->x.shape) / shape_count(&r->out.shape);
    r->scale = a->kind == REDUCE_MEAN ? 1 / (float)n_reduced : 1;
    r->n_pieces = r->along_rows ? 1 : (shape_last(&r->out.shape) + PIECE - 1) / PIECE;
    const int64_t n_items = shape_rows(&r->out.shape) * r->n_pieces;
    const double item_ns = (double)shape_count(&r->x.shape) / (double)n_items * 0.2 + 10;
    r->n_tasks = kernel_n_tasks(site, n_items, item_ns);
    *out = (kernel){.name = KERNEL_NAME(site, "reduce"),
                    .run = run,
                    .state = r,
                    .n_tasks = r->n_tasks,
                    .scratch_bytes = r->along_rows ? 0 : (size_t)r->n_rows * sizeof(float *)};
    return ROTO_OK;
}
