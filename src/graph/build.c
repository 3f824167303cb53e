/* The builder's operator calls: each packs its operands in the order that graph.h documents. */
#include "graph/graph.h"

#include <string.h>

/* A required operand that an earlier failure left out; the graph already holds that error. */
static bool missing(tensor_id t)
{
    return t == TENSOR_NONE;
}

conv2d_attr conv2d_default(void)
{
    return (conv2d_attr){
        .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
}

tensor_id graph_conv2d(graph *g, tensor_id x, tensor_id weight, tensor_id bias,
                       const conv2d_attr *attr)
{
    if (missing(x) || missing(weight))
        return TENSOR_NONE;
    return graph_node_add(g, OP_CONV2D, NULL, (tensor_id[]){x, weight, bias, TENSOR_NONE}, 4,
                          &(op_attr){.conv2d = *attr});
}

tensor_id graph_conv_transpose2d(graph *g, tensor_id x, tensor_id weight, tensor_id bias,
                                 const conv_transpose2d_attr *attr)
{
    if (missing(x) || missing(weight))
        return TENSOR_NONE;
    return graph_node_add(g, OP_CONV_TRANSPOSE2D, NULL, (tensor_id[]){x, weight, bias, TENSOR_NONE},
                          4, &(op_attr){.conv_transpose2d = *attr});
}

tensor_id graph_linear(graph *g, tensor_id x, tensor_id weight, tensor_id bias)
{
    if (missing(x) || missing(weight))
        return TENSOR_NONE;
    return graph_node_add(g, OP_LINEAR, NULL, (tensor_id[]){x, weight, bias, TENSOR_NONE}, 4,
                          &(op_attr){.linear.epi.residual = RESIDUAL_NONE});
}

tensor_id graph_matmul(graph *g, tensor_id a, tensor_id b, const matmul_attr *attr)
{
    if (missing(a) || missing(b))
        return TENSOR_NONE;
    return graph_node_add(g, OP_MATMUL, NULL, (tensor_id[]){a, b}, 2, &(op_attr){.matmul = *attr});
}

tensor_id graph_attention(graph *g, const tensor_id in[8], const attention_attr *attr)
{
    if (missing(in[0]) || missing(in[1]) || missing(in[2]))
        return TENSOR_NONE;
    return graph_node_add(g, OP_ATTENTION, NULL, in, 8, &(op_attr){.attention = *attr});
}

tensor_id graph_layer_norm(graph *g, tensor_id x, tensor_id gamma, tensor_id beta, float epsilon)
{
    if (missing(x))
        return TENSOR_NONE;
    return graph_node_add(g, OP_LAYER_NORM, NULL, (tensor_id[]){x, gamma, beta}, 3,
                          &(op_attr){.layer_norm = {.epsilon = epsilon}});
}

static tensor_id unary_node(graph *g, op_kind op, tensor_id x, const op_attr *attr)
{
    return missing(x) ? TENSOR_NONE : graph_node_add(g, op, NULL, &x, 1, attr);
}

tensor_id graph_softmax(graph *g, tensor_id x, int axis)
{
    return unary_node(g, OP_SOFTMAX, x, &(op_attr){.axis = {.axis = axis}});
}

tensor_id graph_unary(graph *g, unary_kind kind, tensor_id x)
{
    return graph_unary_attr(g, &(unary_attr){.kind = kind}, x);
}

tensor_id graph_unary_attr(graph *g, const unary_attr *attr, tensor_id x)
{
    return unary_node(g, OP_UNARY, x, &(op_attr){.unary = *attr});
}

tensor_id graph_binary(graph *g, binary_kind kind, tensor_id a, tensor_id b)
{
    if (missing(a) || missing(b))
        return TENSOR_NONE;
    return graph_node_add(g, OP_BINARY, NULL, (tensor_id[]){a, b}, 2, &(op_attr){.binary = kind});
}

tensor_id graph_pool2d(graph *g, tensor_id x, const pool2d_attr *attr)
{
    return unary_node(g, OP_POOL2D, x, &(op_attr){.pool2d = *attr});
}

tensor_id graph_resize2d(graph *g, tensor_id x, const resize2d_attr *attr)
{
    return unary_node(g, OP_RESIZE2D, x, &(op_attr){.resize2d = *attr});
}

tensor_id graph_reduce(graph *g, reduce_kind kind, tensor_id x, uint32_t axes)
{
    return unary_node(g, OP_REDUCE, x, &(op_attr){.reduce = {.kind = kind, .axes = axes}});
}

tensor_id graph_concat(graph *g, const tensor_id *parts, int n_parts, int axis)
{
    for (int i = 0; i < n_parts; i++) {
        if (missing(parts[i]))
            return TENSOR_NONE;
    }
    return graph_node_add(g, OP_CONCAT, NULL, parts, n_parts, &(op_attr){.axis = {.axis = axis}});
}

tensor_id graph_slice(graph *g, tensor_id x, const slice_attr *attr)
{
    return unary_node(g, OP_SLICE, x, &(op_attr){.slice = *attr});
}

tensor_id graph_pad(graph *g, tensor_id x, const pad_attr *attr)
{
    return unary_node(g, OP_PAD, x, &(op_attr){.pad = *attr});
}

tensor_id graph_transpose(graph *g, tensor_id x, const int *perm)
{
    if (missing(x))
        return TENSOR_NONE;
    op_attr attr = {0};
    memcpy(attr.transpose.perm, perm, (size_t)graph_tensor_at(g, x)->shape.rank * sizeof(perm[0]));
    return unary_node(g, OP_TRANSPOSE, x, &attr);
}

tensor_id graph_reshape(graph *g, tensor_id x, tensor_shape shape)
{
    return unary_node(g, OP_RESHAPE, x, &(op_attr){.reshape = shape});
}
