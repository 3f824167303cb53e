/* Convolutions as matrix products whose inputs are found through pointers: one for each output
 * pixel and each tap of the kernel (Dukhan 2019, "The Indirect Convolution Algorithm"). Pointers
 * are made for a block of pixels at a time, so they stay in the first-level cache. */
#include "backend/cpu/conv2d.h"

#include "backend/cpu/gemm.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

typedef struct conv {
    gemm g; /* of one group */
    gemm_grid grid;
    conv2d_attr attr;
    int64_t kernel_h, kernel_w;
    bool whole_rows; /* a tap is a row of the kernel: kernel_w pixels that lie side by side */
    const float *panels, *bias;
    const float *zeros; /* a tap of them: what padding reads */
    operand x, out, residual;
} conv;

/* Scratch memory of a task. */
typedef struct conv_scratch {
    const float **pointers; /* [taps][GEMM_BLOCK_ROWS] */
    float *patches; /* rows of the kernel that lie partly in the padding, copied with zeros */
    void *gemm;
} conv_scratch;

static size_t align(size_t bytes)
{
    return (bytes + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
}

static size_t pointer_bytes(const conv *c)
{
    return align((size_t)c->g.taps * GEMM_BLOCK_ROWS * sizeof(const float *));
}

static size_t patch_bytes(const conv *c)
{
    return c->whole_rows
               ? align((size_t)(c->g.taps * c->g.inputs) * GEMM_BLOCK_ROWS * sizeof(float))
               : 0;
}

static const float *input_at(const conv *c, int64_t image, int64_t y, int64_t x)
{
    const int64_t *dim = c->x.shape.dim;
    return c->x.data + ((image * dim[1] + y) * dim[2] + x) * c->x.row_stride;
}

/* Neighbouring output pixels of one row. */
typedef struct run_of_pixels {
    int64_t image, y, x, n;
} run_of_pixels;

/* Pixels of a run whose input column at + x * stride is inside the input: begin <= i < end. */
static void clip_run(const run_of_pixels *run, int64_t at, int64_t stride, int64_t width,
                     int64_t *begin, int64_t *end)
{
    const int64_t first = at + run->x * stride; /* of pixel 0 */
    *begin = first < 0 ? (-first + stride - 1) / stride : 0;
    *end = first >= width ? 0 : (width - first + stride - 1) / stride;
    *end = *end < run->n ? *end : run->n;
    *begin = *begin < *end ? *begin : *end;
}

static void fill(const float **to, int64_t begin, int64_t end, const float *from, int64_t step)
{
    for (int64_t i = begin; i < end; i++)
        to[i] = from + (i - begin) * step;
}

/* Pointers of a run for one tap: column `at` of input row `y` for an output column of 0. */
static void point_tap(const conv *c, const run_of_pixels *run, int64_t y, int64_t at,
                      const float **to)
{
    const int64_t stride = c->attr.stride_w, width = c->x.shape.dim[2];
    int64_t begin = 0, end = 0;
    if (y >= 0 && y < c->x.shape.dim[1])
        clip_run(run, at, stride, width, &begin, &end);
    fill(to, 0, begin, c->zeros, 0);
    if (begin < end)
        fill(to, begin, end, input_at(c, run->image, y, at + (run->x + begin) * stride),
             stride * c->x.row_stride);
    fill(to, end, run->n, c->zeros, 0);
}

/* The part of a row of taps that lies inside the input, between zeros. */
static const float *make_patch(const conv *c, int64_t image, int64_t y, int64_t x, float **patches)
{
    const int64_t width = c->x.shape.dim[2], channels = c->x.shape.dim[3];
    const int64_t first = x < 0 ? -x : 0;
    const int64_t end = x + c->kernel_w > width ? width - x : c->kernel_w;
    if (first >= end)
        return c->zeros;
    float *patch = *patches;
    *patches += c->g.inputs;
    memset(patch, 0, (size_t)c->g.inputs * sizeof(float));
    memcpy(patch + first * channels, input_at(c, image, y, x + first),
           (size_t)((end - first) * channels) * sizeof(float));
    return patch;
}

/* Pointers of a run for one tap that is a row of the kernel. */
static void point_row(const conv *c, const run_of_pixels *run, int64_t y, const float **to,
                      float **patches)
{
    const int64_t stride = c->attr.stride_w, width = c->x.shape.dim[2];
    const int64_t x = run->x * stride - c->attr.pad_left;
    if (y < 0 || y >= c->x.shape.dim[1]) {
        fill(to, 0, run->n, c->zeros, 0);
        return;
    }
    /* Both ends of the row of taps have to be inside. */
    int64_t begin = 0, end = 0, last_begin = 0, last_end = 0;
    clip_run(run, -c->attr.pad_left, stride, width, &begin, &end);
    clip_run(run, c->kernel_w - 1 - c->attr.pad_left, stride, width, &last_begin, &last_end);
    begin = begin > last_begin ? begin : last_begin;
    end = last_end < end ? last_end : end;
    end = end > begin ? end : begin;
    for (int64_t i = 0; i < begin; i++)
        to[i] = make_patch(c, run->image, y, x + i * stride, patches);
    if (begin < end)
        fill(to, begin, end, input_at(c, run->image, y, x + begin * stride),
             stride * c->x.row_stride);
    for (int64_t i = end; i < run->n; i++)
        to[i] = make_patch(c, run->image, y, x + i * stride, patches);
}

static void point_run(const conv *c, const run_of_pixels *run, const float **to, float **patches)
{
    const conv2d_attr *a = &c->attr;
    int64_t y = run->y * a->stride_h - a->pad_top;
    for (int64_t i = 0; i < c->kernel_h; i++, y += a->dilation_h) {
        if (c->whole_rows) {
            point_row(c, run, y, to, patches);
            to += GEMM_BLOCK_ROWS;
            continue;
        }
        int64_t at = -a->pad_left;
        for (int64_t j = 0; j < c->kernel_w; j++, at += a->dilation_w, to += GEMM_BLOCK_ROWS)
            point_tap(c, run, y, at, to);
    }
}

static void point_block(const conv *c, int64_t first_row, int64_t n_rows, const conv_scratch *s)
{
    const int64_t out_h = c->out.shape.dim[1], out_w = c->out.shape.dim[2];
    float *patches = s->patches;
    for (int64_t done = 0; done < n_rows;) {
        const int64_t row = first_row + done;
        run_of_pixels run = {.image = row / (out_h * out_w),
                             .y = row / out_w % out_h,
                             .x = row % out_w,
                             .n = n_rows - done};
        run.n = run.n < out_w - run.x ? run.n : out_w - run.x;
        point_run(c, &run, s->pointers + done, &patches);
        done += run.n;
    }
}

static void run_columns(const conv *c, int64_t group, int64_t row, int64_t n_rows,
                        const int64_t columns[2], const conv_scratch *s)
{
    const int64_t group_columns = c->grid.columns;
    const float *panels = c->panels + group * gemm_packed_count(&c->g, group_columns);
    const float *bias = c->bias + group * gemm_padded(&c->g, group_columns);
    const int64_t most_columns = gemm_block_columns(&c->g);
    for (int64_t column = columns[0], n; column < columns[1]; column += n) {
        n = columns[1] - column < most_columns ? columns[1] - column : most_columns;
        const int64_t channel = group * group_columns + column;
        const gemm_block block = {
            .a = s->pointers,
            .a_stride = GEMM_BLOCK_ROWS,
            .a_offset = c->attr.groups == 1 ? 0 : group * c->g.inputs,
            .rows = n_rows,
            .columns = n,
            .panels = panels + gemm_packed_count(&c->g, column),
            .bias = bias + column,
            .out = c->out.data + row * c->out.row_stride + channel,
            .out_stride = c->out.row_stride,
            .residual =
                c->residual.data ? c->residual.data + row * c->residual.row_stride + channel : NULL,
            .residual_stride = c->residual.row_stride,
        };
        gemm_block_run(&c->g, &block, s->gemm);
    }
}

static void run(const void *state, int task, void *scratch)
{
    const conv *c = state;
    char *memory = scratch;
    const conv_scratch s = {.pointers = (const float **)scratch,
                            .patches = (float *)(void *)(memory + pointer_bytes(c)),
                            .gemm = memory + pointer_bytes(c) + patch_bytes(c)};
    int64_t rows[2], columns[2];
    gemm_grid_part(&c->grid, task, rows, columns);
    for (int64_t row = rows[0]; row < rows[1]; row += GEMM_BLOCK_ROWS) {
        const int64_t n_rows = rows[1] - row < GEMM_BLOCK_ROWS ? rows[1] - row : GEMM_BLOCK_ROWS;
        point_block(c, row, n_rows, &s);
        for (int64_t group = 0; group < c->attr.groups; group++)
            run_columns(c, group, row, n_rows, columns, &s);
    }
}

static roto_status conv_prepare(const kernel_site *site, kernel *out)
{
    const operand *w = &site->in[1];
    conv *c = kernel_alloc(site, 1, sizeof(*c));
    if (!c)
        return ROTO_ERROR_MEMORY;
    *c = (conv){.attr = site->node->attr.conv2d,
                .kernel_h = w->shape.dim[1],
                .kernel_w = w->shape.dim[2],
                .x = site->in[0],
                .out = site->out,
                .residual = site->in[3]};
    const int64_t group_columns = w->shape.dim[0] / c->attr.groups, depth = w->shape.dim[3];
    /* Joining a row of the kernel into one tap makes the inner loop longer where channels are few;
     * where they are many it would only make copies at the borders. */
    const int64_t few_channels = 16;
    c->whole_rows = c->kernel_w > 1 && c->attr.groups == 1 && c->attr.dilation_w == 1 &&
                    depth < few_channels && c->x.row_stride == depth;
    const bf16_product bf16 = kernel_bf16_for(site, c->kernel_h * c->kernel_w * depth);
    if (c->whole_rows)
        gemm_init(&c->g, site, bf16, c->kernel_h, c->kernel_w * depth, &c->attr.epi);
    else
        gemm_init(&c->g, site, bf16, c->kernel_h * c->kernel_w, depth, &c->attr.epi);
    ROTO_TRY(gemm_pack_constant(site, &c->g, w->data, site->in[2].data, group_columns,
                                c->attr.groups, &c->panels, &c->bias));
    /* A group's offset is added to every pointer, the ones to zeros included. */
    c->zeros = kernel_alloc(site, (size_t)(c->g.inputs * c->attr.groups), sizeof(float));
    if (!c->zeros)
        return ROTO_ERROR_MEMORY;
    c->grid = gemm_grid_make(site, &c->g, shape_rows(&c->out.shape), group_columns);
    *out = (kernel){.name = KERNEL_PRODUCT_NAME(site, bf16, "conv"),
                    .run = run,
                    .state = c,
                    .n_tasks = c->grid.row_parts * c->grid.column_parts,
                    .scratch_bytes =
                        pointer_bytes(c) + patch_bytes(c) +
                        gemm_scratch_bytes(&c->g, GEMM_BLOCK_ROWS, gemm_block_columns(&c->g))};
    return ROTO_OK;
}

roto_status conv2d_prepare(const kernel_site *site, kernel *out)
{
    if (!site->in[1].constant || (site->in[2].data && !site->in[2].constant))
        return kernel_refuse(site, "weights and bias have to be constants");
    if (site->node->attr.conv2d.norm || site->node->attr.conv2d.input.used)
        return kernel_refuse(site, "norms and functions of the input are operators of their own");
    const int64_t groups = site->node->attr.conv2d.groups;
    if (groups > 1 && groups == site->in[0].shape.dim[3] && groups == site->out.shape.dim[3])
        return depthwise_prepare(site, out);
    return conv_prepare(site, out);
}
