/* Convolutions, transposed convolutions and linear layers. */
#include "backend/cuda/module/executable.h"

#include "backend/cuda/module/blas.h"
#include "backend/cuda/module/conv_patch.h"
#include "backend/cuda/module/conv_tiny.h"
#include "backend/cuda/module/hopper_choice.h"
#include "backend/cuda/module/linear_few.h"
#include "backend/cuda/module/weights.h"
#include "base/error.h"

/* Most blocks along a grid's second dimension, and columns of a tile. */
enum { MAX_GRID = 65535, TILE_COLUMNS = 64 };

static roto_status check_constant_weights(const dev_site *site)
{
    return site->in[1].constant ? ROTO_OK : site_refuse(site, "weights have to be constants");
}

static roto_status add_hopper(dev_site *site, gemm_hopper_params *h, int64_t flops)
{
    if (!site->e->measuring)
        DEVICE_TRY(gemm_hopper_maps(h), "describing the matrices of '%s'", site->node->name);
    return site_add(site, "gemm.wgmma", gemm_hopper_launch, h, sizeof(*h), flops);
}

/* The fastest of the kernels for bf16. */
static roto_status add_bf16(dev_site *site, const gemm_params *p, int64_t flops)
{
    gemm_hopper_params h = {.g = *p};
    bool blas_first = true, taken = false;
    const bool hopper =
        site->compute_capability == 90 && !site->only_common && hopper_choose(&h, &blas_first);
    if (!hopper || blas_first)
        ROTO_TRY(blas_add(site, p, flops, &taken));
    if (taken)
        return ROTO_OK;
    return hopper ? add_hopper(site, &h, flops)
                  : site_add(site, "gemm.mma", gemm_mma_launch, p, sizeof(*p), flops);
}

/* Fills in x, w and k of a product whose weights are [outputs][taps * channels] in `order`, and
 * adds it: with matrix instructions on bf16 where the precision says so, else in fp32 arithmetic.
 */
static roto_status add_product(dev_site *site, gemm_params *p, const weight_order *order)
{
    const int64_t flops = graph_node_flops(site->e->g, site->node);
    const bool bf16 = site->precision == PRECISION_BF16 && p->groups == 1;
    if ((p->columns + TILE_COLUMNS - 1) / TILE_COLUMNS > MAX_GRID || p->groups > MAX_GRID)
        return site_refuse(site, "more than 4 million output channels or 65535 groups");
    const int64_t taps = (int64_t)p->window.kernel_h * p->window.kernel_w;
    if (!bf16) {
        p->x = rows_of(&site->in[0]);
        p->k = (int32_t)(taps * p->channels);
        p->k_stride = p->k;
        p->w.is_bf16 = 0;
        ROTO_TRY(weights_upload_f32(site, order, &p->w.data));
        return site_add(site, "gemm.simt", gemm_simt_launch, p, sizeof(*p), flops);
    }
    if (linear_few_suits(site, p))
        return linear_few_add(site, p, order, flops);
    const int64_t padded = (p->channels + 7) / 8 * 8;
    const pack_wish wish = {.heads = 1, .padded = padded};
    ROTO_TRY(site_pack(site, &site->in[0], &wish, &p->x));
    ROTO_TRY(weights_upload_bf16(site, order, padded, &p->w.data));
    p->w.is_bf16 = 1;
    p->channels = (int32_t)padded;
    p->k = (int32_t)(taps * padded);
    p->k_stride = p->k;
    const bool fours = p->columns % 4 == 0 && p->scatter % 4 == 0 && site_result_aligned(site, 4);
    p->vector = fours ? 4 : 1;
    p->n_multiprocessors = site->n_multiprocessors;
    return add_bf16(site, p, flops);
}

roto_status linear_prepare(dev_site *site)
{
    ROTO_TRY(check_constant_weights(site));
    const int64_t rows = shape_rows(&site->in[0].shape);
    const int64_t n = site->in[1].shape.dim[0], k = site->in[1].shape.dim[1];
    gemm_params p = {.out = rows_of(&site->out),
                     .window = {.in_h = (int32_t)rows,
                                .in_w = 1,
                                .out_h = (int32_t)rows,
                                .out_w = 1,
                                .kernel_h = 1,
                                .kernel_w = 1,
                                .stride_h = 1,
                                .stride_w = 1,
                                .dilation_h = 1,
                                .dilation_w = 1},
                     .rows = (int32_t)rows,
                     .columns = (int32_t)n,
                     .channels = (int32_t)k,
                     .groups = 1};
    ROTO_TRY(site_epilogue(site, &site->node->attr.linear.epi, &p.epi));
    const weight_order order = {
        .data = site->in[1].constant, .outputs = n, .taps = 1, .channels = k};
    return add_product(site, &p, &order);
}

