/* Maxima and means over windows: first down the columns of one row of windows, then along it, so
 * that a window of k x k costs 2 k and not k^2. */
#include "backend/cpu/kernel.h"

#include "backend/cpu/simd/pool.h"
#include "base/error.h"
#include "base/memory.h"

typedef struct pool {
    const pool_table *simd;
    pool2d_attr attr;
    operand x, out;
    size_t pointer_bytes; /* of the scratch memory; one input row of channels follows */
    int n_tasks;
} pool;

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Of a window along one dimension: what lies in the input, and how much counts for a mean. */
typedef struct window {
    int64_t begin, end, counted;
} window;

static window window_at(int64_t at, int64_t extent, int64_t stride, int64_t before, int64_t after,
                        int64_t size, bool count_padding)
{
    const int64_t first = at * stride - before;
    /* With ceil_mode a window may reach past the padding; what lies there never counts. */
    const int64_t last = clamp(first + extent, first, size + after);
    window w = {.begin = clamp(first, 0, size), .end = clamp(last, 0, size)};
    w.counted = count_padding ? last - first : w.end - w.begin;
    return w;
}

/* The maximum or sum over the window's rows, for every pixel of the input's width. */
static void pool_columns(const pool *p, int64_t image, const window *w, const float **pointers,
                         float *columns)
{
    const int64_t height = p->x.shape.dim[1], width = p->x.shape.dim[2],
                  channels = p->x.shape.dim[3], stride = p->x.row_stride;
    const int64_t n = w->end - w->begin;
    for (int64_t i = 0; i < n; i++)
        pointers[i] = p->x.data + (image * height + w->begin + i) * width * stride;
    const bool joined = stride == channels;
    const int64_t n_pieces = joined ? 1 : width, length = joined ? width * channels : channels;
    for (int64_t i = 0; i < n_pieces; i++) {
        if (p->attr.kind == POOL_MAX)
            p->simd->max(pointers, n, i * stride, length, columns + i * channels);
        else
            p->simd->sum(pointers, n, i * stride, length, 1, columns + i * channels);
    }
}

static void run_row(const pool *p, int64_t row, const float **pointers, float *columns)
{
    const pool2d_attr *a = &p->attr;
    const int64_t out_h = p->out.shape.dim[1], out_w = p->out.shape.dim[2],
                  channels = p->out.shape.dim[3];
    const window down = window_at(row % out_h, a->kernel_h, a->stride_h, a->pad_top, a->pad_bottom,
                                  p->x.shape.dim[1], a->count_padding);
    pool_columns(p, row / out_h, &down, pointers, columns);
    for (int64_t x = 0; x < out_w; x++) {
        const window along = window_at(x, a->kernel_w, a->stride_w, a->pad_left, a->pad_right,
                                       p->x.shape.dim[2], a->count_padding);
        const int64_t n = along.end - along.begin;
        for (int64_t i = 0; i < n; i++)
            pointers[i] = columns + (along.begin + i) * channels;
        float *out = p->out.data + (row * out_w + x) * p->out.row_stride;
        if (a->kind == POOL_MAX)
            p->simd->max(pointers, n, 0, channels, out);
        else
            p->simd->sum(pointers, n, 0, channels, 1 / (float)(down.counted * along.counted), out);
    }
}

static void run(const void *state, int task, void *scratch)
{
    const pool *p = state;
    float *columns = (float *)(void *)((char *)scratch + p->pointer_bytes);
    const int64_t n_rows = p->out.shape.dim[0] * p->out.shape.dim[1];
    for (int64_t row = task_first(n_rows, p->n_tasks, task);
         row < task_first(n_rows, p->n_tasks, task + 1); row++)
        run_row(p, row, (const float **)scratch, columns);
}

roto_status pool2d_prepare(const kernel_site *site, kernel *out)
{
    pool *p = kernel_alloc(site, 1, sizeof(*p));
    if (!p)
        return ROTO_ERROR_MEMORY;
    *p = (pool){.simd = SIMD_TABLE(site->isa, pool_table),
                .attr = site->node->attr.pool2d,
                .x = site->in[0],
                .out = site->out};
    /* A window has no more rows and columns inside the input than either has. */
    const int64_t height = p->x.shape.dim[1], width = p->x.shape.dim[2];
    const size_t pointers = (size_t)(height > width ? height : width) * sizeof(const float *);
    p->pointer_bytes =
        (pointers + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
    const int64_t row = width * p->x.shape.dim[3];
    const double taps = (double)(p->attr.kernel_h + p->attr.kernel_w);
    p->n_tasks =
        kernel_n_tasks(site, p->out.shape.dim[0] * p->out.shape.dim[1], (double)row * taps * 0.05);
    *out = (kernel){.name = KERNEL_NAME(site, "pool"),
                    .run = run,
                    .state = p,
                    .n_tasks = p->n_tasks,
                    .scratch_bytes = p->pointer_bytes + (size_t)row * sizeof(float)};
    return ROTO_OK;
}
