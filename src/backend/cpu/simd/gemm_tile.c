#include "backend/cpu/simd/gemm_tile.h"

#include "backend/cpu/simd/activation.h"

#if defined(__AVX512F__)
/* 24 sums, 2 of weights and 1 of inputs fit 32 registers, 12 pointers the general ones. */
enum { TILE_ROWS = 12 };
#else
/* 12 sums, 2 of weights and 1 of inputs: 15 of 16 registers, enough to cover 2 FMA units of 4-5
 * cycles. */
enum { TILE_ROWS = 6 };
#endif

/* `rows` and `vectors` are constants wherever this is inlined, so the loops over them vanish. */
SIMD_INLINE void tile(const gemm_tile_args *args, const int rows, const int vectors)
{
    vec sum[TILE_ROWS][2];
    const float *start = args->start;
    const float *panel = args->panel;
    const int64_t depth = args->depth, offset = args->a_offset;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, start += args->start_stride) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vec_load(start + v * VEC_LANES);
    }
    const float *const *taps = args->a;
    for (int64_t t = 0; t < args->taps; t++, taps += args->a_stride) {
        const float *a[TILE_ROWS];
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            a[r] = taps[r] + offset;
        for (int64_t k = 0; k < depth; k++, panel += vectors * VEC_LANES) {
            vec weights[2];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                weights[v] = vec_load(panel + v * VEC_LANES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const vec x = vec_set(a[r][k]);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    sum[r][v] += x * weights[v];
            }
        }
    }
    float *out = args->out;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, out += args->out_stride) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            vec_store(out + v * VEC_LANES, sum[r][v]);
    }
}

#define TILE(rows)                                                                                 \
    static void full_##rows(const gemm_tile_args *args)                                            \
    {                                                                                              \
        tile(args, rows, 2);                                                                       \
    }                                                                                              \
    static void slim_##rows(const gemm_tile_args *args)                                            \
    {                                                                                              \
        tile(args, rows, 1);                                                                       \
    }

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#if defined(__AVX512F__)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
static gemm_tile_fn *const full[] = {full_1, full_2, full_3, full_4,  full_5,  full_6,
                                     full_7, full_8, full_9, full_10, full_11, full_12};
static gemm_tile_fn *const slim[] = {slim_1, slim_2, slim_3, slim_4,  slim_5,  slim_6,
                                     slim_7, slim_8, slim_9, slim_10, slim_11, slim_12};
#else
static gemm_tile_fn *const full[] = {full_1, full_2, full_3, full_4, full_5, full_6};
static gemm_tile_fn *const slim[] = {slim_1, slim_2, slim_3, slim_4, slim_5, slim_6};
#endif

SIMD_INLINE vec finish_vec(vec sum, vec residual, unary_attr act, const residual_mode mode)
{
    if (mode == RESIDUAL_BEFORE)
        return activate(sum + residual, act);
    if (mode == RESIDUAL_AFTER)
        return activate(sum, act) + residual;
    return activate(sum, act);
}

typedef struct finish_args {
    int rows;
    int64_t columns;
    const float *tile, *residual;
    int64_t tile_stride, residual_stride;
    float *out;
    int64_t out_stride;
} finish_args;

SIMD_INLINE void finish_rows(const finish_args *f, unary_attr act, const residual_mode mode)
{
    const int64_t whole = f->columns - f->columns % VEC_LANES, rest = f->columns - whole;
    for (int r = 0; r < f->rows; r++) {
        const float *from = f->tile + r * f->tile_stride;
        const float *residual = mode == RESIDUAL_NONE ? NULL : f->residual + r * f->residual_stride;
        float *to = f->out + r * f->out_stride;
        vec second = {0};
        for (int64_t c = 0; c < whole; c += VEC_LANES) {
            if (mode != RESIDUAL_NONE)
                second = vec_load(residual + c);
            vec_store(to + c, finish_vec(vec_load(from + c), second, act, mode));
        }
        if (rest == 0)
            continue;
        if (mode != RESIDUAL_NONE)
            second = vec_load_n(residual + whole, rest);
        vec first = vec_load_n(from + whole, rest);
        vec_store_n(to + whole, finish_vec(first, second, act, mode), rest);
    }
}

/* One loop per activation, with the choice made outside of it. */
SIMD_INLINE void finish_kind(const finish_args *f, unary_attr act, residual_mode mode)
{
    if (mode == RESIDUAL_BEFORE)
        finish_rows(f, act, RESIDUAL_BEFORE);
    else if (mode == RESIDUAL_AFTER)
        finish_rows(f, act, RESIDUAL_AFTER);
    else
        finish_rows(f, act, RESIDUAL_NONE);
}

static void finish(const epilogue *epi, int rows, int64_t columns, const float *from,
                   int64_t tile_stride, const float *residual, int64_t residual_stride, float *out,
                   int64_t out_stride)
{
    const finish_args f = {.rows = rows,
                           .columns = columns,
                           .tile = from,
                           .residual = residual,
                           .tile_stride = tile_stride,
                           .residual_stride = residual_stride,
                           .out = out,
                           .out_stride = out_stride};
    unary_attr act = epi->act;
    switch (act.kind) {
#define CASE(name)                                                                                 \
    case name:                                                                                     \
        act.kind = name;                                                                           \
        finish_kind(&f, act, epi->residual);                                                       \
        break;
        CASE(UNARY_IDENTITY)
        CASE(UNARY_RELU)
        CASE(UNARY_LEAKY_RELU)
        CASE(UNARY_SILU)
        CASE(UNARY_SIGMOID)
        CASE(UNARY_GELU)
        CASE(UNARY_GELU_TANH)
        CASE(UNARY_HARD_SWISH)
        CASE(UNARY_HARD_SIGMOID)
        CASE(UNARY_TANH)
        CASE(UNARY_CLAMP)
#undef CASE
    default: /* rare ones: libm calls, so the loop's shape does not matter */
        finish_kind(&f, act, epi->residual);
        break;
    }
}

const gemm_table SIMD_NAME(gemm_table) = {
    .lanes = VEC_LANES,
    .columns = 2 * VEC_LANES,
    .rows = TILE_ROWS,
    .full = full,
    .slim = slim,
    .finish = finish,
};
