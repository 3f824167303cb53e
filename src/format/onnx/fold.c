/* What is computed while importing: shapes, and arithmetic on constants. */
#include "format/onnx/internal.h"

#include <math.h>
#include <string.h>

/* ---- arithmetic -------------------------------------------------------------------------------
 */

static bool integer_binary(const char *op, int64_t a, int64_t b, int64_t *out)
{
    if (strcmp(op, "Add") == 0)
        return !__builtin_add_overflow(a, b, out);
    if (strcmp(op, "Sub") == 0)
        return !__builtin_sub_overflow(a, b, out);
    if (strcmp(op, "Mul") == 0)
        return !__builtin_mul_overflow(a, b, out);
    if (strcmp(op, "Div") == 0) {
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *out = a / b;
    } else if (strcmp(op, "Max") == 0) {
        *out = a > b ? a : b;
    } else if (strcmp(op, "Min") == 0) {
        *out = a < b ? a : b;
    } else if (strcmp(op, "Equal") == 0) {
        *out = a == b;
    } else if (strcmp(op, "Less") == 0) {
        *out = a < b;
    } else if (strcmp(op, "Greater") == 0) {
        *out = a > b;
    } else if (strcmp(op, "And") == 0) {
        *out = a && b;
    } else if (strcmp(op, "Or") == 0) {
        *out = a || b;
    } else {
        return false;
    }
    return true;
}

static float float_binary(const char *op, float a, float b)
{
    if (strcmp(op, "Add") == 0)
        return a + b;
    if (strcmp(op, "Sub") == 0)
        return a - b;
    if (strcmp(op, "Mul") == 0)
        return a * b;
    if (strcmp(op, "Div") == 0)
        return a / b;
    if (strcmp(op, "Max") == 0)
        return fmaxf(a, b);
    if (strcmp(op, "Min") == 0)
        return fminf(a, b);
    return strcmp(op, "Pow") == 0 ? powf(a, b) : NAN;
}

/* Strides that walk `v` along the broadcast shape. */
static void broadcast_strides(const onnx_value *v, const tensor_shape *shape, int64_t *stride)
{
    int64_t own[TENSOR_MAX_RANK];
    constant_strides(&v->shape, own);
    const int extra = shape->rank - v->shape.rank;
    for (int i = 0; i < shape->rank; i++)
        stride[i] = i < extra || v->shape.dim[i - extra] == 1 ? 0 : own[i - extra];
}

static roto_status spread(importer *im, const onnx_value *v, const tensor_shape *shape,
                          onnx_value *out)
{
    int64_t stride[TENSOR_MAX_RANK];
    broadcast_strides(v, shape, stride);
    return constant_gather(im, v, shape, 0, stride, out);
}

static roto_status broadcast(const onnx_node *node, const onnx_value *a, const onnx_value *b,
                             tensor_shape *shape)
{
    if (shape_broadcast(&a->shape, &b->shape, shape))
        return ROTO_OK;
    char x[SHAPE_TEXT_BYTES], y[SHAPE_TEXT_BYTES];
    return NODE_FAIL(node, ROTO_ERROR_FORMAT, "shapes %s and %s do not broadcast",
                     shape_text(&a->shape, x), shape_text(&b->shape, y));
}

roto_status fold_binary(importer *im, onnx_node *node, const char *op, const onnx_value *a,
                        const onnx_value *b, onnx_value *out)
{
    tensor_shape shape;
    onnx_value left, right;
    ROTO_TRY(broadcast(node, a, b, &shape));
    ROTO_TRY(spread(im, a, &shape, &left));
    ROTO_TRY(spread(im, b, &shape, &right));
    const int64_t n = constant_count(&shape);
    if (!left.f32 != !right.f32)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its inputs have different types");
    if (left.i64) {
        int64_t *data;
        ROTO_TRY(constant_new_i64(im, &shape, out, &data));
        for (int64_t i = 0; i < n; i++) {
            if (!integer_binary(op, left.i64[i], right.i64[i], &data[i]))
                return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                                 "it cannot be computed on the integers %lld and %lld",
                                 (long long)left.i64[i], (long long)right.i64[i]);
        }
        return ROTO_OK;
    }
    float *data;
    ROTO_TRY(constant_new_f32(im, &shape, out, &data));
    for (int64_t i = 0; i < n; i++) {
        data[i] = float_binary(op, left.f32[i], right.f32[i]);
        if (!isfinite(data[i]))
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "it cannot be computed on the constants %g and %g",
                             (double)left.f32[i], (double)right.f32[i]);
    }
    return ROTO_OK;
}

