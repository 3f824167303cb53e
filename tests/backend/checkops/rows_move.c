/* Operators that only move elements; their results have to be equal bit for bit. */
#include "backend/checkops/row.h"

#define CONCAT(name_, axis_, n, ...)                                                               \
    {                                                                                              \
        .name = name_, .op = OP_CONCAT, .attr.axis = {axis_}, .n_in = n, .in = {__VA_ARGS__},      \
    }
#define TRANSPOSE(use_, name_, x, ...)                                                             \
    {                                                                                              \
        .name = name_, .op = OP_TRANSPOSE, .use = use_, .attr.transpose = {{__VA_ARGS__}},         \
        .n_in = 1, .in = {x},                                                                      \
    }
#define LIST(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define SLICE(name_, x, start_, step_, size_)                                                      \
    {                                                                                              \
        .name = name_, .op = OP_SLICE, .attr.slice = {start_, step_, size_}, .n_in = 1, .in = {x}, \
    }
#define PAD(use_, name_, x, before_, after_, value_)                                               \
    {                                                                                              \
        .name = name_, .op = OP_PAD, .use = use_, .attr.pad = {before_, after_, value_},           \
        .n_in = 1, .in = {x},                                                                      \
    }
#define RESHAPE(name_, x, to)                                                                      \
    {                                                                                              \
        .name = name_, .op = OP_RESHAPE, .attr.reshape = to, .n_in = 1, .in = {x},                 \
    }

static const check_row rows[] = {
    CONCAT("channels", 3, 3, DIMS(1, 3, 4, 16), DIMS(1, 3, 4, 5), DIMS(1, 3, 4, 8)),
    CONCAT("rows", 1, 2, DIMS(1, 3, 4, 5), DIMS(1, 2, 4, 5)),
    CONCAT("rows of a batch", 1, 2, DIMS(2, 3, 7), DIMS(2, 1, 7)),
    CONCAT("batches", 0, 2, DIMS(1, 3, 7), DIMS(2, 3, 7)),
    CONCAT("vectors", 0, 3, DIMS(3), DIMS(1), DIMS(5)),
    CONCAT("one part", 1, 1, DIMS(2, 3)),

    SLICE("channels", DIMS(1, 3, 4, 16), LIST(0, 0, 0, 5), LIST(1, 1, 1, 1), LIST(1, 3, 4, 8)),
    SLICE("focus", DIMS(1, 6, 8, 3), LIST(0, 1, 0, 0), LIST(1, 2, 2, 1), LIST(1, 3, 4, 3)),
    SLICE("rows", DIMS(2, 9, 5), LIST(0, 2, 0), LIST(1, 1, 1), LIST(2, 4, 5)),
    SLICE("every third channel", DIMS(4, 10), LIST(1, 0), LIST(2, 3), LIST(2, 4)),
    SLICE("one element", DIMS(4, 10), LIST(3, 9), LIST(1, 1), LIST(1, 1)),

    PAD(ROW_CHECK, "image", DIMS(1, 3, 4, 5), LIST(0, 1, 2, 0), LIST(0, 2, 0, 0), 0),
    PAD(ROW_CHECK, "channels with a value", DIMS(2, 3, 5), LIST(0, 0, 2), LIST(0, 0, 1), 114),
    PAD(ROW_CHECK, "all dimensions", DIMS(2, 3), LIST(1, 1), LIST(2, 1), -1.5f),
    PAD(ROW_CHECK, "nothing", DIMS(2, 3), LIST(0, 0), LIST(0, 0), 1),
    PAD(ROW_BENCH, "image to a square", DIMS(1, 576, 1024, 3), LIST(0, 224, 0, 0),
        LIST(0, 224, 0, 0), 0),

    TRANSPOSE(ROW_CHECK, "matrix", DIMS(19, 37), 1, 0),
    TRANSPOSE(ROW_CHECK, "NHWC to NCHW", DIMS(2, 5, 6, 9), 0, 3, 1, 2),
    TRANSPOSE(ROW_CHECK, "NCHW to NHWC", DIMS(2, 3, 5, 18), 0, 2, 3, 1),
    TRANSPOSE(ROW_CHECK, "heads", DIMS(2, 7, 3, 8), 0, 2, 1, 3),
    TRANSPOSE(ROW_CHECK, "window partition", DIMS(1, 2, 4, 3, 5, 6), 0, 1, 3, 2, 4, 5),
    TRANSPOSE(ROW_CHECK, "nothing", DIMS(3, 4), 0, 1),
    TRANSPOSE(ROW_CHECK, "reversed", DIMS(2, 3, 4, 5), 3, 2, 1, 0),
    TRANSPOSE(ROW_BENCH, "image to NCHW", DIMS(1, 256, 256, 96), 0, 3, 1, 2),
    TRANSPOSE(ROW_BENCH, "image to NHWC", DIMS(1, 3, 1024, 1024), 0, 2, 3, 1),
    TRANSPOSE(ROW_BENCH, "heads of tokens", DIMS(1, 4096, 8, 32), 0, 2, 1, 3),
    TRANSPOSE(ROW_BENCH, "predictions", DIMS(1, 84, 8400), 0, 2, 1),

    RESHAPE("tokens of an image", DIMS(1, 4, 5, 16), DIMS(1, 20, 16)),
    RESHAPE("other rows", DIMS(1, 6, 8), DIMS(4, 12)),
    RESHAPE("to a vector", DIMS(2, 3, 5), DIMS(30)),
    RESHAPE("scalar", DIMS(1, 1), SCALAR),
};

const row_list move_rows = {rows, sizeof(rows) / sizeof(rows[0])};
