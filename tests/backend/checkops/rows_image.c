/* Pooling and resizing. */
#include "backend/checkops/row.h"

#define POOL(use_, name_, kind_, x, k, s, pad, ceil, count)                                        \
    {                                                                                              \
        .name = name_, .op = OP_POOL2D, .use = use_,                                               \
        .attr.pool2d = {POOL_##kind_, k, k, s, s, pad, pad, pad, pad, ceil, count}, .n_in = 1,     \
        .in = {x},                                                                                 \
    }
#define RESIZE(use_, name_, kind_, coords_, antialias_, x, h, w)                                   \
    {                                                                                              \
        .name = name_, .op = OP_RESIZE2D, .use = use_,                                             \
        .attr.resize2d = {RESIZE_##kind_, RESIZE_##coords_, antialias_, h, w}, .n_in = 1,          \
        .in = {x},                                                                                 \
    }

static const check_row rows[] = {
    POOL(ROW_CHECK, "2x2", MAX, DIMS(1, 6, 8, 24), 2, 2, 0, false, false),
    POOL(ROW_CHECK, "5x5 same", MAX, DIMS(1, 7, 6, 16), 5, 1, 2, false, false),
    POOL(ROW_CHECK, "3x3 stride 2 padded, odd", MAX, DIMS(2, 9, 8, 5), 3, 2, 1, false, false),
    POOL(ROW_CHECK, "3x3 ceil", MAX, DIMS(1, 8, 9, 12), 3, 2, 0, true, false),
    POOL(ROW_CHECK, "2x2 ceil padded", MAX, DIMS(1, 5, 5, 3), 2, 2, 1, true, false),
    POOL(ROW_CHECK, "13x13 same, wider than the image", MAX, DIMS(1, 5, 4, 8), 13, 1, 6, false,
         false),
    POOL(ROW_CHECK, "2x2, odd image", MAX, DIMS(2, 7, 9, 16), 2, 2, 0, false, false),
    POOL(ROW_CHECK, "mean 2x2", AVERAGE, DIMS(1, 6, 8, 20), 2, 2, 0, false, false),
    POOL(ROW_CHECK, "mean, padding left out", AVERAGE, DIMS(1, 5, 6, 9), 3, 2, 1, false, false),
    POOL(ROW_CHECK, "mean, padding counted", AVERAGE, DIMS(1, 5, 6, 9), 3, 2, 1, false, true),
    POOL(ROW_CHECK, "mean ceil, padding left out", AVERAGE, DIMS(1, 6, 6, 4), 3, 2, 1, true, false),
    POOL(ROW_CHECK, "mean ceil, padding counted", AVERAGE, DIMS(1, 6, 6, 4), 3, 2, 1, true, true),
    POOL(ROW_CHECK, "mean of all", AVERAGE, DIMS(2, 7, 7, 33), 7, 7, 0, false, false),
    POOL(ROW_BENCH, "YOLOX 5x5 same", MAX, DIMS(1, 20, 20, 256), 5, 1, 2, false, false),
    POOL(ROW_BENCH, "YOLOX 13x13 same", MAX, DIMS(1, 20, 20, 256), 13, 1, 6, false, false),
    POOL(ROW_BENCH, "Hiera query pooling", MAX, DIMS(1, 256, 256, 96), 2, 2, 0, false, false),

    RESIZE(ROW_CHECK, "nearest x2", NEAREST, ASYMMETRIC, false, DIMS(1, 5, 4, 16), 10, 8),
    RESIZE(ROW_CHECK, "nearest half pixel, down", NEAREST, HALF_PIXEL, false, DIMS(1, 9, 8, 3), 4,
           4),
    RESIZE(ROW_CHECK, "nearest corners", NEAREST, ALIGN_CORNERS, false, DIMS(2, 5, 4, 5), 8, 7),
    RESIZE(ROW_CHECK, "bilinear x2", BILINEAR, HALF_PIXEL, false, DIMS(1, 5, 4, 16), 10, 8),
    RESIZE(ROW_CHECK, "bilinear x4, one channel", BILINEAR, HALF_PIXEL, false, DIMS(2, 6, 7, 1), 24,
           28),
    RESIZE(ROW_CHECK, "bilinear down, odd", BILINEAR, HALF_PIXEL, false, DIMS(1, 9, 8, 5), 4, 3),
    RESIZE(ROW_CHECK, "bilinear asymmetric", BILINEAR, ASYMMETRIC, false, DIMS(1, 5, 6, 9), 10, 9),
    RESIZE(ROW_CHECK, "bilinear corners", BILINEAR, ALIGN_CORNERS, false, DIMS(1, 5, 6, 4), 9, 1),
    RESIZE(ROW_CHECK, "bilinear of one pixel", BILINEAR, HALF_PIXEL, false, DIMS(1, 1, 1, 8), 3, 5),
    RESIZE(ROW_CHECK, "bilinear to the same size", BILINEAR, HALF_PIXEL, false, DIMS(1, 4, 5, 8), 4,
           5),
    RESIZE(ROW_CHECK, "bilinear antialiased", BILINEAR, HALF_PIXEL, true, DIMS(1, 13, 11, 3), 5, 4),
    RESIZE(ROW_CHECK, "bilinear antialiased, one axis up", BILINEAR, HALF_PIXEL, true,
           DIMS(1, 4, 19, 10), 7, 6),
    RESIZE(ROW_CHECK, "bicubic x2", BICUBIC, HALF_PIXEL, false, DIMS(1, 5, 4, 16), 10, 8),
    RESIZE(ROW_CHECK, "bicubic down", BICUBIC, HALF_PIXEL, false, DIMS(1, 9, 10, 3), 4, 7),
    RESIZE(ROW_CHECK, "bicubic asymmetric", BICUBIC, ASYMMETRIC, false, DIMS(1, 3, 6, 2), 5, 13),
    RESIZE(ROW_CHECK, "bicubic corners", BICUBIC, ALIGN_CORNERS, false, DIMS(1, 5, 6, 4), 9, 11),
    RESIZE(ROW_CHECK, "bicubic antialiased", BICUBIC, HALF_PIXEL, true, DIMS(2, 15, 13, 3), 4, 5),
    RESIZE(ROW_CHECK, "bicubic antialiased up", BICUBIC, HALF_PIXEL, true, DIMS(1, 4, 5, 3), 9, 7),
    RESIZE(ROW_BENCH, "YOLOX nearest x2", NEAREST, ASYMMETRIC, false, DIMS(1, 40, 40, 128), 80, 80),
    RESIZE(ROW_BENCH, "FPN bilinear x2", BILINEAR, HALF_PIXEL, false, DIMS(1, 64, 64, 256), 128,
           128),
    RESIZE(ROW_BENCH, "masks bilinear x4", BILINEAR, HALF_PIXEL, false, DIMS(4, 256, 256, 1), 1024,
           1024),
    RESIZE(ROW_BENCH, "masks antialiased down", BILINEAR, HALF_PIXEL, true, DIMS(4, 1024, 1024, 1),
           256, 256),
    RESIZE(ROW_BENCH, "position table bicubic", BICUBIC, HALF_PIXEL, false, DIMS(1, 14, 14, 384),
           256, 256),
    RESIZE(ROW_BENCH, "1080p frame antialiased to 1024", BILINEAR, HALF_PIXEL, true,
           DIMS(1, 1080, 1920, 3), 1024, 1024),
};

const row_list image_rows = {rows, sizeof(rows) / sizeof(rows[0])};