static float float_unary(const char *op, float x)
{
    if (strcmp(op, "Neg") == 0)
        return -x;
    if (strcmp(op, "Abs") == 0)
        return fabsf(x);
    if (strcmp(op, "Sqrt") == 0)
        return sqrtf(x);
    if (strcmp(op, "Exp") == 0)
        return expf(x);
    if (strcmp(op, "Log") == 0)
        return logf(x);
    if (strcmp(op, "Floor") == 0)
        return floorf(x);
    if (strcmp(op, "Ceil") == 0)
        return ceilf(x);
    if (strcmp(op, "Round") == 0)
        return rintf(x);
    if (strcmp(op, "Sigmoid") == 0)
        return 1 / (1 + expf(-x));
    return NAN;
}

roto_status fold_unary(importer *im, onnx_node *node, const char *op, const onnx_value *x,
                       onnx_value *out)
{
    const int64_t n = constant_count(&x->shape);
    if (x->i64) {
        const bool neg = strcmp(op, "Neg") == 0, not_op = strcmp(op, "Not") == 0;
        int64_t *data;
        ROTO_TRY(constant_new_i64(im, &x->shape, out, &data));
        for (int64_t i = 0; i < n; i++) {
            if (!neg && !not_op)
                return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "it takes no integers");
            if (not_op)
                data[i] = !x->i64[i];
            else if (__builtin_sub_overflow((int64_t)0, x->i64[i], &data[i]))
                return NODE_FAIL(node, ROTO_ERROR_FORMAT, "integer overflow");
        }
        return ROTO_OK;
    }
    float *data;
    ROTO_TRY(constant_new_f32(im, &x->shape, out, &data));
    for (int64_t i = 0; i < n; i++) {
        data[i] = float_unary(op, x->f32[i]);
        if (!isfinite(data[i]))
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "it cannot be computed on the constant %g", (double)x->f32[i]);
    }
    return ROTO_OK;
}

roto_status import_compare(importer *im, onnx_node *node)
{
    return fold_binary(im, node, node->proto->op_type, &node->in[0], &node->in[1], &node->out[0]);
}

roto_status import_round(importer *im, onnx_node *node)
{
    return fold_unary(im, node, node->proto->op_type, &node->in[0], &node->out[0]);
}

roto_status import_where(importer *im, onnx_node *node)
{
    tensor_shape shape;
    onnx_value all[3], pair = {.kind = VALUE_CONSTANT};
    ROTO_TRY(broadcast(node, &node->in[0], &node->in[1], &pair.shape));
    ROTO_TRY(broadcast(node, &pair, &node->in[2], &shape));
    for (int i = 0; i < 3; i++)
        ROTO_TRY(spread(im, &node->in[i], &shape, &all[i]));
    if (!all[0].i64 || !all[1].f32 != !all[2].f32)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its inputs have wrong types");
    const int64_t n = constant_count(&shape);
    float *f32;
    int64_t *i64;
    if (all[1].f32) {
        ROTO_TRY(constant_new_f32(im, &shape, &node->out[0], &f32));
        for (int64_t i = 0; i < n; i++)
            f32[i] = all[all[0].i64[i] ? 1 : 2].f32[i];
    } else {
        ROTO_TRY(constant_new_i64(im, &shape, &node->out[0], &i64));
        for (int64_t i = 0; i < n; i++)
            i64[i] = all[all[0].i64[i] ? 1 : 2].i64[i];
    }
    return ROTO_OK;
}

/* ---- making constants -------------------------------------------------------------------------
 */

roto_status import_shape(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int rank = x->shape.rank;
    int64_t start = attribute_int(node, "start", 0), end = attribute_int(node, "end", rank);
    start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    const tensor_shape shape = SHAPE(end > start ? end - start : 0);
    int64_t *data;
    ROTO_TRY(constant_new_i64(im, &shape, &node->out[0], &data));
    for (int64_t i = 0; i < shape.dim[0]; i++)
        data[i] = x->shape.dim[start + i];
    return ROTO_OK;
}

roto_status import_constant(importer *im, onnx_node *node)
{
    const Onnx__Attribute *a = node->proto->n_attribute == 1 ? node->proto->attribute[0] : NULL;
    onnx_value *out = &node->out[0];
    float *f32;
    int64_t *i64;
    tensor_shape shape = {0};
    if (a && a->t && strcmp(a->name, "value") == 0)
        return constant_decode(im, a->t, out);
    if (a && (strcmp(a->name, "value_int") == 0 || strcmp(a->name, "value_ints") == 0)) {
        const bool list = strcmp(a->name, "value_ints") == 0;
        if (list)
            shape = SHAPE((int64_t)a->n_ints);
        ROTO_TRY(constant_new_i64(im, &shape, out, &i64));
        for (int64_t i = 0; i < constant_count(&shape); i++)
            i64[i] = list ? a->ints[i] : a->i;
        return ROTO_OK;
    }
    if (a && (strcmp(a->name, "value_float") == 0 || strcmp(a->name, "value_floats") == 0)) {
        const bool list = strcmp(a->name, "value_floats") == 0;
        if (list)
            shape = SHAPE((int64_t)a->n_floats);
        ROTO_TRY(constant_new_f32(im, &shape, out, &f32));
        for (int64_t i = 0; i < constant_count(&shape); i++) {
            f32[i] = list ? a->floats[i] : a->f;
            if (!isfinite(f32[i]))
                return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its value is not finite");
        }
        return ROTO_OK;
    }
    return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "this kind of constant is not supported");
}

