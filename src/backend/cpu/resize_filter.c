/* Bilinear and bicubic resizing, with and without antialiasing: weights of rows and columns come
 * from tables made while preparing; a task adds up input rows, then pixels along the sum. */
#include "backend/cpu/kernel.h"

#include "backend/cpu/simd/resize.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>

/* For each output position along one dimension, `taps` input positions and their weights. */
typedef struct filter {
    int64_t taps;
    int32_t *positions; /* times `scale` elements */
    float *weights;
} filter;

typedef struct resize {
    const resize_table *simd;
    operand x, out;
    filter down, along;
    size_t pointer_bytes; /* of the scratch memory; a row of the input follows */
    int n_tasks;
} resize;

static double source_of(resize_coords coords, int64_t dst, int64_t in, int64_t out)
{
    switch (coords) {
    case RESIZE_ASYMMETRIC:
        return (double)dst * (double)in / (double)out;
    case RESIZE_HALF_PIXEL:
        return ((double)dst + 0.5) * (double)in / (double)out - 0.5;
    case RESIZE_ALIGN_CORNERS:
        return out == 1 ? 0 : (double)dst * (double)(in - 1) / (double)(out - 1);
    }
    return 0;
}

/* The triangle, and the cubic of Keys 1981. */
static double kernel_at(const resize2d_attr *a, double distance)
{
    const double x = fabs(distance);
    if (a->kind == RESIZE_BILINEAR)
        return x < 1 ? 1 - x : 0;
    const double sharpness = a->antialias ? -0.5 : -0.75;
    if (x < 1)
        return ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1;
    return x < 2 ? sharpness * (((x - 5) * x + 8) * x - 4) : 0;
}

/* `scale`: elements from one input position to the next. */
static roto_status make_filter(const kernel_site *site, const resize2d_attr *a, int64_t in,
                               int64_t out, int64_t scale, filter *f)
{
    const double widen = a->antialias && in > out ? (double)in / (double)out : 1;
    const double radius = (a->kind == RESIZE_BILINEAR ? 1 : 2) * widen;
    f->taps = (int64_t)ceil(2 * radius) + (a->antialias ? 1 : 0);
    size_t count = 0;
    if (!size_mul((size_t)out, (size_t)f->taps, &count) || in * scale > INT32_MAX)
        return kernel_refuse(site, "%lld positions with %lld taps are too many", (long long)out,
                             (long long)f->taps);
    f->positions = kernel_alloc(site, count, sizeof(*f->positions));
    f->weights = kernel_alloc(site, count, sizeof(*f->weights));
    if (!f->positions || !f->weights)
        return ROTO_ERROR_MEMORY;
    for (int64_t i = 0; i < out; i++) {
        const double centre = source_of(a->coords, i, in, out);
        const int64_t first = a->antialias ? (int64_t)ceil(centre - radius)
                                           : (int64_t)floor(centre) - (int64_t)radius + 1;
        double total = 0;
        for (int64_t t = 0; t < f->taps; t++) {
            const bool outside = first + t < 0 || first + t >= in;
            total +=
                a->antialias && outside ? 0 : kernel_at(a, ((double)(first + t) - centre) / widen);
        }
        for (int64_t t = 0; t < f->taps; t++) {
            const int64_t at = first + t, nearest = at < 0 ? 0 : at < in ? at : in - 1;
            const double weight =
                a->antialias && at != nearest ? 0 : kernel_at(a, ((double)at - centre) / widen);
            f->positions[i * f->taps + t] = (int32_t)(nearest * scale);
            f->weights[i * f->taps + t] = (float)(a->antialias ? weight / total : weight);
        }
    }
    return ROTO_OK;
}

static void run_row(const resize *r, int64_t row, const float **pointers, float *sums)
{
    const int64_t *in = r->x.shape.dim, *out = r->out.shape.dim, channels = in[3];
    const float *image = r->x.data + row / out[1] * in[1] * in[2] * r->x.row_stride;
    const int64_t taps = r->down.taps, first = row % out[1] * taps;
    for (int64_t t = 0; t < taps; t++)
        pointers[t] = image + r->down.positions[first + t] * in[2] * r->x.row_stride;
    if (r->x.row_stride == channels) {
        r->simd->rows(taps, pointers, r->down.weights + first, in[2] * channels, sums);
    } else {
        for (int64_t x = 0; x < in[2]; x++) {
            r->simd->rows(taps, pointers, r->down.weights + first, channels, sums + x * channels);
            for (int64_t t = 0; t < taps; t++)
                pointers[t] += r->x.row_stride;
        }
    }
    r->simd->pixels(out[2], r->along.taps, channels, sums, r->along.positions, r->along.weights,
                    r->out.data + row * out[2] * r->out.row_stride, r->out.row_stride);
}

static void run(const void *state, int task, void *scratch)
{
    const resize *r = state;
    const int64_t n_rows = r->out.shape.dim[0] * r->out.shape.dim[1];
    float *sums = (float *)(void *)((char *)scratch + r->pointer_bytes);
    for (int64_t row = task_first(n_rows, r->n_tasks, task);
         row < task_first(n_rows, r->n_tasks, task + 1); row++)
        run_row(r, row, scratch, sums);
}

roto_status resize_filter_prepare(const kernel_site *site, kernel *out)
{
    resize *r = kernel_alloc(site, 1, sizeof(*r));
    if (!r)
        return ROTO_ERROR_MEMORY;
    const resize2d_attr *a = &site->node->attr.resize2d;
    *r = (resize){.simd = SIMD_TABLE(site->isa, resize_table), .x = site->in[0], .out = site->out};
    const int64_t *in = r->x.shape.dim;
    ROTO_TRY(make_filter(site, a, in[1], a->out_h, 1, &r->down));
    ROTO_TRY(make_filter(site, a, in[2], a->out_w, in[3], &r->along));
    const size_t pointers = (size_t)r->down.taps * sizeof(const float *);
    r->pointer_bytes =
        (pointers + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
    const double row_ns = (double)(in[2] * in[3] * r->down.taps) * 0.05 +
                          (double)(a->out_w * in[3] * r->along.taps) * 0.2;
    r->n_tasks = kernel_n_tasks(site, in[0] * a->out_h, row_ns);
    *out = (kernel){.name = KERNEL_NAME(site, "resize"),
                    .run = run,
                    .state = r,
                    .n_tasks = r->n_tasks,
                    .scratch_bytes = r->pointer_bytes + (size_t)(in[2] * in[3]) * sizeof(float)};
    return ROTO_OK;
}
