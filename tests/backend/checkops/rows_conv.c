/* Convolutions of detectors (YOLOX, ResNet, MobileNet) and of SAM 2's encoder and decoder. */
#include "backend/checkops/row.h"

#define EPILOGUE(activation, mode)                                                                 \
    {                                                                                              \
        .act = {.kind = UNARY_##activation, .alpha = 0.125f, .beta = 0.5f},                        \
        .residual = RESIDUAL_##mode                                                                \
    }
#define NO_RESIDUAL ABSENT

/* Square kernel, the same stride, padding and dilation on all sides. */
#define CONV(use_, name_, n, h, w, c, o, k, stride, pad, dilation, groups_, act, mode, residual_)  \
    {                                                                                              \
        .name = name_, .op = OP_CONV2D, .use = use_,                                               \
        .attr.conv2d = {stride, stride,   pad,      pad,     pad,                                  \
                        pad,    dilation, dilation, groups_, EPILOGUE(act, mode)},                 \
        .n_in = 4, .in = {DIMS(n, h, w, c), DIMS(o, k, k, (c) / (groups_)), DIMS(o), residual_},   \
    }

/* 3x3 at a stride of 2, of scale * input_(x) + shift, with a norm and an activation behind it. */
#define TINY(name_, n, h, w, c, o, act_, input_, scale_, shift_)                                   \
    {                                                                                              \
        .name = name_, .op = OP_CONV2D,                                                            \
        .attr.conv2d = {2,                                                                         \
                        2,                                                                         \
                        1,                                                                         \
                        1,                                                                         \
                        1,                                                                         \
                        1,                                                                         \
                        1,                                                                         \
                        1,                                                                         \
                        1,                                                                         \
                        EPILOGUE(act_, NONE),                                                      \
                        {true, {.kind = UNARY_##input_}, scale_, shift_},                          \
                        true,                                                                      \
                        1e-6f},                                                                    \
        .n_in = 6, .in = {DIMS(n, h, w, c), DIMS(o, 3, 3, c), DIMS(o), ABSENT, DIMS(o), DIMS(o)},  \
    }

static const check_row rows[] = {
    /* Every mixture of odd channels, strides and paddings that a blocked kernel has edges for. */
    CONV(ROW_CHECK, "1x1", 1, 5, 7, 16, 24, 1, 1, 0, 1, 1, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "1x1 odd channels", 2, 3, 5, 13, 19, 1, 1, 0, 1, 1, RELU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "1x1 one channel each", 1, 4, 4, 1, 1, 1, 1, 0, 1, 1, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "1x1 stride 2", 1, 7, 9, 8, 16, 1, 2, 0, 1, 1, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 SiLU", 1, 9, 11, 16, 32, 3, 1, 1, 1, 1, SILU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 stride 2 odd size", 1, 9, 10, 12, 20, 3, 2, 1, 1, 1, SILU, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 few channels", 2, 6, 7, 3, 5, 3, 1, 1, 1, 1, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 wide image", 1, 3, 67, 4, 8, 3, 1, 1, 1, 1, RELU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 unpadded", 1, 8, 8, 8, 8, 3, 1, 0, 1, 1, HARD_SWISH, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 dilation 2", 1, 9, 9, 8, 8, 3, 1, 2, 2, 1, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "6x6 stem", 1, 16, 16, 3, 16, 6, 2, 2, 1, 1, SILU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "7x7 stride 4", 1, 19, 23, 3, 24, 7, 4, 3, 1, 1, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "7x7 stride 4 of a picture", 2, 19, 530, 3, 112, 7, 4, 3, 1, 1, IDENTITY,
         BEFORE, DIMS(2, 5, 133, 112)),
    CONV(ROW_CHECK, "3x3 stride 2 of a picture", 1, 9, 20, 3, 32, 3, 2, 1, 1, 1, RELU, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "6x6 stride 2 of a picture", 1, 13, 11, 3, 48, 6, 2, 2, 1, 1, SILU, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "kernel as large as the input", 1, 5, 5, 6, 7, 5, 1, 0, 1, 1, SIGMOID, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "padding beyond the kernel", 1, 4, 4, 5, 6, 3, 1, 4, 1, 1, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "two groups", 1, 6, 6, 16, 24, 3, 1, 1, 1, 2, LEAKY_RELU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "three odd groups", 1, 5, 5, 9, 15, 3, 2, 1, 1, 3, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "1x1 clamped", 1, 7, 9, 24, 40, 1, 1, 0, 1, 1, CLAMP, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise 3x3 clamped", 1, 7, 9, 20, 20, 3, 2, 1, 1, 20, CLAMP, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise 3x3", 1, 9, 9, 24, 24, 3, 1, 1, 1, 24, SILU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise 5x5 stride 2", 2, 9, 10, 19, 19, 5, 2, 2, 1, 19, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise 7x7", 1, 12, 12, 16, 16, 7, 1, 3, 1, 16, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise 3x3, many pixels", 1, 91, 93, 128, 128, 3, 1, 1, 1, 128, RELU, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise 7x7, many pixels", 1, 93, 91, 64, 64, 7, 1, 3, 1, 64, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise multiplier 2", 1, 6, 6, 8, 16, 3, 1, 1, 1, 8, RELU, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise dilated", 1, 9, 9, 8, 8, 3, 1, 2, 2, 8, IDENTITY, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "depthwise with a sum", 1, 6, 6, 8, 8, 3, 1, 1, 1, 8, SILU, AFTER,
         DIMS(1, 6, 6, 8)),
    CONV(ROW_CHECK, "1x1 ReLU of a sum", 1, 5, 6, 16, 24, 1, 1, 0, 1, 1, RELU, BEFORE,
         DIMS(1, 5, 6, 24)),
    CONV(ROW_CHECK, "3x3 sum after SiLU", 2, 5, 6, 8, 16, 3, 1, 1, 1, 1, SILU, AFTER,
         DIMS(2, 5, 6, 16)),
    CONV(ROW_CHECK, "3x3 plain sum, odd", 1, 5, 6, 7, 9, 3, 2, 1, 1, 1, IDENTITY, BEFORE,
         DIMS(1, 3, 3, 9)),
    CONV(ROW_CHECK, "3x3 GELU", 1, 6, 6, 8, 8, 3, 1, 1, 1, 1, GELU, NONE, NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 clamp", 1, 6, 6, 8, 8, 3, 1, 1, 1, 1, CLAMP, NONE, NO_RESIDUAL),
    {.name = "1x3 kernel, uneven padding, no bias",
     .op = OP_CONV2D,
     .attr.conv2d = {2, 1, 1, 0, 0, 2, 1, 1, 1, EPILOGUE(IDENTITY, NONE)},
     .n_in = 4,
     .in = {DIMS(1, 6, 9, 8), DIMS(16, 1, 3, 8), ABSENT, ABSENT}},
    /* More output channels and pixels than any register or cache block. */
    CONV(ROW_CHECK, "1x1 many channels", 1, 6, 7, 136, 264, 1, 1, 0, 1, 1, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_CHECK, "3x3 many channels", 1, 5, 5, 72, 80, 3, 1, 1, 1, 1, SILU, NONE, NO_RESIDUAL),

    /* Of masks, with what stands before and behind them. */
    TINY("1 to 4 channels, with a norm", 2, 9, 12, 1, 4, GELU, SIGMOID, 20, -10),
    TINY("4 to 16 channels, with a norm", 1, 12, 7, 4, 16, GELU, IDENTITY, 1, 0),
    {.name = "4 to 16 channels, bare, with a norm",
     .op = OP_CONV2D,
     .attr.conv2d = {1, 1, 1, 1, 1, 1, 1, 1, 1, .norm = true, .epsilon = 1e-6f},
     .n_in = 4,
     .in = {DIMS(1, 6, 5, 4), DIMS(16, 3, 3, 4), ABSENT, ABSENT}},
    CONV(ROW_CHECK, "3x3, 4 to 16 channels", 2, 5, 9, 4, 16, 3, 1, 1, 1, 1, RELU, NONE,
         NO_RESIDUAL),

    CONV(ROW_BENCH, "YOLOX-nano stem, 416", 1, 416, 416, 3, 16, 6, 2, 2, 1, 1, SILU, NONE,
         NO_RESIDUAL),
    CONV(ROW_BENCH, "YOLOX-nano depthwise 5x5", 1, 52, 52, 64, 64, 5, 1, 2, 1, 64, SILU, NONE,
         NO_RESIDUAL),
    CONV(ROW_BENCH, "YOLOX-nano depthwise 3x3", 1, 104, 104, 32, 32, 3, 1, 1, 1, 32, SILU, NONE,
         NO_RESIDUAL),
    CONV(ROW_BENCH, "YOLOX-nano 1x1", 1, 52, 52, 64, 64, 1, 1, 0, 1, 1, SILU, NONE, NO_RESIDUAL),
    CONV(ROW_BENCH, "YOLOX-s 3x3", 1, 80, 80, 128, 128, 3, 1, 1, 1, 1, SILU, NONE, NO_RESIDUAL),
    CONV(ROW_BENCH, "YOLOX-s 3x3 stride 2", 1, 80, 80, 128, 256, 3, 2, 1, 1, 1, SILU, NONE,
         NO_RESIDUAL),
    CONV(ROW_BENCH, "ResNet-50 1x1 with a sum", 1, 56, 56, 64, 256, 1, 1, 0, 1, 1, RELU, BEFORE,
         DIMS(1, 56, 56, 256)),
    CONV(ROW_BENCH, "Hiera patch embedding", 1, 1024, 1024, 3, 96, 7, 4, 3, 1, 1, IDENTITY, NONE,
         NO_RESIDUAL),
    CONV(ROW_BENCH, "SAM 2 memory fuser 7x7", 1, 64, 64, 256, 256, 7, 1, 3, 1, 256, IDENTITY, NONE,
         NO_RESIDUAL),

#define TRANSPOSED(use_, name_, n, h, w, c, o, k, stride, pad, extra, act, mode, residual_)        \
    {                                                                                              \
        .name = name_, .op = OP_CONV_TRANSPOSE2D, .use = use_,                                     \
        .attr.conv_transpose2d = {stride, stride, pad,                                             \
                                  pad,    pad,    pad,                                             \
                                  extra,  extra,  EPILOGUE(act, mode)},                            \
        .n_in = 4, .in = {DIMS(n, h, w, c), DIMS(o, k, k, c), DIMS(o), residual_},                 \
    }
    TRANSPOSED(ROW_CHECK, "2x2 stride 2", 1, 5, 6, 16, 8, 2, 2, 0, 0, IDENTITY, NONE, NO_RESIDUAL),
    TRANSPOSED(ROW_CHECK, "2x2 stride 2, odd, GELU of a sum", 2, 3, 5, 13, 7, 2, 2, 0, 0, GELU,
               BEFORE, DIMS(2, 6, 10, 7)),
    TRANSPOSED(ROW_CHECK, "4x4 stride 2 padded", 1, 4, 5, 8, 12, 4, 2, 1, 0, RELU, NONE,
               NO_RESIDUAL),
    TRANSPOSED(ROW_CHECK, "3x3 stride 2 extra row", 1, 4, 4, 6, 5, 3, 2, 1, 1, IDENTITY, AFTER,
               DIMS(1, 8, 8, 5)),
    TRANSPOSED(ROW_CHECK, "3x3 stride 1", 1, 5, 4, 4, 6, 3, 1, 1, 0, IDENTITY, NONE, NO_RESIDUAL),
    TRANSPOSED(ROW_CHECK, "1x1 stride 3, gaps", 1, 3, 3, 4, 4, 1, 3, 0, 2, SIGMOID, NONE,
               NO_RESIDUAL),
    TRANSPOSED(ROW_BENCH, "SAM 2 mask upscaling 1", 1, 64, 64, 256, 64, 2, 2, 0, 0, IDENTITY,
               BEFORE, DIMS(1, 128, 128, 64)),
    TRANSPOSED(ROW_BENCH, "SAM 2 mask upscaling 2", 1, 128, 128, 64, 32, 2, 2, 0, 0, GELU, BEFORE,
               DIMS(1, 256, 256, 32)),
};

const row_list conv_rows = {rows, sizeof(rows) / sizeof(rows[0])};
