/* Layer norm (Ba et al. 2016) and softmax. */
#include "backend/reference/operators.h"

#include <math.h>

void ref_layer_norm(const ref_call *call)
{
    const int64_t rows = shape_rows(call->shape[0]), c = shape_last(call->shape[0]);
    for (int64_t row = 0; row < rows; row++) {
        const float *x = call->in[0] + row * c;
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < c; i++)
            mean += x[i];
        mean /= (double)c;
        for (int64_t i = 0; i < c; i++)
            variance += (x[i] - mean) * (x[i] - mean);
        variance /= (double)c;
        const double inverse = 1 / sqrt(variance + call->node->attr.layer_norm.epsilon);
        for (int64_t i = 0; i < c; i++) {
            double y = (x[i] - mean) * inverse;
            if (call->in[1])
                y *= call->in[1][i];
            if (call->in[2])
                y += call->in[2][i];
            call->out[row * c + i] = (float)ref_unary_value(&call->node->attr.layer_norm.act, y);
        }
    }
}

void ref_softmax(const ref_call *call)
{
    const tensor_shape *shape = call->shape[0];
    const int axis = call->node->attr.axis.axis;
    int64_t stride[TENSOR_MAX_RANK];
    ref_strides(shape, stride);
    const int64_t n = shape->dim[axis], step = stride[axis];
    for (int64_t first = 0; first < shape_count(shape); first++) {
        if (first / step % n != 0)
            continue; /* not the first element of its line along the axis */
        const float *x = call->in[0] + first;
        double max = x[0], sum = 0;
        for (int64_t i = 1; i < n; i++)
            max = x[i * step] > max ? x[i * step] : max;
        for (int64_t i = 0; i < n; i++)
            sum += exp(x[i * step] - max);
        for (int64_t i = 0; i < n; i++)
            call->out[first + i * step] = (float)(exp(x[i * step] - max) / sum);
    }
}