static roto_status add_depthwise(dev_site *site, const dev_window *window, const dev_epilogue *epi)
{
    const tensor_shape *w = &site->in[1].shape;
    depthwise_params p = {.out = rows_of(&site->out),
                          .x = rows_of(&site->in[0]),
                          .window = *window,
                          .epi = *epi,
                          .n = (int32_t)site->out.shape.dim[0],
                          .channels = (int32_t)w->dim[0]};
    const bool wide =
        w->dim[0] % 4 == 0 && operand_aligned(&site->in[0], 4) && operand_aligned(&site->out, 4);
    p.vector = wide ? 4 : 1;
    /* [channel][tap] to [tap][channel]. */
    const weight_order order = {.data = site->in[1].constant,
                                .outputs = w->dim[1] * w->dim[2],
                                .taps = 1,
                                .channels = w->dim[0],
                                .transposed = true};
    void *at = NULL;
    ROTO_TRY(weights_upload_f32(site, &order, &at));
    p.w = at;
    return site_add(site, "depthwise", depthwise_launch, &p, sizeof(p),
                    graph_node_flops(site->e->g, site->node));
}

roto_status conv2d_prepare(dev_site *site)
{
    ROTO_TRY(check_constant_weights(site));
    const conv2d_attr *a = &site->node->attr.conv2d;
    const int64_t *in = site->in[0].shape.dim, *out = site->out.shape.dim;
    const int64_t *w = site->in[1].shape.dim;
    gemm_params p = {.out = rows_of(&site->out),
                     .window = {.in_h = (int32_t)in[1],
                                .in_w = (int32_t)in[2],
                                .out_h = (int32_t)out[1],
                                .out_w = (int32_t)out[2],
                                .kernel_h = (int32_t)w[1],
                                .kernel_w = (int32_t)w[2],
                                .stride_h = a->stride_h,
                                .stride_w = a->stride_w,
                                .pad_top = a->pad_top,
                                .pad_left = a->pad_left,
                                .dilation_h = a->dilation_h,
                                .dilation_w = a->dilation_w},
                     .rows = (int32_t)(out[0] * out[1] * out[2]),
                     .columns = (int32_t)(w[0] / a->groups),
                     .channels = (int32_t)w[3],
                     .groups = a->groups};
    if (conv_is_tiny(site->e->g, site->node))
        return conv_tiny_add(site, &p.window);
    if (a->norm || a->input.used)
        return site_refuse(site, "no kernel normalises or reads through a function here");
    ROTO_TRY(site_epilogue(site, &a->epi, &p.epi));
    if (w[3] == 1 && w[0] == in[3] && a->groups == in[3] && a->groups > 1)
        return add_depthwise(site, &p.window, &p.epi);
    if (conv_patch_has(site, &p))
        return conv_patch_add(site, &p);
    const weight_order order = {
        .data = site->in[1].constant, .outputs = w[0], .taps = w[1] * w[2], .channels = w[3]};
    return add_product(site, &p, &order);
}

roto_status conv_transpose2d_prepare(dev_site *site)
{
    ROTO_TRY(check_constant_weights(site));
    const conv_transpose2d_attr *a = &site->node->attr.conv_transpose2d;
    const int64_t *in = site->in[0].shape.dim, *out = site->out.shape.dim;
    const int64_t *w = site->in[1].shape.dim;
    gemm_params p = {.out = rows_of(&site->out), .groups = 1, .channels = (int32_t)w[3]};
    ROTO_TRY(site_epilogue(site, &a->epi, &p.epi));
    weight_order order = {
        .data = site->in[1].constant, .outputs = w[0], .taps = w[1] * w[2], .channels = w[3]};
    const bool apart = a->stride_h == w[1] && a->stride_w == w[2] && !a->pad_top && !a->pad_left &&
                       !a->pad_bottom && !a->pad_right && !a->extra_h && !a->extra_w;
    if (apart) { /* output pixels of different input pixels do not meet */
        p.window = (dev_window){.in_h = (int32_t)in[1],
                                .in_w = (int32_t)in[2],
                                .out_h = (int32_t)in[1],
                                .out_w = (int32_t)in[2],
                                .kernel_h = 1,
                                .kernel_w = 1,
                                .stride_h = 1,
                                .stride_w = 1,
                                .dilation_h = 1,
                                .dilation_w = 1};
        p.rows = (int32_t)(in[0] * in[1] * in[2]);
        p.columns = (int32_t)(w[0] * w[1] * w[2]);
        p.scatter = (int32_t)w[0];
        p.scatter_h = (int32_t)w[1];
        p.scatter_w = (int32_t)w[2];
        order.taps_first = true;
    } else {
        p.window = (dev_window){.in_h = (int32_t)in[1],
                                .in_w = (int32_t)in[2],
                                .out_h = (int32_t)out[1],
                                .out_w = (int32_t)out[2],
                                .kernel_h = (int32_t)w[1],
                                .kernel_w = (int32_t)w[2],
                                .stride_h = a->stride_h,
                                .stride_w = a->stride_w,
                                .pad_top = a->pad_top,
                                .pad_left = a->pad_left,
                                .dilation_h = 1,
                                .dilation_w = 1,
                                .transposed = 1};
        p.rows = (int32_t)(out[0] * out[1] * out[2]);
        p.columns = (int32_t)w[0];
    }
    return add_product(site, &p, &order);
}
