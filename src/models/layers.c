#include "models/layers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

tensor_prefix tensor_prefix_make(const char *fmt, ...)
{
    tensor_prefix prefix;
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix.text, sizeof(prefix.text), fmt, args);
    va_end(args);
    return prefix;
}

linear_weights linear_bind(weights *w, const char *prefix, int64_t n, int64_t k)
{
    return (linear_weights){
        .weight = weights_get(w, prefix, "weight", WEIGHT_AS_IS, SHAPE(n, k)),
        .bias = weights_get(w, prefix, "bias", WEIGHT_AS_IS, SHAPE(n)),
        .n = n,
        .k = k,
    };
}

conv_weights conv_bind(weights *w, const char *prefix, int64_t out, int64_t in_per_group,
                       int64_t size)
{
    return (conv_weights){
        .weight =
            weights_get(w, prefix, "weight", WEIGHT_CONV, SHAPE(out, in_per_group, size, size)),
        .bias = weights_get(w, prefix, "bias", WEIGHT_AS_IS, SHAPE(out)),
        .out = out,
        .size = size,
        .in_per_group = in_per_group,
    };
}

conv_weights conv_transpose_bind(weights *w, const char *prefix, int64_t out, int64_t in,
                                 int64_t size)
{
    return (conv_weights){
        .weight =
            weights_get(w, prefix, "weight", WEIGHT_CONV_TRANSPOSE, SHAPE(in, out, size, size)),
        .bias = weights_get(w, prefix, "bias", WEIGHT_AS_IS, SHAPE(out)),
        .out = out,
        .size = size,
        .in_per_group = in,
    };
}

linear_weights conv1x1_bind(weights *w, const char *prefix, int64_t out, int64_t in)
{
    return (linear_weights){
        .weight = weights_get(w, prefix, "weight", WEIGHT_AS_IS, SHAPE(out, in, 1, 1)),
        .bias = weights_get(w, prefix, "bias", WEIGHT_AS_IS, SHAPE(out)),
        .n = out,
        .k = in,
    };
}

linear_weights linear_bind_plain(weights *w, const char *prefix, int64_t n, int64_t k)
{
    return (linear_weights){
        .weight = weights_get(w, prefix, "weight", WEIGHT_AS_IS, SHAPE(n, k)), .n = n, .k = k};
}

conv_weights conv_norm_bind(weights *w, const char *prefix, int64_t out, int64_t in_per_group,
                            int64_t size)
{
    const tensor_prefix norm = tensor_prefix_make("%s.bn", prefix);
    const float *kernel = weights_get(w, prefix, "c.weight", WEIGHT_CONV,
                                      SHAPE(out, in_per_group, size, size)),
                *gamma = weights_get(w, norm.text, "weight", WEIGHT_AS_IS, SHAPE(out)),
                *beta = weights_get(w, norm.text, "bias", WEIGHT_AS_IS, SHAPE(out)),
                *mean = weights_get(w, norm.text, "running_mean", WEIGHT_AS_IS, SHAPE(out)),
                *variance = weights_get(w, norm.text, "running_var", WEIGHT_AS_IS, SHAPE(out));
    const int64_t n = size * size * in_per_group;
    float *weight = weights_derive(w, out * n), *bias = weights_derive(w, out);
    const conv_weights folded = {
        .weight = weight, .bias = bias, .out = out, .size = size, .in_per_group = in_per_group};
    if (!weight || !bias || !kernel || !gamma || !beta || !mean || !variance)
        return folded;
    for (int64_t o = 0; o < out; o++) {
        const double spread = (double)variance[o] + (double)BATCH_NORM_EPSILON,
                     scale = spread > 0 ? (double)gamma[o] / sqrt(spread) : 0;
        bias[o] = (float)((double)beta[o] - (double)mean[o] * scale);
        for (int64_t i = 0; i < n; i++)
            weight[o * n + i] = (float)((double)kernel[o * n + i] * scale);
    }
    return folded;
}

norm_weights norm_bind(weights *w, const char *prefix, int64_t channels, float epsilon)
{
    return (norm_weights){
        .gamma = weights_get(w, prefix, "weight", WEIGHT_AS_IS, SHAPE(channels)),
        .beta = weights_get(w, prefix, "bias", WEIGHT_AS_IS, SHAPE(channels)),
        .channels = channels,
        .epsilon = epsilon,
    };
}

