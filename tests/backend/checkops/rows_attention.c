/* Attention of SAM 2-class models: Hiera's windows and pooled queries, memory attention with rotary
 * embedding and a validity mask, the mask decoder's few queries. */
#include "backend/checkops/row.h"

#define QKV(b, lq, lk, heads, dk, dv)                                                              \
    DIMS(b, lq, (heads) * (dk)), DIMS(b, lk, (heads) * (dk)), DIMS(b, lk, (heads) * (dv))
#define GLOBAL(use_, name_, b, lq, lk, heads_, dk, dv)                                             \
    {                                                                                              \
        .name = name_, .op = OP_ATTENTION, .use = use_,                                            \
        .attr.attention = {.heads = heads_, .scale = 0.25f}, .n_in = 3,                            \
        .in = {QKV(b, lq, lk, heads_, dk, dv)},                                                    \
    }
/* The trailing arguments are rope_q, rope_k, key_valid. */
#define MEMORY(use_, name_, b, lq, lk, heads_, dk, dv, keys, rope_q, rope_k, valid)                \
    {                                                                                              \
        .name = name_, .op = OP_ATTENTION, .use = use_,                                            \
        .attr.attention = {.heads = heads_, .scale = 0.0625f, .rope_keys = keys}, .n_in = 6,       \
        .in = {QKV(b, lq, lk, heads_, dk, dv), rope_q, rope_k, valid},                             \
    }
#define WINDOWS(use_, name_, b, gh, gw, wh, ww, heads_, dk, dv, pad_k, pad_v)                      \
    {                                                                                              \
        .name = name_, .op = OP_ATTENTION, .use = use_,                                            \
        .attr.attention = {.heads = heads_,                                                        \
                           .scale = 0.125f,                                                        \
                           .grid_h = gh,                                                           \
                           .grid_w = gw,                                                           \
                           .window_h = wh,                                                         \
                           .window_w = ww},                                                        \
        .n_in = 8, .in = {QKV(b, (gh) * (gw), (gh) * (gw), heads_, dk, dv),                        \
                          ABSENT,                                                                  \
                          ABSENT,                                                                  \
                          ABSENT,                                                                  \
                          pad_k,                                                                   \
                          pad_v},                                                                  \
    }
/* Queries on a grid half as fine. */
#define POOLED(use_, name_, b, gh, gw, wh, ww, heads_, dk, dv, pad_k, pad_v)                       \
    {                                                                                              \
        .name = name_, .op = OP_ATTENTION, .use = use_,                                            \
        .attr.attention = {.heads = heads_,                                                        \
                           .scale = 0.125f,                                                        \
                           .grid_h = gh,                                                           \
                           .grid_w = gw,                                                           \
                           .window_h = wh,                                                         \
                           .window_w = ww,                                                         \
                           .q_grid_h = (gh) / 2,                                                   \
                           .q_grid_w = (gw) / 2,                                                   \
                           .q_window_h = (wh) / 2,                                                 \
                           .q_window_w = (ww) / 2},                                                \
        .n_in = 8, .in = {QKV(b, (gh) / 2 * ((gw) / 2), (gh) * (gw), heads_, dk, dv),              \
                          ABSENT,                                                                  \
                          ABSENT,                                                                  \
                          ABSENT,                                                                  \
                          pad_k,                                                                   \
                          pad_v},                                                                  \
    }

