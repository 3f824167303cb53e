/* The operators that can be imported. */
#include "format/onnx/internal.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW " auto_pad dilations kernel_shape pads strides "
#define ANY NODE_MAX_INPUTS

/* Sorted by name. An attribute that is not listed makes a node an error: it might change the
 * result.
 */
static const op_rule rules[] = {
    {"Abs", import_unary, "", 1, 1, false},
    {"Add", import_binary, "", 2, 2, false},
    {"And", import_compare, "", 2, 2, true},
    {"AveragePool", import_average_pool, WINDOW "ceil_mode count_include_pad ", 1, 1, false},
    {"BatchNormalization", import_batch_norm, " epsilon momentum spatial training_mode ", 5, 5,
     false},
    {"Cast", import_cast, " to ", 1, 1, false},
    {"Ceil", import_round, "", 1, 1, true},
    {"Clip", import_clip, " max min ", 1, 3, false},
    {"Concat", import_concat, " axis ", 1, ANY, false},
    {"Constant", import_constant, " value value_float value_floats value_int value_ints ", 0, 0,
     false},
    {"ConstantOfShape", import_constant_of_shape, " value ", 1, 1, true},
    {"Conv", import_conv, WINDOW "group ", 2, 3, false},
    {"ConvTranspose", import_conv_transpose, WINDOW "group output_padding ", 2, 3, false},
    {"Cos", import_unary, "", 1, 1, false},
    {"Div", import_binary, "", 2, 2, false},
    {"Dropout", import_identity, " ratio seed ", 1, 3, false},
    {"Equal", import_compare, "", 2, 2, true},
    {"Erf", import_erf, "", 1, 1, false},
    {"Exp", import_unary, "", 1, 1, false},
    {"Expand", import_expand, "", 2, 2, true},
    {"Flatten", import_flatten, " axis ", 1, 1, false},
    {"Floor", import_round, "", 1, 1, true},
    {"Gather", import_gather, " axis ", 2, 2, false},
    {"Gelu", import_unary, " approximate ", 1, 1, false},
    {"Gemm", import_gemm, " alpha beta transA transB ", 2, 3, false},
    {"GlobalAveragePool", import_global_average_pool, "", 1, 1, false},
    {"Greater", import_compare, "", 2, 2, true},
    {"HardSigmoid", import_unary, " alpha beta ", 1, 1, false},
    {"HardSwish", import_unary, "", 1, 1, false},
    {"Identity", import_identity, "", 1, 1, false},
    {"LeakyRelu", import_unary, " alpha ", 1, 1, false},
    {"Less", import_compare, "", 2, 2, true},
    {"Log", import_unary, "", 1, 1, false},
    {"MatMul", import_matmul, "", 2, 2, false},
    {"Max", import_variadic, "", 1, ANY, false},
    {"MaxPool", import_max_pool, WINDOW "ceil_mode storage_order ", 1, 1, false},
    {"Min", import_variadic, "", 1, ANY, false},
    {"Mul", import_binary, "", 2, 2, false},
    {"Neg", import_unary, "", 1, 1, false},
    {"Not", import_round, "", 1, 1, true},
    {"Or", import_compare, "", 2, 2, true},
    {"Pad", import_pad, " mode pads value ", 1, 4, false},
    {"Pow", import_binary, "", 2, 2, false},
    {"Range", import_range, "", 3, 3, true},
    {"ReduceMax", import_reduce, " axes keepdims noop_with_empty_axes ", 1, 2, false},
    {"ReduceMean", import_reduce, " axes keepdims noop_with_empty_axes ", 1, 2, false},
    {"ReduceSum", import_reduce, " axes keepdims noop_with_empty_axes ", 1, 2, false},
    {"Relu", import_unary, "", 1, 1, false},
    {"Reshape", import_reshape, " allowzero shape ", 1, 2, false},
    {"Resize", import_resize,
     " antialias coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
     "keep_aspect_ratio_policy mode nearest_mode ",
     1, 4, false},
    {"Round", import_round, "", 1, 1, true},
    {"Shape", import_shape, " end start ", 1, 1, false},
    {"Sigmoid", import_unary, "", 1, 1, false},
    {"Sin", import_unary, "", 1, 1, false},
    {"Slice", import_slice, " axes ends starts ", 1, 5, false},
    {"Softmax", import_softmax, " axis ", 1, 1, false},
    {"Split", import_split, " axis num_outputs split ", 1, 2, false},
    {"Sqrt", import_unary, "", 1, 1, false},
    {"Squeeze", import_squeeze, " axes ", 1, 2, false},
    {"Sub", import_binary, "", 2, 2, false},
    {"Sum", import_variadic, "", 1, ANY, false},
    {"Tanh", import_unary, "", 1, 1, false},
    {"Transpose", import_transpose, " perm ", 1, 1, false},
    {"Unsqueeze", import_unsqueeze, " axes ", 1, 2, false},
    {"Upsample", import_resize, " mode scales ", 1, 2, false},
    {"Where", import_where, "", 3, 3, true},
};

static int compare_rules(const void *a, const void *b)
{
    return strcmp(((const op_rule *)a)->op, ((const op_rule *)b)->op);
}

const op_rule *op_rule_find(const char *op)
{
    const op_rule key = {.op = op};
    return bsearch(&key, rules, sizeof(rules) / sizeof(rules[0]), sizeof(key), compare_rules);
}
