/* Permuting dimensions: whole rows where the last dimension stays, else square tiles, so that what
 * is read of a cache line is used before the line goes. */
#include "backend/cpu/nest.h"

#include "base/error.h"

#include <string.h>

/* A line of 64 bytes each way. */
enum { TILE = 16 };

typedef struct transpose {
    const float *from;
    float *to;
    nest outer;     /* the loops around rows or tiles: from, to */
    int64_t length; /* of the output's rows, `step` elements of the input apart */
    int64_t step;
    int64_t depth, depth_stride; /* rows side by side that start 1 element of the input apart, and
                                    depth_stride elements of the output */
    int64_t n_outer, n_blocks;   /* blocks: of `depth` */
    int n_tasks;
} transpose;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void copy_tile(const transpose *t, const float *from, float *to, int64_t depth,
                      int64_t length)
{
    for (int64_t i = 0; i < depth; i++) {
        for (int64_t k = 0; k < length; k++)
            to[i * t->depth_stride + k] = from[k * t->step + i];
    }
}

static void run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const transpose *t = state;
    const int64_t n_items = t->n_outer * t->n_blocks;
    for (int64_t item = task_first(n_items, t->n_tasks, task);
         item < task_first(n_items, t->n_tasks, task + 1); item++) {
        int64_t offset[NEST_MAX_OPERANDS];
        nest_row(&t->outer, item / t->n_blocks, offset);
        const int64_t first = item % t->n_blocks * TILE;
        const float *from = t->from + offset[0] + first;
        float *to = t->to + offset[1] + first * t->depth_stride;
        if (t->step == 1) {
            memcpy(to, from, (size_t)t->length * sizeof(float));
            continue;
        }
        const int64_t depth = least(TILE, t->depth - first);
        for (int64_t k = 0; k < t->length; k += TILE)
            copy_tile(t, from + k * t->step, to + k, depth, least(TILE, t->length - k));
    }
}

/* Takes the loop that walks along the input's rows out of the others. */
static void split_depth(transpose *t)
{
    nest *n = &t->outer;
    t->depth = 1;
    for (int i = 0; t->step != 1 && i < n->rank - 1; i++) {
        if (n->stride[0][i] != 1)
            continue;
        t->depth = n->dim[i];
        t->depth_stride = n->stride[1][i];
        n->dim[i] = 1;
        return;
    }
}

roto_status transpose_prepare(const kernel_site *site, kernel *out)
{
    transpose *t = kernel_alloc(site, 1, sizeof(*t));
    if (!t)
        return ROTO_ERROR_MEMORY;
    *t = (transpose){.from = site->in[0].data, .to = site->out.data};
    int64_t from_stride[TENSOR_MAX_RANK], to_stride[TENSOR_MAX_RANK];
    operand_strides(&site->in[0], from_stride);
    operand_strides(&site->out, to_stride);
    t->outer = (nest){.rank = site->out.shape.rank, .n_operands = 2};
    for (int i = 0; i < t->outer.rank; i++) {
        t->outer.dim[i] = site->out.shape.dim[i];
        t->outer.stride[0][i] = from_stride[site->node->attr.transpose.perm[i]];
        t->outer.stride[1][i] = to_stride[i];
    }
    nest_join(&t->outer, INT64_MAX);
    const int last = t->outer.rank - 1;
    t->length = t->outer.dim[last];
    t->step = t->outer.stride[0][last];
    split_depth(t);
    t->n_outer = nest_rows(&t->outer);
    t->n_blocks = (t->depth + TILE - 1) / TILE;
    const double item_ns = (double)(t->length * least(t->depth, TILE)) * 0.4 + 5;
    t->n_tasks = kernel_n_tasks(site, t->n_outer * t->n_blocks, item_ns);
    *out = (kernel){.name = "transpose", .run = run, .state = t, .n_tasks = t->n_tasks};
    return ROTO_OK;
}
