/* Functions of one and two elements, with every pattern of broadcasting, and reductions. */
#include "backend/checkops/row.h"

#define UNARY(use_, kind_, a, b, x)                                                                \
    {                                                                                              \
        .name = #kind_, .op = OP_UNARY, .use = use_, .attr.unary = {UNARY_##kind_, a, b},          \
        .n_in = 1, .in = {x},                                                                      \
    }
#define BINARY(use_, name_, kind_, a, b)                                                           \
    {                                                                                              \
        .name = name_, .op = OP_BINARY, .use = use_, .attr.binary = BINARY_##kind_, .n_in = 2,     \
        .in = {a, b},                                                                              \
    }
#define REDUCE(use_, name_, kind_, axes_, x)                                                       \
    {                                                                                              \
        .name = name_, .op = OP_REDUCE, .use = use_, .attr.reduce = {REDUCE_##kind_, axes_},       \
        .n_in = 1, .in = {x},                                                                      \
    }

static const check_row rows[] = {
    UNARY(ROW_CHECK, IDENTITY, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, RELU, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, LEAKY_RELU, 0.1f, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, SILU, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, SIGMOID, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, GELU, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, GELU_TANH, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, HARD_SWISH, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, HARD_SIGMOID, 0.2f, 0.5f, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, TANH, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, EXP, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, LOG, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, SQRT, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, ABS, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, NEG, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, SIN, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, COS, 0, 0, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, CLAMP, -0.5f, 0.75f, DIMS(2, 3, 19)),
    UNARY(ROW_CHECK, SILU, 0, 0, SCALAR),
    UNARY(ROW_CHECK, GELU, 0, 0, DIMS(1, 1, 1, 1, 3, 1000)),
    UNARY(ROW_BENCH, SILU, 0, 0, DIMS(1, 104, 104, 64)),
    UNARY(ROW_BENCH, GELU, 0, 0, DIMS(1, 4096, 1536)),
    UNARY(ROW_BENCH, SIGMOID, 0, 0, DIMS(4, 1024, 1024, 1)),

    BINARY(ROW_CHECK, "add", ADD, DIMS(2, 3, 19), DIMS(2, 3, 19)),
    BINARY(ROW_CHECK, "sub a row", SUB, DIMS(2, 3, 19), DIMS(19)),
    BINARY(ROW_CHECK, "mul a scalar", MUL, DIMS(2, 3, 19), SCALAR),
    BINARY(ROW_CHECK, "div by columns", DIV, DIMS(2, 3, 19), DIMS(2, 3, 1)),
    BINARY(ROW_CHECK, "max, both broadcast", MAX, DIMS(4, 1, 9), DIMS(5, 1)),
    BINARY(ROW_CHECK, "min, left smaller", MIN, DIMS(17), DIMS(3, 2, 17)),
    BINARY(ROW_CHECK, "pow", POW, DIMS(3, 19), DIMS(3, 19)),
    BINARY(ROW_CHECK, "scalar sub tensor", SUB, SCALAR, DIMS(2, 19)),
    BINARY(ROW_CHECK, "scalars", ADD, SCALAR, SCALAR),
    BINARY(ROW_CHECK, "gate of channels", MUL, DIMS(2, 4, 5, 16), DIMS(2, 1, 1, 16)),
    BINARY(ROW_CHECK, "add a middle dimension", ADD, DIMS(2, 3, 4, 5), DIMS(3, 1, 5)),
    BINARY(ROW_CHECK, "div, columns by rows", DIV, DIMS(5, 1), DIMS(1, 6)),
    BINARY(ROW_BENCH, "add, residual", ADD, DIMS(1, 4096, 256), DIMS(1, 4096, 256)),
    BINARY(ROW_BENCH, "mul, gate of channels", MUL, DIMS(1, 80, 80, 128), DIMS(1, 1, 1, 128)),

    REDUCE(ROW_CHECK, "sum of rows", SUM, 4, DIMS(2, 3, 37)),
    REDUCE(ROW_CHECK, "mean of the image", MEAN, 6, DIMS(2, 5, 7, 20)),
    REDUCE(ROW_CHECK, "max of columns", MAX, 1, DIMS(9, 21)),
    REDUCE(ROW_CHECK, "max of rows", MAX, 2, DIMS(4, 19)),
    REDUCE(ROW_CHECK, "mean of everything", MEAN, 7, DIMS(3, 4, 11)),
    REDUCE(ROW_CHECK, "sum of outer and inner", SUM, 5, DIMS(4, 3, 10)),
    REDUCE(ROW_CHECK, "sum of one element", SUM, 2, DIMS(4, 1)),
    REDUCE(ROW_CHECK, "mean of a long row", MEAN, 2, DIMS(2, 5000)),
    REDUCE(ROW_CHECK, "mean of a large image", MEAN, 6, DIMS(2, 40, 33, 20)),
    REDUCE(ROW_CHECK, "max of outer and inner, many", MAX, 5, DIMS(300, 3, 11)),
    REDUCE(ROW_BENCH, "global average pooling", MEAN, 6, DIMS(1, 80, 80, 256)),
    REDUCE(ROW_BENCH, "EdgeTAM squeeze, first stage", MEAN, 6, DIMS(1, 256, 256, 48)),
    REDUCE(ROW_BENCH, "max over classes", MAX, 4, DIMS(1, 8400, 80)),
};

const row_list element_rows = {rows, sizeof(rows) / sizeof(rows[0])};
