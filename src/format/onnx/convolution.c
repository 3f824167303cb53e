/* Convolutions, normalisation behind them, matrix products. */
#include "format/onnx/internal.h"

#include "format/onnx/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static roto_status need_image(const onnx_node *node, const onnx_value *x)
{
    if (x->shape.rank == 4)
        return ROTO_OK;
    return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                     "its input has %d dimensions; images have 4: batch, channels, height, width",
                     x->shape.rank);
}

static roto_status need_weights(const onnx_node *node, int input, int rank)
{
    const onnx_value *v = &node->in[input];
    if (v->kind != VALUE_CONSTANT || !v->f32 || v->shape.rank != rank ||
        constant_count(&v->shape) == 0)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "input %d has to be a constant floating-point tensor of %d dimensions",
                         input, rank);
    return ROTO_OK;
}

/* Scale and shift of an inference-time batch normalisation, per channel. */
typedef struct affine {
    const float *gamma, *beta, *mean, *variance;
    double epsilon;
    int64_t channels;
} affine;

static double affine_scale(const affine *a, int64_t c)
{
    return a->gamma[c] / sqrt((double)a->variance[c] + a->epsilon);
}

static double affine_shift(const affine *a, int64_t c)
{
    return a->beta[c] - a->mean[c] * affine_scale(a, c);
}

static roto_status read_affine(const onnx_node *node, affine *out)
{
    const float **fields[] = {&out->gamma, &out->beta, &out->mean, &out->variance};
    for (int i = 0; i < 4; i++) {
        ROTO_TRY(need_weights(node, i + 1, 1));
        *fields[i] = node->in[i + 1].f32;
        if (i > 0 && node->in[i + 1].shape.dim[0] != out->channels)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "inputs 1 to 4 differ in length");
        out->channels = node->in[i + 1].shape.dim[0];
    }
    out->epsilon = (double)attribute_float(node, "epsilon", 1e-5f);
    for (int64_t c = 0; c < out->channels; c++) {
        if (!((double)out->variance[c] + out->epsilon > 0))
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "the variance of channel %lld is %g",
                             (long long)c, (double)out->variance[c]);
    }
    return ROTO_OK;
}

/* The batch normalisation that alone reads this convolution's output and whose parameters are known
 * here, if there is one: it will be part of the weights. */
static bool find_norm(importer *im, const onnx_node *conv, int64_t channels, affine *out)
{
    const symbol *s = symbol_find(im, conv->proto->output[0]);
    if (!s || s->n_users != 1 || s->user < 0)
        return false;
    onnx_node norm = {.proto = im->source->node[s->user], .index = s->user, .n_in = 5};
    if (strcmp(norm.proto->op_type, "BatchNormalization") != 0 || norm.proto->n_input != 5 ||
        strcmp(norm.proto->input[0], s->name) != 0)
        return false;
    for (int i = 1; i < 5; i++) {
        symbol *p = symbol_find(im, norm.proto->input[i]);
        if (p && p->tensor && !p->defined) {
            if (constant_decode(im, p->tensor, &p->value) != ROTO_OK)
                return false; /* reported when the node itself is reached */
            p->defined = true;
        }
        if (!p || !p->defined)
            return false;
        norm.in[i] = p->value;
    }
    if (read_affine(&norm, out) != ROTO_OK || out->channels != channels)
        return false;
    im->marks[s->user] = NODE_PASSES_0;
    return true;
}

/* The norm's bias and the convolution's own. */
static roto_status fold_bias(importer *im, const onnx_value *bias, const affine *norm,
                             int64_t channels, tensor_id *out)
{
    *out = TENSOR_NONE;
    if (bias->kind == VALUE_ABSENT && !norm)
        return ROTO_OK;
    float *data = memory_new_array((size_t)channels, sizeof(*data));
    if (!data)
        return ROTO_ERROR_MEMORY;
    for (int64_t c = 0; c < channels; c++) {
        double b = bias->kind == VALUE_ABSENT ? 0 : (double)bias->f32[c];
        data[c] = (float)(norm ? b * affine_scale(norm, c) + affine_shift(norm, c) : b);
    }
    *out = value_constant(im, "bias", SHAPE(channels), data);
    free(data);
    return graph_status(im->g);
}

