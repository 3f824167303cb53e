/* Sums, means and maxima over any set of axes. */
#include "backend/reference/operators.h"

#include <math.h>

void ref_reduce(const ref_call *call)
{
    const reduce_attr *attr = &call->node->attr.reduce;
    const tensor_shape *in = call->shape[0], *out = call->out_shape;
    tensor_shape inner = *in; /* the elements that one output is made of */
    int64_t stride[TENSOR_MAX_RANK];
    ref_strides(in, stride);
    for (int i = 0; i < in->rank; i++) {
        if (!(attr->axes >> i & 1))
            inner.dim[i] = 1;
    }
    const int64_t n = shape_count(&inner);
    for (int64_t o = 0; o < shape_count(out); o++) {
        int64_t at[TENSOR_MAX_RANK], base = 0;
        ref_coordinates(out, o, at);
        for (int i = 0; i < in->rank; i++)
            base += at[i] * stride[i];
        double acc = attr->kind == REDUCE_MAX ? -INFINITY : 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t index = base;
            ref_coordinates(&inner, k, at);
            for (int i = 0; i < in->rank; i++)
                index += at[i] * stride[i];
            const double x = call->in[0][index];
            if (attr->kind != REDUCE_MAX)
                acc += x;
            else if (x > acc || x != x)
                acc = x;
        }
        call->out[o] = (float)(attr->kind == REDUCE_MEAN ? acc / (double)n : acc);
    }
}