static const check_row rows[] = {
    GLOBAL(ROW_CHECK, "one head of 32", 1, 20, 20, 1, 32, 32),
    GLOBAL(ROW_CHECK, "eight heads of 32", 2, 17, 23, 8, 32, 32),
    GLOBAL(ROW_CHECK, "one query", 1, 1, 37, 2, 16, 16),
    GLOBAL(ROW_CHECK, "one key", 1, 9, 1, 2, 16, 16),
    GLOBAL(ROW_CHECK, "odd head widths", 1, 9, 11, 3, 10, 7),
    GLOBAL(ROW_CHECK, "head of 64, several blocks of keys", 1, 33, 300, 1, 64, 64),
    GLOBAL(ROW_CHECK, "head of 96", 1, 19, 70, 1, 96, 96),
    GLOBAL(ROW_CHECK, "head of 128, values of 32", 1, 12, 65, 2, 128, 32),
    GLOBAL(ROW_CHECK, "head of 256, values of 64", 2, 13, 90, 1, 256, 64),
    GLOBAL(ROW_CHECK, "head of 1, values of 3", 1, 5, 6, 2, 1, 3),
    GLOBAL(ROW_CHECK, "values wider than keys", 1, 10, 40, 2, 8, 72),
    {.name = "keys shared by the batch",
     .op = OP_ATTENTION,
     .attr.attention = {.heads = 2, .scale = 0.25f},
     .n_in = 3,
     .in = {DIMS(3, 7, 32), DIMS(1, 30, 32), DIMS(1, 30, 32)}},
    MEMORY(ROW_CHECK, "mask for each batch", 2, 9, 40, 2, 16, 16, 0, ABSENT, ABSENT, DIMS(2, 40)),
    MEMORY(ROW_CHECK, "one mask for all", 2, 9, 40, 2, 16, 16, 0, ABSENT, ABSENT, DIMS(1, 40)),
    MEMORY(ROW_CHECK, "few keys of heads of 16", 2, 300, 9, 8, 16, 16, 0, ABSENT, ABSENT, ABSENT),
    MEMORY(ROW_CHECK, "few keys of heads of 8, masks", 2, 290, 30, 4, 8, 8, 0, ABSENT, ABSENT,
           DIMS(2, 30)),
    MEMORY(ROW_CHECK, "few keys of heads of 32", 1, 257, 5, 2, 32, 32, 0, ABSENT, ABSENT,
           DIMS(1, 5)),
    MEMORY(ROW_CHECK, "long mask", 1, 6, 700, 1, 32, 32, 0, ABSENT, ABSENT, DIMS(1, 700)),
    MEMORY(ROW_CHECK, "rotary self-attention", 1, 30, 30, 1, 64, 64, 30, DIMS(30, 32, 2),
           DIMS(30, 32, 2), ABSENT),
    MEMORY(ROW_CHECK, "rotary with odd pairs", 1, 8, 9, 2, 6, 5, 9, DIMS(8, 3, 2), DIMS(9, 3, 2),
           ABSENT),
    MEMORY(ROW_CHECK, "rotary queries only", 1, 12, 20, 2, 16, 16, 0, DIMS(12, 8, 2), ABSENT,
           ABSENT),
    MEMORY(ROW_CHECK, "memory: repeated rows, pointers, mask", 2, 16, 70, 1, 256, 64, 64,
           DIMS(16, 128, 2), DIMS(16, 128, 2), DIMS(2, 70)),
    MEMORY(ROW_CHECK, "memory over several blocks", 1, 21, 530, 1, 64, 32, 500, DIMS(21, 32, 2),
           DIMS(25, 32, 2), DIMS(1, 530)),
    /* Queries enough for several tasks, which then share packed keys. */
    MEMORY(ROW_CHECK, "keys packed once, mask", 1, 130, 700, 1, 40, 24, 650, DIMS(130, 20, 2),
           DIMS(65, 20, 2), DIMS(1, 700)),
    MEMORY(ROW_CHECK, "keys packed once, two heads, one mask", 1, 100, 90, 2, 16, 12, 0, ABSENT,
           ABSENT, DIMS(1, 90)),
    GLOBAL(ROW_CHECK, "keys packed once, no mask", 2, 121, 333, 1, 24, 40),
    /* Long enough that a device's rings of key tiles go round and that keys are cut into parts. */
    MEMORY(ROW_CHECK, "memory, long", 1, 70, 1900, 1, 256, 64, 1890, DIMS(70, 128, 2),
           DIMS(63, 128, 2), DIMS(1, 1900)),
    MEMORY(ROW_CHECK, "memory, long, a mask each", 2, 64, 800, 1, 64, 64, 0, ABSENT, ABSENT,
           DIMS(2, 800)),
    MEMORY(ROW_CHECK, "heads of 256, more than a tile", 1, 130, 450, 1, 256, 256, 0, ABSENT, ABSENT,
           ABSENT),
    GLOBAL(ROW_CHECK, "heads of 96, more than a tile", 2, 129, 650, 2, 96, 96),
    GLOBAL(ROW_CHECK, "heads of 56, more than a tile", 1, 140, 520, 2, 56, 56),
    WINDOWS(ROW_CHECK, "windows 8x8", 1, 16, 16, 8, 8, 2, 32, 32, ABSENT, ABSENT),
    WINDOWS(ROW_CHECK, "windows 3x5", 2, 6, 10, 3, 5, 1, 16, 16, ABSENT, ABSENT),
    WINDOWS(ROW_CHECK, "windows 7x7 past the grid", 1, 10, 16, 7, 7, 2, 16, 16, ABSENT, ABSENT),
    WINDOWS(ROW_CHECK, "windows 14x14 with padding keys", 1, 16, 18, 14, 14, 2, 24, 24, DIMS(48),
            DIMS(48)),
    WINDOWS(ROW_CHECK, "window larger than the grid", 2, 3, 4, 8, 8, 1, 8, 12, DIMS(8), DIMS(12)),
    POOLED(ROW_CHECK, "pooled queries 8x8", 1, 16, 24, 8, 8, 2, 32, 32, ABSENT, ABSENT),
    POOLED(ROW_CHECK, "pooled queries with padding keys", 2, 10, 12, 8, 8, 2, 16, 16, DIMS(32),
           DIMS(32)),
    /* As long as the kernels for windows have room for, and as short. */
    WINDOWS(ROW_CHECK, "windows 16x16 past the grid", 1, 17, 19, 16, 16, 1, 72, 72, ABSENT, ABSENT),
    WINDOWS(ROW_CHECK, "windows 14x14 past the grid", 2, 15, 17, 14, 14, 1, 96, 96, DIMS(96),
            DIMS(96)),
    WINDOWS(ROW_CHECK, "windows 4x4, several heads", 1, 8, 12, 4, 4, 4, 56, 56, ABSENT, ABSENT),
    WINDOWS(ROW_CHECK, "windows 7x7 with padding keys", 1, 9, 9, 7, 7, 3, 56, 56, DIMS(168),
            DIMS(168)),
    POOLED(ROW_CHECK, "pooled queries 14x14", 1, 16, 18, 14, 14, 2, 56, 56, DIMS(112), DIMS(112)),
    POOLED(ROW_CHECK, "pooled queries 4x4", 1, 8, 8, 4, 4, 2, 56, 56, ABSENT, ABSENT),
    {.name = "everything at once",
     .op = OP_ATTENTION,
     .attr.attention = {.heads = 2,
                        .scale = 0.3f,
                        .rope_keys = 30,
                        .grid_h = 5,
                        .grid_w = 7,
                        .window_h = 3,
                        .window_w = 4},
     .n_in = 8,
     .in = {QKV(2, 35, 35, 2, 12, 10), DIMS(35, 6, 2), DIMS(10, 6, 2), DIMS(2, 35), DIMS(24),
            DIMS(20)}},

    GLOBAL(ROW_BENCH, "Hiera global 4096, 4 heads of 96", 1, 4096, 4096, 4, 96, 96),
    GLOBAL(ROW_BENCH, "Hiera-B+ global 4096, 8 heads of 56", 1, 4096, 4096, 8, 56, 56),
    MEMORY(ROW_BENCH, "memory self 4096 d 256", 1, 4096, 4096, 1, 256, 256, 4096,
           DIMS(4096, 128, 2), DIMS(4096, 128, 2), ABSENT),
    MEMORY(ROW_BENCH, "memory 4096 x 28736 d 256", 1, 4096, 28736, 1, 256, 256, 28672,
           DIMS(4096, 128, 2), DIMS(4096, 128, 2), DIMS(1, 28736)),
    MEMORY(ROW_BENCH, "memory 4096 x 28736 d 256, values of 64", 1, 4096, 28736, 1, 256, 64, 28672,
           DIMS(4096, 128, 2), DIMS(4096, 128, 2), DIMS(1, 28736)),
    WINDOWS(ROW_BENCH, "Hiera-T stage 1, windows 8x8", 1, 256, 256, 8, 8, 1, 96, 96, ABSENT,
            ABSENT),
    WINDOWS(ROW_BENCH, "Hiera-T stage 3, windows 14x14", 1, 64, 64, 14, 14, 4, 96, 96, DIMS(384),
            DIMS(384)),
    WINDOWS(ROW_BENCH, "Hiera-B+ stage 1, windows 8x8", 1, 256, 256, 8, 8, 2, 56, 56, ABSENT,
            ABSENT),
    WINDOWS(ROW_BENCH, "Hiera-B+ stage 2, windows 4x4", 1, 128, 128, 4, 4, 4, 56, 56, ABSENT,
            ABSENT),
    WINDOWS(ROW_BENCH, "Hiera-B+ stage 3, windows 14x14", 1, 64, 64, 14, 14, 8, 56, 56, DIMS(448),
            DIMS(448)),
    POOLED(ROW_BENCH, "Hiera-T stage 2 pooled queries", 1, 256, 256, 8, 8, 2, 96, 96, ABSENT,
           ABSENT),
    MEMORY(ROW_BENCH, "small memory 448 x 2272 d 128, values of 64", 1, 448, 2272, 1, 128, 64, 2240,
           DIMS(448, 64, 2), DIMS(448, 64, 2), DIMS(1, 2272)),
    GLOBAL(ROW_BENCH, "decoder tokens to image", 1, 9, 4096, 8, 16, 16),
    GLOBAL(ROW_BENCH, "decoder image to tokens", 1, 4096, 9, 8, 16, 16),
};

const row_list attention_rows = {rows, sizeof(rows) / sizeof(rows[0])};