/* A constant list of integers as a shape. */
static roto_status shape_from(const onnx_node *node, const onnx_value *v, tensor_shape *out)
{
    if (!v->i64 || v->shape.rank != 1 || v->shape.dim[0] > TENSOR_MAX_RANK)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its shape has to be a list of at most %d",
                         TENSOR_MAX_RANK);
    out->rank = (int)v->shape.dim[0];
    for (int i = 0; i < out->rank; i++)
        out->dim[i] = v->i64[i];
    return ROTO_OK;
}

roto_status import_constant_of_shape(importer *im, onnx_node *node)
{
    tensor_shape shape = {0};
    ROTO_TRY(shape_from(node, &node->in[0], &shape));
    const Onnx__Attribute *a = attribute_find(node, "value");
    onnx_value fill;
    if (a && a->t) {
        ROTO_TRY(constant_decode(im, a->t, &fill));
        if (constant_count(&fill.shape) != 1)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its value has to have one element");
    } else {
        float *zero;
        ROTO_TRY(constant_new_f32(im, &(tensor_shape){0}, &fill, &zero));
    }
    const int64_t stride[TENSOR_MAX_RANK] = {0};
    return constant_gather(im, &fill, &shape, 0, stride, &node->out[0]);
}

roto_status import_expand(importer *im, onnx_node *node)
{
    tensor_shape wanted = {0}, shape;
    ROTO_TRY(shape_from(node, &node->in[1], &wanted));
    onnx_value like = {.kind = VALUE_CONSTANT, .shape = wanted};
    ROTO_TRY(broadcast(node, &node->in[0], &like, &shape));
    return spread(im, &node->in[0], &shape, &node->out[0]);
}

roto_status import_cast(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int64_t to = attribute_int(node, "to", 0);
    const bool to_float =
        to == ONNX_FLOAT || to == ONNX_FLOAT16 || to == ONNX_BFLOAT16 || to == ONNX_DOUBLE;
    const bool to_int = to == ONNX_INT64 || to == ONNX_INT32 || to == ONNX_BOOL;
    if ((!to_float && !to_int) || (x->kind == VALUE_COMPUTED && !to_float))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "a cast to type %lld is not supported here",
                         (long long)to);
    if (x->kind == VALUE_COMPUTED || !x->f32 == !to_float) {
        if (to == ONNX_BOOL)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "a cast to type 9 is not supported here");
        node->out[0] = *x; /* all floating-point types are computed as f32, all integers as int64 */
        return ROTO_OK;
    }
    const int64_t n = constant_count(&x->shape);
    if (to_float) {
        float *data;
        ROTO_TRY(constant_new_f32(im, &x->shape, &node->out[0], &data));
        for (int64_t i = 0; i < n; i++)
            data[i] = (float)x->i64[i];
        return ROTO_OK;
    }
    int64_t *data;
    ROTO_TRY(constant_new_i64(im, &x->shape, &node->out[0], &data));
    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x->f32[i]) < 0x1p31f))
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "%g fits no integer", (double)x->f32[i]);
        data[i] = to == ONNX_BOOL ? x->f32[i] != 0 : (int64_t)x->f32[i];
    }
    return ROTO_OK;
}

roto_status import_range(importer *im, onnx_node *node)
{
    double start, limit, delta;
    if (!constant_scalar(&node->in[0], &start) || !constant_scalar(&node->in[1], &limit) ||
        !constant_scalar(&node->in[2], &delta) || delta == 0)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "it takes three numbers, the last not 0");
    const double n = ceil((limit - start) / delta);
    if (!(n <= (double)SHAPE_MAX_ELEMENTS))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "a range of %g elements", n);
    const tensor_shape shape = SHAPE(n > 0 ? (int64_t)n : 0);
    float *f32;
    int64_t *i64;
    if (node->in[0].f32) {
        ROTO_TRY(constant_new_f32(im, &shape, &node->out[0], &f32));
        for (int64_t i = 0; i < shape.dim[0]; i++)
            f32[i] = (float)(start + (double)i * delta);
    } else {
        if (fabs(start) > 0x1p52 || fabs(delta) > 0x1p52 || fabs(limit) > 0x1p52)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its numbers are too large");
        ROTO_TRY(constant_new_i64(im, &shape, &node->out[0], &i64));
        for (int64_t i = 0; i < shape.dim[0]; i++)
            i64[i] = (int64_t)start + i * (int64_t)delta;
    }
    return ROTO_OK;
}
