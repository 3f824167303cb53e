/* Transposed convolutions: output pixels whose coordinates leave the same rest when divided by the
 * stride read the same taps of the kernel, so each such phase is a convolution of its own (as in
 * Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?"). */
#include "backend/cpu/gemm.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The taps first, first + stride, ... of the kernel; where there are none, one tap of zeros. */
typedef struct phase {
    gemm g;
    int64_t first_y, first_x;
    int64_t taps_h, taps_w;
    const float *panels, *bias;
} phase;

typedef struct conv_transpose {
    conv_transpose2d_attr attr;
    phase *phases; /* [stride_h][stride_w] */
    int64_t most_taps;
    const float *zeros;
    operand x, out, residual;
    int n_tasks;
} conv_transpose;

/* Pointers for n pixels of output row y from column x on, every stride_w-th. */
static void point(const conv_transpose *c, const phase *p, int64_t image, int64_t y, int64_t x,
                  int64_t n, const float **to)
{
    const conv_transpose2d_attr *a = &c->attr;
    const int64_t height = c->x.shape.dim[1], width = c->x.shape.dim[2];
    const int64_t last_y = (y + a->pad_top - p->first_y) / a->stride_h; /* exact */
    const int64_t last_x = (x + a->pad_left - p->first_x) / a->stride_w;
    for (int64_t i = 0; i < p->taps_h; i++) {
        const int64_t in_y = last_y - i;
        const float *row = c->x.data + (image * height + in_y) * width * c->x.row_stride;
        for (int64_t j = 0; j < p->taps_w; j++, to += GEMM_BLOCK_ROWS) {
            for (int64_t r = 0; r < n; r++) {
                const int64_t in_x = last_x + r - j;
                const bool inside = in_y >= 0 && in_y < height && in_x >= 0 && in_x < width;
                to[r] = inside ? row + in_x * c->x.row_stride : c->zeros;
            }
        }
    }
}

static void run_columns(const conv_transpose *c, const phase *p, int64_t pixel, int64_t n,
                        const float *const *pointers, void *scratch)
{
    const int64_t channels = c->out.shape.dim[3], most_columns = gemm_block_columns(&p->g);
    for (int64_t column = 0, columns; column < channels; column += columns) {
        columns = channels - column < most_columns ? channels - column : most_columns;
        const gemm_block block = {
            .a = pointers,
            .a_stride = GEMM_BLOCK_ROWS,
            .rows = n,
            .columns = columns,
            .panels = p->panels + gemm_packed_count(&p->g, column),
            .bias = p->bias + column,
            .out = c->out.data + pixel * c->out.row_stride + column,
            .out_stride = c->attr.stride_w * c->out.row_stride,
            .residual = c->residual.data
                            ? c->residual.data + pixel * c->residual.row_stride + column
                            : NULL,
            .residual_stride = c->attr.stride_w * c->residual.row_stride,
        };
        gemm_block_run(&p->g, &block, scratch);
    }
}