/* To [out, kh, kw, in]: from [out, in, kh, kw], or from a transposed convolution's [in, out, kh,
 * kw]. */
static roto_status reorder_weights(importer *im, const onnx_value *w, bool transposed,
                                   const affine *norm, const tensor_shape *shape, tensor_id *out)
{
    const int64_t n_out = w->shape.dim[transposed ? 1 : 0], n_in = w->shape.dim[transposed ? 0 : 1],
                  kh = w->shape.dim[2], kw = w->shape.dim[3];
    float *data = memory_new_array((size_t)constant_count(&w->shape), sizeof(*data)), *to = data;
    if (!data)
        return ROTO_ERROR_MEMORY;
    for (int64_t o = 0; o < n_out; o++) {
        const double scale = norm ? affine_scale(norm, o) : 1;
        for (int64_t k = 0; k < kh * kw; k++) {
            for (int64_t i = 0; i < n_in; i++) {
                int64_t from = ((transposed ? i * n_out + o : o * n_in + i) * kh * kw) + k;
                *to++ = (float)(w->f32[from] * scale);
            }
        }
    }
    *out = value_constant(im, "weight", *shape, data);
    free(data);
    return graph_status(im->g);
}

static roto_status check_bias(const onnx_node *node, int64_t channels)
{
    if (node->in[2].kind == VALUE_ABSENT)
        return ROTO_OK;
    ROTO_TRY(need_weights(node, 2, 1));
    if (node->in[2].shape.dim[0] != channels)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "a bias of %lld for %lld channels",
                         (long long)node->in[2].shape.dim[0], (long long)channels);
    return ROTO_OK;
}

/* A 1x1 convolution does not care where pixels are: when the channels are last in memory and the
 * rest is not in the order of an image (as in heads that weigh the bins of a distribution), it is a
 * linear layer. */
static bool is_linear(const conv2d_attr *a, const onnx_value *x, const onnx_value *w)
{
    return x->kind == VALUE_COMPUTED && x->order[3] == 1 &&
           !(x->order[0] == 0 && x->order[1] == 2) && w->shape.dim[2] == 1 &&
           w->shape.dim[3] == 1 && a->stride_h == 1 && a->stride_w == 1 && a->groups == 1 &&
           !a->pad_top && !a->pad_left && !a->pad_bottom && !a->pad_right;
}

roto_status import_conv(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0], *w = &node->in[1];
    ROTO_TRY(need_image(node, x));
    ROTO_TRY(need_weights(node, 1, 4));
    const int64_t channels = w->shape.dim[0];
    ROTO_TRY(check_bias(node, channels));
    conv2d_attr attr = conv2d_default();
    window win;
    ROTO_TRY(window_read(node, x, w, &win));
    const int64_t groups = attribute_int(node, "group", 1);
    if (groups < 1 || groups > channels)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "%lld groups of %lld channels", (long long)groups,
                         (long long)channels);
    attr.stride_h = win.stride[0];
    attr.stride_w = win.stride[1];
    attr.dilation_h = win.dilation[0];
    attr.dilation_w = win.dilation[1];
    attr.pad_top = win.pad[0];
    attr.pad_left = win.pad[1];
    attr.pad_bottom = win.pad[2];
    attr.pad_right = win.pad[3];
    attr.groups = (int)groups;

    affine norm;
    const affine *folded = find_norm(im, node, channels, &norm) ? &norm : NULL;
    tensor_id weight, bias;
    const bool linear = is_linear(&attr, x, w);
    const tensor_shape shape =
        linear ? SHAPE(channels, w->shape.dim[1])
               : SHAPE(channels, w->shape.dim[2], w->shape.dim[3], w->shape.dim[1]);
    ROTO_TRY(reorder_weights(im, w, false, folded, &shape, &weight));
    ROTO_TRY(fold_bias(im, &node->in[2], folded, channels, &bias));

    if (linear)
        return value_define(im, node, 0, graph_linear(im->g, x->id, weight, bias), x->order);
    int order[TENSOR_MAX_RANK];
    order_image(order);
    tensor_id in = value_in_order(im, x, order);
    return value_define(im, node, 0, graph_conv2d(im->g, in, weight, bias, &attr), order);
}

