/* Linear layers, products of computed matrices, layer norm and softmax. */
#include "backend/checkops/row.h"

#define LINEAR(use_, name_, x, n_, k_, act_, mode, residual_)                                      \
    {                                                                                              \
        .name = name_, .op = OP_LINEAR, .use = use_,                                               \
        .attr.linear.epi = {.act = {.kind = UNARY_##act_}, .residual = RESIDUAL_##mode},           \
        .n_in = 4, .in = {x, DIMS(n_, k_), DIMS(n_), residual_},                                   \
    }
#define MATMUL(use_, name_, a, b, transpose, scale_)                                               \
    {                                                                                              \
        .name = name_, .op = OP_MATMUL, .use = use_, .attr.matmul = {transpose, scale_},           \
        .n_in = 2, .in = {a, b},                                                                   \
    }
#define NORM(use_, name_, x, gamma, beta)                                                          \
    {                                                                                              \
        .name = name_, .op = OP_LAYER_NORM, .use = use_, .attr.layer_norm = {1e-6f}, .n_in = 3,    \
        .in = {x, gamma, beta},                                                                    \
    }
#define SOFTMAX(use_, name_, x, axis_)                                                             \
    {                                                                                              \
        .name = name_, .op = OP_SOFTMAX, .use = use_, .attr.axis = {axis_}, .n_in = 1, .in = {x},  \
    }

static const check_row rows[] = {
    LINEAR(ROW_CHECK, "one row", DIMS(1, 24), 16, 24, IDENTITY, NONE, ABSENT),
    LINEAR(ROW_CHECK, "vector", DIMS(12), 5, 12, IDENTITY, NONE, ABSENT),
    LINEAR(ROW_CHECK, "tokens, GELU", DIMS(2, 9, 32), 48, 32, GELU, NONE, ABSENT),
    LINEAR(ROW_CHECK, "odd sizes, tanh GELU", DIMS(1, 7, 13), 11, 13, GELU_TANH, NONE, ABSENT),
    LINEAR(ROW_CHECK, "ReLU", DIMS(1, 33, 17), 65, 17, RELU, NONE, ABSENT),
    LINEAR(ROW_CHECK, "with a sum", DIMS(1, 10, 64), 16, 64, IDENTITY, BEFORE, DIMS(1, 10, 16)),
    LINEAR(ROW_CHECK, "sum after SiLU", DIMS(2, 5, 20), 12, 20, SILU, AFTER, DIMS(2, 5, 12)),
    LINEAR(ROW_CHECK, "long sums", DIMS(1, 6, 1100), 40, 1100, IDENTITY, NONE, ABSENT),
    LINEAR(ROW_CHECK, "rows 4 KiB apart", DIMS(1, 35, 2048), 33, 2048, RELU, BEFORE,
           DIMS(1, 35, 33)),
    /* As large as a device's library of products is asked for. */
    LINEAR(ROW_CHECK, "256 rows by 256 of 256", DIMS(1, 256, 256), 256, 256, RELU, BEFORE,
           DIMS(1, 256, 256)),
    /* Tiles of 128 x 128 for half the multiprocessors of a large GPU, none of them whole at the
       end. */
    LINEAR(ROW_CHECK, "many tiles, sum after GELU", DIMS(1, 1000, 200), 1100, 200, GELU, AFTER,
           DIMS(1, 1000, 1100)),
    LINEAR(ROW_CHECK, "35 rows of 64 of 256", DIMS(1, 35, 256), 64, 256, RELU, AFTER,
           DIMS(1, 35, 64)),
    LINEAR(ROW_CHECK, "8 rows of 2048", DIMS(1, 8, 2048), 250, 2048, IDENTITY, BEFORE,
           DIMS(1, 8, 250)),
    LINEAR(ROW_CHECK, "single output", DIMS(1, 5, 32), 1, 32, SIGMOID, NONE, ABSENT),
    {.name = "no bias", .op = OP_LINEAR, .n_in = 2, .in = {DIMS(3, 4, 8), DIMS(24, 8)}},
    LINEAR(ROW_BENCH, "Hiera-T block, first half", DIMS(1, 4096, 384), 1536, 384, GELU, NONE,
           ABSENT),
    LINEAR(ROW_BENCH, "Hiera-T block, second half", DIMS(1, 4096, 1536), 384, 1536, IDENTITY,
           BEFORE, DIMS(1, 4096, 384)),
    LINEAR(ROW_BENCH, "memory attention feed-forward", DIMS(1, 4096, 256), 2048, 256, RELU, NONE,
           ABSENT),
    LINEAR(ROW_BENCH, "decoder tokens", DIMS(1, 9, 256), 2048, 256, RELU, NONE, ABSENT),

    MATMUL(ROW_CHECK, "plain", DIMS(7, 16), DIMS(16, 24), false, 1),
    MATMUL(ROW_CHECK, "transposed, scaled", DIMS(2, 9, 20), DIMS(2, 5, 20), true, 0.25f),
    MATMUL(ROW_CHECK, "broadcast left", DIMS(5, 8), DIMS(3, 8, 6), false, 1),
    MATMUL(ROW_CHECK, "broadcast both ways", DIMS(2, 1, 4, 12), DIMS(3, 12, 9), false, 1),
    MATMUL(ROW_CHECK, "broadcast both ways, transposed", DIMS(1, 3, 4, 12), DIMS(2, 1, 9, 12), true,
           2),
    MATMUL(ROW_CHECK, "few rows by many", DIMS(2, 4, 32), DIMS(2, 700, 32), true, 1),
    MATMUL(ROW_CHECK, "few rows, one for all", DIMS(2, 7, 36), DIMS(1, 90, 36), true, 0.5f),
    MATMUL(ROW_CHECK, "one by one", DIMS(1, 33), DIMS(33, 1), false, 1),
    MATMUL(ROW_BENCH, "SAM 2 masks from hypernetworks", DIMS(1, 4, 32), DIMS(1, 65536, 32), true,
           1),
    MATMUL(ROW_BENCH, "square", DIMS(1, 1024, 1024), DIMS(1, 1024, 1024), false, 1),

    NORM(ROW_CHECK, "tokens", DIMS(2, 5, 48), DIMS(48), DIMS(48)),
    NORM(ROW_CHECK, "odd width", DIMS(1, 3, 3, 37), DIMS(37), DIMS(37)),
    NORM(ROW_CHECK, "bare", DIMS(4, 16), ABSENT, ABSENT),
    NORM(ROW_CHECK, "no shift", DIMS(4, 24), DIMS(24), ABSENT),
    NORM(ROW_CHECK, "one channel", DIMS(5, 1), DIMS(1), DIMS(1)),
    NORM(ROW_CHECK, "224 wide", DIMS(3, 224), DIMS(224), DIMS(224)),
    NORM(ROW_CHECK, "500 wide", DIMS(3, 500), DIMS(500), ABSENT),
    NORM(ROW_CHECK, "four channels", DIMS(1, 37, 33, 4), DIMS(4), DIMS(4)),
    NORM(ROW_CHECK, "four channels, bare", DIMS(3, 4), ABSENT, ABSENT),
    NORM(ROW_CHECK, "1152 wide", DIMS(3, 1152), DIMS(1152), DIMS(1152)),
    {.name = "with an activation",
     .op = OP_LAYER_NORM,
     .attr.layer_norm = {1e-6f, {.kind = UNARY_GELU}},
     .n_in = 3,
     .in = {DIMS(1, 9, 64), DIMS(64), DIMS(64)}},
    {.name = "odd width, with an activation",
     .op = OP_LAYER_NORM,
     .attr.layer_norm = {1e-6f, {.kind = UNARY_RELU}},
     .n_in = 3,
     .in = {DIMS(1, 9, 35), DIMS(35), DIMS(35)}},
    NORM(ROW_CHECK, "16 channels", DIMS(2, 7, 5, 16), DIMS(16), DIMS(16)),
    NORM(ROW_CHECK, "64 channels", DIMS(2, 7, 3, 64), DIMS(64), DIMS(64)),
    NORM(ROW_CHECK, "576 wide", DIMS(5, 576), DIMS(576), DIMS(576)),
    NORM(ROW_BENCH, "four channels of a mask", DIMS(1, 262144, 4), DIMS(4), DIMS(4)),
    NORM(ROW_BENCH, "256 wide", DIMS(1, 4096, 256), DIMS(256), DIMS(256)),
    NORM(ROW_BENCH, "1152 wide, many", DIMS(1, 4096, 1152), DIMS(1152), DIMS(1152)),
    NORM(ROW_BENCH, "Hiera stage 1", DIMS(1, 65536, 96), DIMS(96), DIMS(96)),

    SOFTMAX(ROW_CHECK, "last axis", DIMS(3, 5, 33), 2),
    SOFTMAX(ROW_CHECK, "first axis", DIMS(7, 6), 0),
    SOFTMAX(ROW_CHECK, "middle axis", DIMS(2, 9, 5), 1),
    SOFTMAX(ROW_CHECK, "middle axis, wide", DIMS(2, 3, 40), 1),
    SOFTMAX(ROW_CHECK, "one element", DIMS(4, 1), 1),
    SOFTMAX(ROW_CHECK, "distribution over bins", DIMS(1, 40, 4, 17), 3),
    SOFTMAX(ROW_BENCH, "rows of 4096", DIMS(1, 1024, 4096), 2),
    SOFTMAX(ROW_BENCH, "bins of 17", DIMS(1, 8400, 4, 17), 3),
};

const row_list token_rows = {rows, sizeof(rows) / sizeof(rows[0])};