static size_t pointer_bytes(const conv_transpose *c)
{
    const size_t bytes = (size_t)c->most_taps * GEMM_BLOCK_ROWS * sizeof(const float *);
    return (bytes + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
}

static void run_row(const conv_transpose *c, int64_t row, void *scratch)
{
    const conv_transpose2d_attr *a = &c->attr;
    const int64_t out_h = c->out.shape.dim[1], out_w = c->out.shape.dim[2];
    const int64_t image = row / out_h, y = row % out_h;
    const float **pointers = scratch;
    const phase *phases = c->phases + (y + a->pad_top) % a->stride_h * a->stride_w;
    for (int64_t start = 0; start < a->stride_w && start < out_w; start++) {
        const phase *p = &phases[(start + a->pad_left) % a->stride_w];
        const int64_t n_pixels = (out_w - start + a->stride_w - 1) / a->stride_w;
        for (int64_t i = 0; i < n_pixels; i += GEMM_BLOCK_ROWS) {
            const int64_t n = n_pixels - i < GEMM_BLOCK_ROWS ? n_pixels - i : GEMM_BLOCK_ROWS;
            const int64_t x = start + i * a->stride_w;
            point(c, p, image, y, x, n, pointers);
            run_columns(c, p, row * out_w + x, n, pointers, (char *)scratch + pointer_bytes(c));
        }
    }
}

static void run(const void *state, int task, void *scratch)
{
    const conv_transpose *c = state;
    const int64_t n_rows = c->out.shape.dim[0] * c->out.shape.dim[1];
    for (int64_t row = task_first(n_rows, c->n_tasks, task);
         row < task_first(n_rows, c->n_tasks, task + 1); row++)
        run_row(c, row, scratch);
}

/* Picks the phase's taps out of the kernel and packs them. */
static roto_status prepare_phase(const kernel_site *site, const conv_transpose *c, int64_t first_y,
                                 int64_t first_x, phase *p)
{
    const operand *w = &site->in[1];
    const int64_t out_c = w->shape.dim[0], kernel_h = w->shape.dim[1], kernel_w = w->shape.dim[2],
                  channels = w->shape.dim[3];
    const int64_t stride_h = c->attr.stride_h, stride_w = c->attr.stride_w;
    const bool empty = first_y >= kernel_h || first_x >= kernel_w;
    *p = (phase){.first_y = first_y, .first_x = first_x, .taps_h = 1, .taps_w = 1};
    if (!empty) {
        p->taps_h = (kernel_h - first_y + stride_h - 1) / stride_h;
        p->taps_w = (kernel_w - first_x + stride_w - 1) / stride_w;
    }
    gemm_init(&p->g, site, site->bf16, p->taps_h * p->taps_w, channels, &c->attr.epi);
    float *taps =
        memory_new_array((size_t)(out_c * p->taps_h * p->taps_w * channels), sizeof(float));
    if (!taps)
        return ROTO_ERROR_MEMORY;
    float *to = taps;
    for (int64_t o = 0; o < out_c && !empty; o++)
        for (int64_t i = 0; i < p->taps_h; i++)
            for (int64_t j = 0; j < p->taps_w; j++, to += channels) {
                const int64_t y = first_y + i * stride_h, x = first_x + j * stride_w;
                memcpy(to, w->data + ((o * kernel_h + y) * kernel_w + x) * channels,
                       (size_t)channels * sizeof(float));
            }
    const roto_status status =
        gemm_pack_constant(site, &p->g, taps, site->in[2].data, out_c, 1, &p->panels, &p->bias);
    free(taps);
    return status;
}

roto_status conv_transpose2d_prepare(const kernel_site *site, kernel *out)
{
    const operand *w = &site->in[1];
    if (!w->constant || (site->in[2].data && !site->in[2].constant))
        return kernel_refuse(site, "weights and bias have to be constants");
    conv_transpose *c = kernel_alloc(site, 1, sizeof(*c));
    if (!c)
        return ROTO_ERROR_MEMORY;
    *c = (conv_transpose){.attr = site->node->attr.conv_transpose2d,
                          .x = site->in[0],
                          .out = site->out,
                          .residual = site->in[3]};
    const int64_t stride_h = c->attr.stride_h, stride_w = c->attr.stride_w;
    /* Phases of a stride far beyond the kernel would be all the same, and many. */
    const int64_t most_phases = 4096;
    if (stride_h * stride_w > most_phases)
        return kernel_refuse(site, "a stride of %lldx%lld is too large", (long long)stride_h,
                             (long long)stride_w);
    c->phases = kernel_alloc(site, (size_t)(stride_h * stride_w), sizeof(*c->phases));
    c->zeros = kernel_alloc(site, (size_t)w->shape.dim[3], sizeof(float));
    if (!c->phases || !c->zeros)
        return ROTO_ERROR_MEMORY;
    size_t scratch_bytes = 0;
    for (int64_t i = 0; i < stride_h * stride_w; i++) {
        phase *p = &c->phases[i];
        ROTO_TRY(prepare_phase(site, c, i / stride_w, i % stride_w, p));
        c->most_taps = p->g.taps > c->most_taps ? p->g.taps : c->most_taps;
        const size_t bytes = gemm_scratch_bytes(&p->g, GEMM_BLOCK_ROWS, gemm_block_columns(&p->g));
        scratch_bytes = bytes > scratch_bytes ? bytes : scratch_bytes;
    }
    const int64_t n_rows = c->out.shape.dim[0] * c->out.shape.dim[1];
    const double row_flops =
        2.0 * (double)(w->shape.dim[1] * w->shape.dim[2] * shape_count(&c->x.shape)) *
        (double)w->shape.dim[0] / (double)n_rows;
    c->n_tasks = kernel_n_tasks(site, n_rows, row_flops / 80);
    *out = (kernel){.name = KERNEL_PRODUCT_NAME(site, site->bf16, "conv_transpose"),
                    .run = run,
                    .state = c,
                    .n_tasks = c->n_tasks,
                    .scratch_bytes = pointer_bytes(c) + scratch_bytes};
    return ROTO_OK;
}
