/* Operators that only move elements. */
#include "backend/reference/operators.h"

#include <string.h>

void ref_strides(const tensor_shape *shape, int64_t stride[TENSOR_MAX_RANK])
{
    int64_t step = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
}

void ref_coordinates(const tensor_shape *shape, int64_t index, int64_t at[TENSOR_MAX_RANK])
{
    for (int i = shape->rank - 1; i >= 0; i--) {
        at[i] = index % shape->dim[i];
        index /= shape->dim[i];
    }
}

void ref_concat(const ref_call *call)
{
    const int axis = call->node->attr.axis.axis;
    int64_t stride[TENSOR_MAX_RANK], start = 0;
    ref_strides(call->out_shape, stride);
    for (int part = 0; part < call->node->n_in; part++) {
        const tensor_shape *shape = call->shape[part];
        for (int64_t i = 0; i < shape_count(shape); i++) {
            int64_t at[TENSOR_MAX_RANK], index = start * stride[axis];
            ref_coordinates(shape, i, at);
            for (int d = 0; d < shape->rank; d++)
                index += at[d] * stride[d];
            call->out[index] = call->in[part][i];
        }
        start += shape->dim[axis];
    }
}

void ref_slice(const ref_call *call)
{
    const slice_attr *a = &call->node->attr.slice;
    int64_t stride[TENSOR_MAX_RANK];
    ref_strides(call->shape[0], stride);
    for (int64_t i = 0; i < shape_count(call->out_shape); i++) {
        int64_t at[TENSOR_MAX_RANK], index = 0;
        ref_coordinates(call->out_shape, i, at);
        for (int d = 0; d < call->out_shape->rank; d++)
            index += (a->start[d] + at[d] * a->step[d]) * stride[d];
        call->out[i] = call->in[0][index];
    }
}

void ref_pad(const ref_call *call)
{
    const pad_attr *a = &call->node->attr.pad;
    int64_t stride[TENSOR_MAX_RANK];
    ref_strides(call->shape[0], stride);
    for (int64_t i = 0; i < shape_count(call->out_shape); i++) {
        int64_t at[TENSOR_MAX_RANK], index = 0;
        bool inside = true;
        ref_coordinates(call->out_shape, i, at);
        for (int d = 0; d < call->out_shape->rank; d++) {
            const int64_t own = at[d] - a->before[d];
            inside = inside && own >= 0 && own < call->shape[0]->dim[d];
            index += own * stride[d];
        }
        call->out[i] = inside ? call->in[0][index] : a->value;
    }
}

void ref_transpose(const ref_call *call)
{
    const int *perm = call->node->attr.transpose.perm;
    int64_t stride[TENSOR_MAX_RANK];
    ref_strides(call->shape[0], stride);
    for (int64_t i = 0; i < shape_count(call->out_shape); i++) {
        int64_t at[TENSOR_MAX_RANK], index = 0;
        ref_coordinates(call->out_shape, i, at);
        for (int d = 0; d < call->out_shape->rank; d++)
            index += at[d] * stride[perm[d]];
        call->out[i] = call->in[0][index];
    }
}

void ref_reshape(const ref_call *call)
{
    memcpy(call->out, call->in[0], (size_t)shape_count(call->out_shape) * sizeof(float));
}
