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
    float least, most; /* of END_CLAMP */
} tile_args;

/* What is done with the sums while they are still in registers. ReLU is a clamp without an upper
 * end. */
typedef enum tile_end { END_IDENTITY, END_CLAMP, END_SILU, END_GELU, END_COUNT } tile_end;

SIMD_INLINE vec end_vec(vec sum, const tile_end end, const tile_args *args)
{
    return end == END_SILU    ? vec_silu(sum)
           : end == END_GELU  ? vec_gelu(sum)
           : end == END_CLAMP ? vec_clamp(sum, args->least, args->most)
                              : sum;
}

/* An input, or a pair of them, in all lanes. A pair's bits must not pass for a float's. */
SIMD_INLINE vec spread(const float *input)
{
#if defined(__AVX512BF16__)
    int32_t bits;
    memcpy(&bits, input, sizeof(bits));
    return (vec)_mm512_set1_epi32(bits);
#else
    return vec_set(*input);
#endif
}

SIMD_INLINE vec multiply_add(vec x, vec weights, vec sum)
{
#if defined(__AVX512BF16__)
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)weights);
#else
    return sum + x * weights;
#endif
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
                const vec x = spread(a[r] + k);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = multiply_add(x, weights[v], sum[r][v]);
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
            x = end_vec(x, end, args);
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
TILE(slim_clamp, TILE_ROWS, 1, END_CLAMP)
TILE(slim_silu, TILE_ROWS, 1, END_SILU)
TILE(full_identity, TILE_ROWS, 2, END_IDENTITY)
TILE(full_clamp, TILE_ROWS, 2, END_CLAMP)
TILE(full_silu, TILE_ROWS, 2, END_SILU)
TILE(slim_gelu, TILE_ROWS, 1, END_GELU)
TILE(full_gelu, TILE_ROWS, 2, END_GELU)

static tile_fn *const whole_tiles[2][END_COUNT] = {
    {slim_identity, slim_clamp, slim_silu, slim_gelu},
    {full_identity, full_clamp, full_silu, full_gelu},
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
    const unary_kind act = epi->act.kind;
    *end = act == UNARY_SILU                         ? END_SILU
           : act == UNARY_GELU                       ? END_GELU
           : act == UNARY_RELU || act == UNARY_CLAMP ? END_CLAMP
                                                     : END_IDENTITY;
    return *end != END_IDENTITY || act == UNARY_IDENTITY;
}

/* Where the tiles of one panel read and write; `row` says which. */
typedef struct panel_walk {
    const gemm_pass *p;
    int64_t column, width, used; /* used: columns that exist */
    tile_args args;              /* of row 0 */
} panel_walk;

/* The tile at `row` with everything that whole tiles cannot do in registers. */
static void rest_tile(const panel_walk *w, const tile_args *args, int64_t row, int rows)
{
    const gemm_pass *p = w->p;
    const bool wide = w->width > VEC_LANES;
    tile_fn *run = rows == TILE_ROWS ? whole_tiles[wide][END_IDENTITY] : rest_tiles[wide][rows - 1];
    tile_args plain = *args;
    plain.mode = RESIDUAL_NONE;
    if (!p->last) {
        run(&plain);
        return;
    }
    float sum[TILE_ROWS * 2 * VEC_LANES];
    plain.out = sum;
    plain.out_stride = w->width;
    run(&plain);
    const float *residual = p->epi.residual == RESIDUAL_NONE
                                ? NULL
                                : p->residual + row * p->residual_stride + w->column;
    finish(&p->epi, rows, w->used, sum, w->width, residual, p->residual_stride,
           p->out + row * p->out_stride + w->column, p->out_stride);
}

/* Rows first <= row < end of one panel. */
static void pass_panel(const gemm_pass *p, int64_t column, int64_t first, int64_t end)
{
    panel_walk w = {.p = p, .column = column};
    w.width = p->columns - column > VEC_LANES ? 2 * VEC_LANES : VEC_LANES;
    w.used = p->columns - column < w.width ? p->columns - column : w.width;
    float *sums = p->sums + column * p->rows;
    tile_end tile_ends = END_IDENTITY;
    const bool in_registers = !p->last || (w.used == w.width && end_of(&p->epi, &tile_ends));
    tile_fn *run = whole_tiles[w.width > VEC_LANES][tile_ends];
    tile_args args = {
        .a = p->a + first,
        .a_stride = p->a_stride,
        .a_offset = p->a_offset,
        .taps = p->taps,
        .depth = p->depth,
        .panel = p->panels + column * p->panel_k + p->first_k * w.width,
        .start = p->first ? p->bias + column : sums + first * w.width,
        .start_stride = p->first ? 0 : w.width,
        .out = p->last ? p->out + first * p->out_stride + column : sums + first * w.width,
        .out_stride = p->last ? p->out_stride : w.width,
        .mode = p->last ? p->epi.residual : RESIDUAL_NONE,
        .residual_stride = p->residual_stride,
        .least = p->epi.act.kind == UNARY_CLAMP ? p->epi.act.alpha : 0,
        .most = p->epi.act.kind == UNARY_CLAMP ? p->epi.act.beta : INFINITY,
    };
    if (args.mode != RESIDUAL_NONE)
        args.residual = p->residual + first * p->residual_stride + column;
    int64_t row = first;
    for (; row + TILE_ROWS <= end; row += TILE_ROWS) {
        if (in_registers)
            run(&args);
        else
            rest_tile(&w, &args, row, TILE_ROWS);
        args.a += TILE_ROWS;
        args.start += TILE_ROWS * args.start_stride;
        args.out += TILE_ROWS * args.out_stride;
        if (args.mode != RESIDUAL_NONE)
            args.residual += TILE_ROWS * args.residual_stride;
    }
    if (row < end)
        rest_tile(&w, &args, row, (int)(end - row));
}

static void pass(const gemm_pass *p)
{
    for (int64_t row = 0; row < p->rows; row += p->rows_at_once) {
        const int64_t end = p->rows - row < p->rows_at_once ? p->rows : row + p->rows_at_once;
        for (int64_t column = 0; column < p->columns; column += 2 * VEC_LANES)
            pass_panel(p, column, row, end);
    }
}

#if defined(__AVX512BF16__)
static void to_pairs(const float *from, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i += VEC_LANES) { /* rounds to nearest even */
        const int64_t lanes = n - i < VEC_LANES ? n - i : VEC_LANES;
        const __m256bh rounded = _mm512_cvtneps_pbh((__m512)vec_load_n(from + i, lanes));
        const __mmask8 pairs = (__mmask8)((1u << ((lanes + 1) / 2)) - 1);
        _mm256_mask_storeu_epi32(to + i / 2, pairs, (__m256i)rounded);
    }
}
#endif

const gemm_table SIMD_NAME(gemm_table) = {
    .lanes = VEC_LANES,
    .columns = 2 * VEC_LANES,
    .rows = TILE_ROWS,
#if defined(__AVX512BF16__)
    .to_pairs = to_pairs,
#endif
    .pass = pass,
    .finish = finish,
};
