/* Resizing by the nearest pixel: rows and columns are looked up in tables made while preparing. */
#include "backend/cpu/kernel.h"

#include "base/error.h"

#include <string.h>

typedef struct nearest {
    operand x, out;
    const int64_t *rows, *columns; /* input row of an output row, column of a column */
    int n_tasks;
} nearest;

static int64_t divide_up(int64_t a, int64_t b) /* also below zero, b > 0 */
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/* Exact in integers: src as in graph.h, then floor or round half down. */
static int64_t source_of(resize_coords coords, int64_t dst, int64_t in, int64_t out)
{
    switch (coords) {
    case RESIZE_ASYMMETRIC:
        return dst * in / out;
    case RESIZE_HALF_PIXEL: /* ceil((2 dst + 1) in / (2 out) - 1) */
        return divide_up((2 * dst + 1) * in, 2 * out) - 1;
    case RESIZE_ALIGN_CORNERS: /* ceil(dst (in - 1) / (out - 1) - 1/2) */
        return out == 1 ? 0 : divide_up(2 * dst * (in - 1) - (out - 1), 2 * (out - 1));
    }
    return 0;
}

static int64_t *make_table(const kernel_site *site, int64_t in, int64_t out)
{
    int64_t *table = kernel_alloc(site, (size_t)out, sizeof(*table));
    for (int64_t i = 0; table && i < out; i++) {
        const int64_t at = source_of(site->node->attr.resize2d.coords, i, in, out);
        table[i] = at < 0 ? 0 : at < in ? at : in - 1;
    }
    return table;
}

static void run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const nearest *r = state;
    const int64_t *in = r->x.shape.dim, *out = r->out.shape.dim;
    const size_t bytes = (size_t)out[3] * sizeof(float);
    for (int64_t row = task_first(out[0] * out[1], r->n_tasks, task);
         row < task_first(out[0] * out[1], r->n_tasks, task + 1); row++) {
        const int64_t from_row = row / out[1] * in[1] + r->rows[row % out[1]];
        const float *from = r->x.data + from_row * in[2] * r->x.row_stride;
        float *to = r->out.data + row * out[2] * r->out.row_stride;
        for (int64_t x = 0; x < out[2]; x++, to += r->out.row_stride)
            memcpy(to, from + r->columns[x] * r->x.row_stride, bytes);
    }
}

roto_status resize2d_prepare(const kernel_site *site, kernel *out)
{
    const resize2d_attr *a = &site->node->attr.resize2d;
    if (a->kind != RESIZE_NEAREST)
        return resize_filter_prepare(site, out);
    nearest *r = kernel_alloc(site, 1, sizeof(*r));
    if (!r)
        return ROTO_ERROR_MEMORY;
    *r = (nearest){.x = site->in[0], .out = site->out};
    r->rows = make_table(site, r->x.shape.dim[1], a->out_h);
    r->columns = make_table(site, r->x.shape.dim[2], a->out_w);
    if (!r->rows || !r->columns)
        return ROTO_ERROR_MEMORY;
    const double row_ns = (double)a->out_w * (5 + (double)r->out.shape.dim[3] * 0.3);
    r->n_tasks = kernel_n_tasks(site, r->out.shape.dim[0] * a->out_h, row_ns);
    *out = (kernel){.name = "resize.nearest", .run = run, .state = r, .n_tasks = r->n_tasks};
    return ROTO_OK;
}
