/* Convolutions with one input channel per output channel: vectors run along the channels, and no
 * two of them meet, so there is no matrix product to make of it. */
#include "backend/cpu/conv2d.h"

#include "backend/cpu/gemm.h"
#include "backend/cpu/simd/depthwise.h"

#include "base/error.h"

typedef struct depthwise {
    const depthwise_table *simd;
    const gemm_table *finish;
    conv2d_attr attr;
    int64_t kernel_h, kernel_w;
    int64_t padded; /* channels in whole vectors */
    const float *weights, *bias;
    operand x, out, residual;
    bool in_registers; /* the whole epilogue */
    int n_tasks;
} depthwise;

/* Pixels that are done before their epilogue, while they are in the first-level cache. */
enum { SEGMENT_PIXELS = 8 };

/* The taps that lie inside the input: begin <= tap < end for a window that starts at `first`. */
static void clip_taps(int64_t first, int64_t taps, int64_t dilation, int64_t size, int64_t *begin,
                      int64_t *end)
{
    *begin = first < 0 ? (-first + dilation - 1) / dilation : 0;
    *end = first >= size ? 0 : (size - first + dilation - 1) / dilation;
    if (*end > taps)
        *end = taps;
    if (*begin > *end)
        *begin = *end;
}

static void run_segment(const depthwise *d, depthwise_args args, int64_t row, int64_t x, int64_t n)
{
    const conv2d_attr *a = &d->attr;
    int64_t begin = 0, end = 0;
    clip_taps(x * a->stride_w - a->pad_left, d->kernel_w, a->dilation_w, d->x.shape.dim[2], &begin,
              &end);
    args.in += (x * a->stride_w - a->pad_left + begin * a->dilation_w) * d->x.row_stride;
    args.weights += begin * args.weight_step;
    args.taps_w = end - begin;
    args.n_pixels = n;
    args.out = d->out.data + (row * d->out.shape.dim[2] + x) * d->out.row_stride;
    d->simd->run(&args);
    if (d->in_registers)
        return;
    const float *residual = d->residual.data;
    if (residual)
        residual += (row * d->out.shape.dim[2] + x) * d->residual.row_stride;
    d->finish->finish(&a->epi, (int)n, args.channels, args.out, args.out_stride, residual,
                      d->residual.row_stride, args.out, args.out_stride);
}

/* One row of output pixels. */
static void run_row(const depthwise *d, int64_t row)
{
    const conv2d_attr *a = &d->attr;
    const int64_t height = d->x.shape.dim[1], width = d->x.shape.dim[2];
    const int64_t out_h = d->out.shape.dim[1], out_w = d->out.shape.dim[2];
    const int64_t image = row / out_h, y = row % out_h * a->stride_h - a->pad_top;
    int64_t begin = 0, end = 0;
    clip_taps(y, d->kernel_h, a->dilation_h, height, &begin, &end);
    const int64_t first_row = image * height + y + begin * a->dilation_h;
    const depthwise_args args = {
        .in = d->x.data + first_row * width * d->x.row_stride,
        .pixel_step = a->stride_w * d->x.row_stride,
        .tap_step = a->dilation_w * d->x.row_stride,
        .row_step = a->dilation_h * width * d->x.row_stride,
        .taps_h = end - begin,
        .weights = d->weights + begin * d->kernel_w * d->padded,
        .weight_step = d->padded,
        .weight_row_step = d->kernel_w * d->padded,
        .bias = d->bias,
        .channels = d->x.shape.dim[3],
        .act = d->in_registers ? a->epi.act : (unary_attr){.kind = UNARY_IDENTITY},
        .out_stride = d->out.row_stride,
    };
    /* Windows of pixels from `left` to `right` lie inside the width. */
    const int64_t reach = a->dilation_w * (d->kernel_w - 1) + 1;
    int64_t left = (a->pad_left + a->stride_w - 1) / a->stride_w;
    int64_t right =
        width + a->pad_left < reach ? 0 : (width + a->pad_left - reach) / a->stride_w + 1;
    left = left < out_w ? left : out_w;
    right = right < left ? left : right < out_w ? right : out_w;
    for (int64_t x = 0; x < left; x++)
        run_segment(d, args, row, x, 1);
    for (int64_t x = left; x < right; x += SEGMENT_PIXELS)
        run_segment(d, args, row, x,
                    (int)(right - x < SEGMENT_PIXELS ? right - x : SEGMENT_PIXELS));
    for (int64_t x = right; x < out_w; x++)
        run_segment(d, args, row, x, 1);
}

static void run(const void *state, int task, void *scratch)
{
    (void)scratch;
    const depthwise *d = state;
    const int64_t n_rows = d->out.shape.dim[0] * d->out.shape.dim[1];
    for (int64_t row = task_first(n_rows, d->n_tasks, task);
         row < task_first(n_rows, d->n_tasks, task + 1); row++)
        run_row(d, row);
}

roto_status depthwise_prepare(const kernel_site *site, kernel *out)
{
    const operand *w = &site->in[1], *bias = &site->in[2];
    const int64_t channels = w->shape.dim[0], n_taps = w->shape.dim[1] * w->shape.dim[2];
    depthwise *d = kernel_alloc(site, 1, sizeof(*d));
    if (!d)
        return ROTO_ERROR_MEMORY;
    *d = (depthwise){.simd = SIMD_TABLE(site->isa, depthwise_table),
                     .finish = SIMD_TABLE(site->isa, gemm_table),
                     .attr = site->node->attr.conv2d,
                     .kernel_h = w->shape.dim[1],
                     .kernel_w = w->shape.dim[2],
                     .x = site->in[0],
                     .out = site->out,
                     .residual = site->in[3]};
    const epilogue *epi = &d->attr.epi;
    d->in_registers = epi->residual == RESIDUAL_NONE &&
                      (epi->act.kind == UNARY_IDENTITY || epi->act.kind == UNARY_RELU ||
                       epi->act.kind == UNARY_CLAMP || epi->act.kind == UNARY_SILU);
    d->padded = (channels + d->simd->lanes - 1) / d->simd->lanes * d->simd->lanes;
    float *weights = kernel_alloc(site, (size_t)(n_taps * d->padded), sizeof(float));
    float *padded_bias = kernel_alloc(site, (size_t)d->padded, sizeof(float));
    if (!weights || !padded_bias)
        return ROTO_ERROR_MEMORY;
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t t = 0; t < n_taps; t++)
            weights[t * d->padded + c] = w->data[c * n_taps + t];
        padded_bias[c] = bias->data ? bias->data[c] : 0;
    }
    d->weights = weights;
    d->bias = padded_bias;
    const int64_t n_rows = d->out.shape.dim[0] * d->out.shape.dim[1];
    /* A vector's multiply-add takes about a fifth of a nanosecond, its epilogue 3. */
    const double vectors = (double)(d->out.shape.dim[2] * d->padded / d->simd->lanes);
    d->n_tasks = kernel_n_tasks(site, n_rows, vectors * ((double)n_taps / 5 + 3));
    *out = (kernel){
        .name = KERNEL_NAME(site, "depthwise"), .run = run, .state = d, .n_tasks = d->n_tasks};
    return ROTO_OK;
}
