/* Linear layers and products of two computed matrices. */
#include "backend/reference/operators.h"

void ref_linear(const ref_call *call)
{
    const int64_t rows = shape_rows(call->shape[0]), n = call->shape[1]->dim[0],
                  k = call->shape[1]->dim[1];
    for (int64_t row = 0; row < rows; row++)
        for (int64_t o = 0; o < n; o++) {
            double acc = 0;
            for (int64_t i = 0; i < k; i++)
                acc += (double)call->in[0][row * k + i] * call->in[1][o * k + i];
            if (call->in[2])
                acc += call->in[2][o];
            call->out[row * n + o] = ref_epilogue_value(
                &call->node->attr.linear.epi, acc, call->in[3] ? call->in[3] + row * n + o : NULL);
        }
}

/* Which of an operand's matrices meets the output's matrix `index` after broadcasting. */
static int64_t broadcast_matrix(const tensor_shape *operand, const tensor_shape *out, int64_t index)
{
    int64_t stride = 1, matrix = 0;
    for (int i = out->rank - 3; i >= 0; i--) {
        const int64_t at = index % out->dim[i];
        const int own = i - (out->rank - operand->rank);
        index /= out->dim[i];
        if (own < 0)
            continue;
        if (operand->dim[own] != 1)
            matrix += at * stride;
        stride *= operand->dim[own];
    }
    return matrix;
}

void ref_matmul(const ref_call *call)
{
    const matmul_attr *attr = &call->node->attr.matmul;
    const tensor_shape *out = call->out_shape;
    const int64_t m = out->dim[out->rank - 2], n = out->dim[out->rank - 1],
                  k = shape_last(call->shape[0]);
    for (int64_t matrix = 0; matrix < shape_count(out) / (m * n); matrix++) {
        const float *a = call->in[0] + broadcast_matrix(call->shape[0], out, matrix) * m * k;
        const float *b = call->in[1] + broadcast_matrix(call->shape[1], out, matrix) * k * n;
        float *c = call->out + matrix * m * n;
        for (int64_t row = 0; row < m; row++)
            for (int64_t column = 0; column < n; column++) {
                double acc = 0;
                for (int64_t i = 0; i < k; i++)
                    acc += (double)a[row * k + i] *
                           (attr->transpose_b ? b[column * k + i] : b[i * n + column]);
                c[row * n + column] = (float)(attr->scale * acc);
            }
    }
}
