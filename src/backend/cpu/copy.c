/* Operators that only move elements: concatenation, slices, padding and reshapes of what could not
 * be made a view. */
#include "backend/cpu/nest.h"

#include "base/error.h"

#include <string.h>

/* One box of elements to move. */
typedef struct move {
    nest loops; /* over from and to */
    const float *from;
    float *to;
    int64_t first_row; /* of all rows of a copy */
} move;

typedef struct copy {
    move moves[GRAPH_MAX_INPUTS];
    int n_moves;
    int64_t n_rows;
    int n_tasks;
} copy;

static void move_row(const move *m, int64_t row)
{
    const nest *n = &m->loops;
    int64_t offset[NEST_MAX_OPERANDS];
    nest_row(n, row, offset);
    const float *from = m->from + offset[0];
    float *to = m->to + offset[1];
    const int64_t length = n->dim[n->rank - 1], step = n->stride[0][n->rank - 1];
    if (step == 1) {
        memcpy(to, from, (size_t)length * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < length; i++)
        to[i] = from[i * step];
}

static void copy_run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const copy *c = state;
    int at = 0;
    for (int64_t row = task_first(c->n_rows, c->n_tasks, task);
         row < task_first(c->n_rows, c->n_tasks, task + 1); row++) {
        while (at + 1 < c->n_moves && row >= c->moves[at + 1].first_row)
            at++;
        move_row(&c->moves[at], row - c->moves[at].first_row);
    }
}

/* Moves `from`, shaped like `shape`, to `to`. */
static void copy_add(copy *c, const tensor_shape *shape, const float *from,
                     const int64_t from_stride[TENSOR_MAX_RANK], float *to,
                     const int64_t to_stride[TENSOR_MAX_RANK])
{
    const int64_t longest_row = 16384;
    move *m = &c->moves[c->n_moves++];
    *m = (move){.from = from, .to = to, .first_row = c->n_rows};
    m->loops = (nest){.rank = shape->rank, .n_operands = 2};
    for (int i = 0; i < shape->rank; i++) {
        m->loops.dim[i] = shape->dim[i];
        m->loops.stride[0][i] = from_stride[i];
        m->loops.stride[1][i] = to_stride[i];
    }
    nest_join(&m->loops, longest_row);
    c->n_rows += nest_rows(&m->loops);
}

static void copy_finish(const kernel_site *site, copy *c, kernel *out)
{
    /* About 10 bytes a nanosecond and a few nanoseconds a row. */
    const double row_ns =
        c->n_rows > 0 ? (double)shape_count(&site->out.shape) * 0.4 / (double)c->n_rows + 3 : 0;
    c->n_tasks = kernel_n_tasks(site, c->n_rows, row_ns);
    *out = (kernel){.name = "copy", .run = copy_run, .state = c, .n_tasks = c->n_tasks};
}

roto_status concat_prepare(const kernel_site *site, kernel *out)
{
    copy *c = kernel_alloc(site, 1, sizeof(*c));
    if (!c)
        return ROTO_ERROR_MEMORY;
    const int axis = site->node->attr.axis.axis;
    int64_t to_stride[TENSOR_MAX_RANK], from_stride[TENSOR_MAX_RANK];
    operand_strides(&site->out, to_stride);
    float *to = site->out.data;
    for (int i = 0; i < site->node->n_in; i++) {
        const operand *part = &site->in[i];
        operand_strides(part, from_stride);
        if (part->data != to) /* else it was written in place */
            copy_add(c, &part->shape, part->data, from_stride, to, to_stride);
        to += part->shape.dim[axis] * to_stride[axis];
    }
    copy_finish(site, c, out);
    return ROTO_OK;
}

roto_status slice_prepare(const kernel_site *site, kernel *out)
{
    copy *c = kernel_alloc(site, 1, sizeof(*c));
    if (!c)
        return ROTO_ERROR_MEMORY;
    const slice_attr *a = &site->node->attr.slice;
    int64_t to_stride[TENSOR_MAX_RANK], from_stride[TENSOR_MAX_RANK];
    operand_strides(&site->out, to_stride);
    operand_strides(&site->in[0], from_stride);
    const float *from = site->in[0].data;
    for (int i = 0; i < site->out.shape.rank; i++) {
        from += a->start[i] * from_stride[i];
        from_stride[i] *= a->step[i];
    }
    copy_add(c, &site->out.shape, from, from_stride, site->out.data, to_stride);
    copy_finish(site, c, out);
    return ROTO_OK;
}

