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

/* A tile of sums. */
typedef struct tile_args {
    const float *const *a;
    int64_t a_stride, a_offset;
    int64_t taps, depth;
    const float *panel;
    const float *start; /* what the sums start from: the bias (start_stride 0) or earlier sums */
    int64_t start_stride;
    float *out;
    int64_t out_stride;
    residual_mode mode;
    const float *residual;
    int64_t residual_stride;
} tile_args;

/* What is done with the sums while they are still in registers. */
typedef enum tile_end { END_IDENTITY, END_RELU, END_SILU, END_COUNT } tile_end;

SIMD_INLINE vec end_vec(vec sum, const tile_end end)
{
    return end == END_SILU ? vec_silu(sum) : end == END_RELU ? vec_max(vec_set(0), sum) : sum;
}

/* `rows`, `vectors` and `end` are constants wherever this is inlined, so the loops over them
 * vanish. */
SIMD_INLINE void tile(const tile_args *args, const int rows, const int vectors, const tile_end end)
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
    const float *residual = args->residual;
    float *out = args->out;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, out += args->out_stride) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            vec x = sum[r][v];
            if (args->mode == RESIDUAL_BEFORE)
                x += vec_load(residual + v * VEC_LANES);
            x = end_vec(x, end);
            if (args->mode == RESIDUAL_AFTER)
                x += vec_load(residual + v * VEC_LANES);
            vec_store(out + v * VEC_LANES, x);
        }
        residual += args->residual_stride;
    }
}

typedef void tile_fn(const tile_args *args);

#define TILE(name, rows, vectors, end)                                                             \
    static void name(const tile_args *args)                                                        \
    {                                                                                              \
        tile(args, rows, vectors, end);                                                            \
    }

/* Whole tiles, by width in vectors and end. */
TILE(slim_identity, TILE_ROWS, 1, END_IDENTITY)
TILE(slim_relu, TILE_ROWS, 1, END_RELU)
TILE(slim_silu, TILE_ROWS, 1, END_SILU)
TILE(full_identity, TILE_ROWS, 2, END_IDENTITY)
TILE(full_relu, TILE_ROWS, 2, END_RELU)
TILE(full_silu, TILE_ROWS, 2, END_SILU)

static tile_fn *const whole_tiles[2][END_COUNT] = {
    {slim_identity, slim_relu, slim_silu},
    {full_identity, full_relu, full_silu},
};

/* The last rows of a block. */
#define REST(rows)                                                                                 \
    TILE(slim_##rows, rows, 1, END_IDENTITY)                                                       \
    TILE(full_##rows, rows, 2, END_IDENTITY)

REST(1)
REST(2)
REST(3)
REST(4)
REST(5)
#if defined(__AVX512F__)
REST(6)
REST(7)
REST(8)
REST(9)
REST(10)
REST(11)
static tile_fn *const rest_tiles[2][TILE_ROWS - 1] = {
    {slim_1, slim_2, slim_3, slim_4, slim_5, slim_6, slim_7, slim_8, slim_9, slim_10, slim_11},
    {full_1, full_2, full_3, full_4, full_5, full_6, full_7, full_8, full_9, full_10, full_11},
};
#else
static tile_fn *const rest_tiles[2][TILE_ROWS - 1] = {
    {slim_1, slim_2, slim_3, slim_4, slim_5},
    {full_1, full_2, full_3, full_4, full_5},
};
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

/* Whether the end of the pass needs no more than a whole tile's own functions. */
static bool end_of(const epilogue *epi, tile_end *end)
{
    *end = epi->act.kind == UNARY_SILU   ? END_SILU
           : epi->act.kind == UNARY_RELU ? END_RELU
                                         : END_IDENTITY;
    return *end != END_IDENTITY || epi->act.kind == UNARY_IDENTITY;
}

static void pass_tile(const gemm_pass *p, int64_t row, int64_t column)
{
    enum { COLUMNS = 2 * VEC_LANES };
    const int64_t width = p->columns - column > VEC_LANES ? COLUMNS : VEC_LANES;
    const int64_t used = p->columns - column < width ? p->columns - column : width;
    const int rows = p->rows - row < TILE_ROWS ? (int)(p->rows - row) : TILE_ROWS;
    float *sums = p->sums + column * p->rows + row * width;
    tile_args args = {
        .a = p->a + row,
        .a_stride = p->a_stride,
        .a_offset = p->a_offset,
        .taps = p->taps,
        .depth = p->depth,
        .panel = p->panels + column * p->panel_k + p->first_k * width,
        .start = p->first ? p->bias + column : sums,
        .start_stride = p->first ? 0 : width,
        .out = sums,
        .out_stride = width,
    };
    tile_end end = END_IDENTITY;
    const bool wide = width == COLUMNS;
    if (!p->last) {
        (rows == TILE_ROWS ? whole_tiles[wide][end] : rest_tiles[wide][rows - 1])(&args);
        return;
    }
    float *out = p->out + row * p->out_stride + column;
    const float *residual =
        p->epi.residual == RESIDUAL_NONE ? NULL : p->residual + row * p->residual_stride + column;
    if (rows == TILE_ROWS && used == width && end_of(&p->epi, &end)) {
        args.out = out;
        args.out_stride = p->out_stride;
        args.mode = p->epi.residual;
        args.residual = residual;
        args.residual_stride = p->residual_stride;
        whole_tiles[wide][end](&args);
        return;
    }
    float sum[TILE_ROWS * COLUMNS];
    args.out = sum;
    (rows == TILE_ROWS ? whole_tiles[wide][END_IDENTITY] : rest_tiles[wide][rows - 1])(&args);
    finish(&p->epi, rows, used, sum, width, residual, p->residual_stride, out, p->out_stride);
}

static void pass(const gemm_pass *p)
{
    if (p->rows_outside) {
        for (int64_t row = 0; row < p->rows; row += TILE_ROWS)
            for (int64_t column = 0; column < p->columns; column += 2 * VEC_LANES)
                pass_tile(p, row, column);
    } else {
        for (int64_t column = 0; column < p->columns; column += 2 * VEC_LANES)
            for (int64_t row = 0; row < p->rows; row += TILE_ROWS)
                pass_tile(p, row, column);
    }
}

const gemm_table SIMD_NAME(gemm_table) = {
    .lanes = VEC_LANES,
    .columns = 2 * VEC_LANES,
    .rows = TILE_ROWS,
    .pass = pass,
    .finish = finish,
};