mlp_weights mlp_bind(weights *w, const char *prefix, int64_t in, int64_t hidden, int64_t out,
                     int n_layers)
{
    mlp_weights mlp = {.n_layers = n_layers};
    for (int i = 0; i < n_layers; i++) {
        const tensor_prefix layer = tensor_prefix_make("%s.layers.%d", prefix, i);
        mlp.layers[i] =
            linear_bind(w, layer.text, i == n_layers - 1 ? out : hidden, i == 0 ? in : hidden);
    }
    return mlp;
}

/* B (A x + a) + b = (B A) x + (B a + b), summed in double so that the fold costs no accuracy. */
linear_weights linear_fold(weights *w, const linear_weights *first, const linear_weights *second)
{
    const int64_t n = second->n, inner = second->k, k = first->k;
    float *weight = weights_derive(w, n * k), *bias = weights_derive(w, n);
    linear_weights folded = {.weight = weight, .bias = bias, .n = n, .k = k};
    if (!weight || !bias || !first->weight || !first->bias || !second->weight || !second->bias)
        return folded;
    for (int64_t i = 0; i < n; i++) {
        const float *row = second->weight + i * inner;
        double constant = (double)second->bias[i];
        for (int64_t j = 0; j < inner; j++)
            constant += (double)row[j] * (double)first->bias[j];
        bias[i] = (float)constant;
        for (int64_t c = 0; c < k; c++) {
            double sum = 0;
            for (int64_t j = 0; j < inner; j++)
                sum += (double)row[j] * (double)first->weight[j * k + c];
            weight[i * k + c] = (float)sum;
        }
    }
    return folded;
}

static tensor_id vector(graph *g, const float *values, int64_t n)
{
    return graph_constant_borrow(g, "bias", DTYPE_F32, SHAPE(n), values);
}

static tensor_id apply_linear(graph *g, const linear_weights *l, tensor_id x, bool precise)
{
    const tensor_id in[4] = {
        x, graph_constant_borrow(g, "weight", DTYPE_F32, SHAPE(l->n, l->k), l->weight),
        l->bias ? vector(g, l->bias, l->n) : TENSOR_NONE, TENSOR_NONE};
    const op_attr attr = {.linear = {.epi.residual = RESIDUAL_NONE, .precise = precise}};
    return x == TENSOR_NONE || in[1] == TENSOR_NONE
               ? TENSOR_NONE
               : graph_node_add(g, OP_LINEAR, NULL, in, 4, &attr);
}

tensor_id linear_apply(graph *g, const linear_weights *l, tensor_id x)
{
    return apply_linear(g, l, x, false);
}

tensor_id linear_apply_precise(graph *g, const linear_weights *l, tensor_id x)
{
    return apply_linear(g, l, x, true);
}

tensor_id conv_apply(graph *g, const conv_weights *c, tensor_id x, const conv2d_attr *attr)
{
    tensor_id weight = graph_constant_borrow(
        g, "weight", DTYPE_F32, SHAPE(c->out, c->size, c->size, c->in_per_group), c->weight);
    return graph_conv2d(g, x, weight, vector(g, c->bias, c->out), attr);
}

tensor_id norm_apply(graph *g, const norm_weights *n, tensor_id x)
{
    return graph_layer_norm(g, x, vector(g, n->gamma, n->channels), vector(g, n->beta, n->channels),
                            n->epsilon);
}

tensor_id mlp_apply(graph *g, const mlp_weights *m, tensor_id x, unary_kind act)
{
    for (int i = 0; i < m->n_layers; i++) {
        x = linear_apply(g, &m->layers[i], x);
        if (i < m->n_layers - 1)
            x = graph_unary(g, act, x);
    }
    return x;
}

tensor_id add(graph *g, tensor_id a, tensor_id b)
{
    return graph_binary(g, BINARY_ADD, a, b);
}

conv2d_attr conv2d_square(int stride, int padding, int groups)
{
    conv2d_attr attr = conv2d_default();
    attr.stride_h = attr.stride_w = stride;
    attr.pad_top = attr.pad_left = attr.pad_bottom = attr.pad_right = padding;
    attr.groups = groups;
    return attr;
}