/* Rows of a view and rows of another length: what is copied at a time divides both. */
typedef struct reshape {
    operand x, out;
    int64_t piece, n_pieces;
    int n_tasks;
} reshape;

static float *element(const operand *o, int64_t index)
{
    const int64_t length = shape_last(&o->shape);
    return o->data + index / length * o->row_stride + index % length;
}

static void reshape_run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const reshape *r = state;
    for (int64_t i = task_first(r->n_pieces, r->n_tasks, task);
         i < task_first(r->n_pieces, r->n_tasks, task + 1); i++)
        memcpy(element(&r->out, i * r->piece), element(&r->x, i * r->piece),
               (size_t)r->piece * sizeof(float));
}

roto_status reshape_prepare(const kernel_site *site, kernel *out)
{
    reshape *r = kernel_alloc(site, 1, sizeof(*r));
    if (!r)
        return ROTO_ERROR_MEMORY;
    *r = (reshape){.x = site->in[0], .out = site->out};
    int64_t a = shape_last(&r->x.shape), b = shape_last(&r->out.shape);
    while (b != 0) { /* Euclid's greatest common divisor */
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    r->piece = a;
    r->n_pieces = shape_count(&r->x.shape) / a;
    r->n_tasks = kernel_n_tasks(site, r->n_pieces, (double)r->piece * 0.4 + 5);
    *out = (kernel){.name = "copy", .run = reshape_run, .state = r, .n_tasks = r->n_tasks};
    return ROTO_OK;
}

typedef struct pad {
    pad_attr attr;
    operand x, out;
    int64_t x_stride[TENSOR_MAX_RANK];
    int n_tasks;
} pad;

static void fill(float *to, int64_t count, float value)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = value;
}

static void pad_row(const pad *p, int64_t row)
{
    const tensor_shape *shape = &p->out.shape;
    const int last = shape->rank - 1;
    float *to = p->out.data + row * p->out.row_stride;
    const float *from = p->x.data;
    bool inside = true;
    for (int i = last - 1; i >= 0; i--) {
        const int64_t at = row % shape->dim[i] - p->attr.before[i];
        row /= shape->dim[i];
        inside = inside && at >= 0 && at < p->x.shape.dim[i];
        if (inside)
            from += at * p->x_stride[i];
    }
    const int64_t before = inside ? p->attr.before[last] : shape->dim[last];
    const int64_t middle = inside ? p->x.shape.dim[last] : 0;
    fill(to, before, p->attr.value);
    memcpy(to + before, from, (size_t)middle * sizeof(float));
    fill(to + before + middle, shape->dim[last] - before - middle, p->attr.value);
}

static void pad_run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const pad *p = state;
    const int64_t n_rows = shape_rows(&p->out.shape);
    for (int64_t row = task_first(n_rows, p->n_tasks, task);
         row < task_first(n_rows, p->n_tasks, task + 1); row++)
        pad_row(p, row);
}

roto_status pad_prepare(const kernel_site *site, kernel *out)
{
    if (site->out.shape.rank == 0)
        return reshape_prepare(site, out); /* a scalar has nothing to pad */
    pad *p = kernel_alloc(site, 1, sizeof(*p));
    if (!p)
        return ROTO_ERROR_MEMORY;
    *p = (pad){.attr = site->node->attr.pad, .x = site->in[0], .out = site->out};
    operand_strides(&p->x, p->x_stride);
    p->n_tasks = kernel_n_tasks(site, shape_rows(&p->out.shape),
                                (double)shape_last(&p->out.shape) * 0.4 + 10);
    *out = (kernel){.name = "pad", .run = pad_run, .state = p, .n_tasks = p->n_tasks};
    return ROTO_OK;
}