roto_status import_conv_transpose(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0], *w = &node->in[1];
    ROTO_TRY(need_image(node, x));
    ROTO_TRY(need_weights(node, 1, 4));
    const int64_t channels = w->shape.dim[1];
    ROTO_TRY(check_bias(node, channels));
    window win;
    ROTO_TRY(window_read(node, x, w, &win));
    if (attribute_int(node, "group", 1) != 1 || win.dilation[0] != 1 || win.dilation[1] != 1 ||
        !attribute_is(node, "auto_pad", "NOTSET", "NOTSET"))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "groups, dilation and auto_pad are not supported");
    int extra[2];
    ROTO_TRY(attribute_extents(node, "output_padding", 2, 0, extra));
    const conv_transpose2d_attr attr = {.stride_h = win.stride[0],
                                        .stride_w = win.stride[1],
                                        .pad_top = win.pad[0],
                                        .pad_left = win.pad[1],
                                        .pad_bottom = win.pad[2],
                                        .pad_right = win.pad[3],
                                        .extra_h = extra[0],
                                        .extra_w = extra[1]};
    affine norm;
    const affine *folded = find_norm(im, node, channels, &norm) ? &norm : NULL;
    tensor_id weight, bias;
    const tensor_shape shape = SHAPE(channels, w->shape.dim[2], w->shape.dim[3], w->shape.dim[0]);
    ROTO_TRY(reorder_weights(im, w, true, folded, &shape, &weight));
    ROTO_TRY(fold_bias(im, &node->in[2], folded, channels, &bias));
    int order[TENSOR_MAX_RANK];
    order_image(order);
    tensor_id in = value_in_order(im, x, order);
    return value_define(im, node, 0, graph_conv_transpose2d(im->g, in, weight, bias, &attr), order);
}

/* One that no convolution could take in: x * scale + shift. */
roto_status import_batch_norm(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    affine a;
    ROTO_TRY(read_affine(node, &a));
    if (attribute_int(node, "training_mode", 0) != 0)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "training mode is not supported");
    if (x->kind != VALUE_COMPUTED || x->shape.rank < 2 || x->shape.dim[1] != a.channels)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT,
                         "its input has to have %lld channels in dimension 1",
                         (long long)a.channels);
    float *scale = memory_new_array((size_t)a.channels, sizeof(*scale));
    float *shift = memory_new_array((size_t)a.channels, sizeof(*shift));
    if (!scale || !shift) {
        free(scale);
        free(shift);
        return ROTO_ERROR_MEMORY;
    }
    for (int64_t c = 0; c < a.channels; c++) {
        scale[c] = (float)affine_scale(&a, c);
        shift[c] = (float)affine_shift(&a, c);
    }
    /* [c, 1, ...] in memory, as many 1s as dimensions follow the channels'. */
    tensor_shape shape = {.rank = x->shape.rank - order_find(x, 1)};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == 0 ? a.channels : 1;
    tensor_id s = value_constant(im, "scale", shape, scale);
    tensor_id t = value_constant(im, "shift", shape, shift);
    free(scale);
    free(shift);
    tensor_id y = graph_binary(im->g, BINARY_ADD, graph_binary(im->g, BINARY_MUL, x->id, s), t);
    return value_define(im, node, 0, y, x->order);
}

/* The order nearest to the value's with ONNX's last dimension last in memory. */
static void order_last(const onnx_value *v, int *order)
{
    int n = 0;
    for (int i = 0; i < v->shape.rank; i++) {
        if (v->order[i] != v->shape.rank - 1)
            order[n++] = v->order[i];
    }
    order[n] = v->shape.rank - 1;
}

