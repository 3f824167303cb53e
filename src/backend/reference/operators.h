/* backend/reference/operators.h - the definition of every operator, one function each. */
#ifndef BACKEND_REFERENCE_OPERATORS_H
#define BACKEND_REFERENCE_OPERATORS_H

#include "graph/graph.h"

/* One operator with its operands: contiguous, row-major, NULL where an optional one is missing. */
typedef struct ref_call {
    const graph_node *node;
    const float *in[GRAPH_MAX_INPUTS];
    const tensor_shape *shape[GRAPH_MAX_INPUTS]; /* of the inputs */
    float *out;
    const tensor_shape *out_shape;
    double *scratch; /* as many as the operator's ref_..._scratch() says */
} ref_call;

typedef void ref_operator(const ref_call *call);

ref_operator ref_conv2d, ref_conv_transpose2d;                           /* conv.c */
ref_operator ref_linear, ref_matmul;                                     /* matmul.c */
ref_operator ref_attention;                                              /* attention.c */
ref_operator ref_layer_norm, ref_softmax;                                /* normalise.c */
ref_operator ref_unary, ref_binary;                                      /* elementwise.c */
ref_operator ref_pool2d;                                                 /* pool.c */
ref_operator ref_resize2d;                                               /* resize.c */
ref_operator ref_reduce;                                                 /* reduce.c */
ref_operator ref_concat, ref_slice, ref_pad, ref_transpose, ref_reshape; /* shape.c */

int64_t ref_attention_scratch(const graph_node *node, int64_t n_keys);

double ref_unary_value(const unary_attr *attr, double x);

/* What is stored for an accumulator that already includes the bias; residual may be NULL. */
float ref_epilogue_value(const epilogue *epi, double acc, const float *residual);

/* Elements from one step along each dimension to the next, of a contiguous tensor. */
void ref_strides(const tensor_shape *shape, int64_t stride[TENSOR_MAX_RANK]);

/* The coordinates of an element, last dimension fastest. */
void ref_coordinates(const tensor_shape *shape, int64_t index, int64_t at[TENSOR_MAX_RANK]);

#endif
