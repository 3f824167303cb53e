/* Functions of one element, and of two with broadcasting. */
#include "backend/reference/operators.h"

#include <math.h>

double ref_unary_value(const unary_attr *attr, double x)
{
    const double alpha = attr->alpha, beta = attr->beta;
    /* Comparisons are written so that NaN comes out as NaN. */
    switch (attr->kind) {
    case UNARY_IDENTITY:
        return x;
    case UNARY_RELU:
        return x < 0 ? 0 : x;
    case UNARY_LEAKY_RELU:
        return x < 0 ? alpha * x : x;
    case UNARY_SILU:
        return x / (1 + exp(-x));
    case UNARY_SIGMOID:
        return 1 / (1 + exp(-x));
    case UNARY_GELU:
        return x / 2 * (1 + erf(x / sqrt(2)));
    case UNARY_GELU_TANH: /* Hendrycks and Gimpel 2016 */
        return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case UNARY_HARD_SWISH: {
        double gate = x / 6 + 0.5;
        return x * (gate < 0 ? 0 : gate > 1 ? 1 : gate);
    }
    case UNARY_HARD_SIGMOID: {
        double gate = alpha * x + beta;
        return gate < 0 ? 0 : gate > 1 ? 1 : gate;
    }
    case UNARY_TANH:
        return tanh(x);
    case UNARY_EXP:
        return exp(x);
    case UNARY_LOG:
        return log(x);
    case UNARY_SQRT:
        return sqrt(x);
    case UNARY_ABS:
        return fabs(x);
    case UNARY_NEG:
        return -x;
    case UNARY_SIN:
        return sin(x);
    case UNARY_COS:
        return cos(x);
    case UNARY_CLAMP: {
        double low = x < alpha ? alpha : x;
        return low > beta ? beta : low;
    }
    case UNARY_COUNT:
        break;
    }
    return NAN;
}

float ref_epilogue_value(const epilogue *epi, double acc, const float *residual)
{
    if (epi->residual == RESIDUAL_BEFORE)
        acc += *residual;
    acc = ref_unary_value(&epi->act, acc);
    if (epi->residual == RESIDUAL_AFTER)
        acc += *residual;
    return (float)acc;
}

void ref_unary(const ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++)
        call->out[i] = (float)ref_unary_value(&call->node->attr.unary, call->in[0][i]);
}

static double binary_value(binary_kind kind, double a, double b)
{
    switch (kind) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUB:
        return a - b;
    case BINARY_MUL:
        return a * b;
    case BINARY_DIV:
        return a / b;
    case BINARY_MAX:
        return a > b || a != a ? a : b;
    case BINARY_MIN:
        return a < b || a != a ? a : b;
    case BINARY_POW:
        return pow(a, b);
    case BINARY_COUNT:
        break;
    }
    return NAN;
}

/* Where the element of a broadcast operand lies that meets the output's element `at`. */
static int64_t broadcast_index(const tensor_shape *shape, const tensor_shape *out,
                               const int64_t at[TENSOR_MAX_RANK])
{
    int64_t stride[TENSOR_MAX_RANK], index = 0;
    ref_strides(shape, stride);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] != 1)
            index += at[out->rank - shape->rank + i] * stride[i];
    }
    return index;
}

void ref_binary(const ref_call *call)
{
    for (int64_t i = 0; i < shape_count(call->out_shape); i++) {
        int64_t at[TENSOR_MAX_RANK];
        ref_coordinates(call->out_shape, i, at);
        double a = call->in[0][broadcast_index(call->shape[0], call->out_shape, at)];
        double b = call->in[1][broadcast_index(call->shape[1], call->out_shape, at)];
        call->out[i] = (float)binary_value(call->node->attr.binary, a, b);
    }
}