/* x times a constant matrix, [k, n] or (transposed) [n, k]. */
static roto_status import_linear(importer *im, onnx_node *node, const onnx_value *w,
                                 bool transposed, double alpha, tensor_id bias)
{
    const onnx_value *x = &node->in[0];
    const int64_t n = w->shape.dim[transposed ? 0 : 1], k = w->shape.dim[transposed ? 1 : 0];
    float *data = memory_new_array((size_t)(n * k), sizeof(*data));
    if (!data)
        return ROTO_ERROR_MEMORY;
    for (int64_t o = 0; o < n; o++)
        for (int64_t i = 0; i < k; i++)
            data[o * k + i] = (float)(alpha * w->f32[transposed ? o * k + i : i * n + o]);
    tensor_id weight = value_constant(im, "weight", SHAPE(n, k), data);
    free(data);
    int order[TENSOR_MAX_RANK] = {0};
    if (x->kind == VALUE_CONSTANT)
        order_identity(x->shape.rank, order);
    else
        order_last(x, order);
    tensor_id in = value_in_order(im, x, order);
    return value_define(im, node, 0, graph_linear(im->g, in, weight, bias), order);
}

roto_status import_gemm(importer *im, onnx_node *node)
{
    ROTO_TRY(need_weights(node, 1, 2));
    const bool transposed = attribute_int(node, "transB", 0) != 0;
    const int64_t n = node->in[1].shape.dim[transposed ? 0 : 1];
    const float beta = attribute_float(node, "beta", 1);
    const onnx_value *c = &node->in[2];
    if (attribute_int(node, "transA", 0) != 0 || node->in[0].shape.rank != 2)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "input 0 has to be a matrix and not transposed");
    tensor_id bias = TENSOR_NONE;
    if (c->kind != VALUE_ABSENT) {
        const int64_t count = constant_count(&c->shape);
        if (c->kind != VALUE_CONSTANT || !c->f32 || (count != n && count != 1) ||
            (c->shape.rank == 2 && c->shape.dim[0] != 1) || c->shape.rank > 2)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "input 2 has to be a constant row of %lld", (long long)n);
        float *data = memory_new_array((size_t)n, sizeof(*data));
        if (!data)
            return ROTO_ERROR_MEMORY;
        for (int64_t i = 0; i < n; i++)
            data[i] = beta * c->f32[count == 1 ? 0 : i];
        bias = value_constant(im, "bias", SHAPE(n), data);
        free(data);
    }
    return import_linear(im, node, &node->in[1], transposed,
                         (double)attribute_float(node, "alpha", 1), bias);
}

roto_status import_matmul(importer *im, onnx_node *node)
{
    const onnx_value *a = &node->in[0], *b = &node->in[1];
    if (a->shape.rank < 2 || b->shape.rank < 2)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "vectors are not supported");
    if (b->kind == VALUE_CONSTANT && b->f32 && b->shape.rank == 2 && a->kind == VALUE_COMPUTED &&
        constant_count(&b->shape) > 0)
        return import_linear(im, node, b, false, 1, TENSOR_NONE);
    int order_a[TENSOR_MAX_RANK], order_b[TENSOR_MAX_RANK];
    order_identity(a->shape.rank, order_a);
    order_identity(b->shape.rank, order_b);
    matmul_attr attr = {.scale = 1};
    /* b as it lies in memory if it lies transposed. */
    const int last = b->shape.rank - 1;
    if (b->kind == VALUE_COMPUTED && order_find(b, last) < order_find(b, last - 1)) {
        attr.transpose_b = true;
        order_b[last] = last - 1;
        order_b[last - 1] = last;
    }
    tensor_id left = value_in_order(im, a, order_a), right = value_in_order(im, b, order_b);
    tensor_id y = graph_matmul(im->g, left, right, &attr);
    int order[TENSOR_MAX_RANK];
    order_identity(a->shape.rank > b->shape.rank ? a->shape.rank : b->shape.rank, order);
    return value_define(im, node, 0, y, order);
}
