/* Softmax over blocks of keys as they come (Milakov and Gimelshein 2018; the blocking is that of
 * FlashAttention, Dao et al. 2022): the score matrix never exists as a whole. */
#include "backend/cpu/simd/attention.h"

#include "backend/cpu/simd/softmax.h"
#include "backend/cpu/simd/vec_math.h"

#include <stdbool.h>

enum { COLUMNS = 2 * VEC_LANES };

#if defined(__AVX512F__)
enum { TILE_ROWS = 12 }; /* 24 sums, 2 of the panel and 1 of the rows fit 32 registers */
#else
enum { TILE_ROWS = 6 }; /* 15 of 16 registers */
#endif

static int64_t padded(int64_t n)
{
    return (n + VEC_LANES - 1) / VEC_LANES * VEC_LANES;
}

static int64_t panel_width(int64_t first, int64_t n_padded)
{
    return n_padded - first >= COLUMNS ? COLUMNS : VEC_LANES;
}

/* ---- packing ------------------------------------------------------------------------------- */

#if defined(__AVX512F__)
#define EVEN_TWICE 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14
#define ODD_TWICE 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15
#define EVEN_SIGNS -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1
#elif defined(__AVX2__)
#define EVEN_TWICE 0, 0, 2, 2, 4, 4, 6, 6
#define ODD_TWICE 1, 1, 3, 3, 5, 5, 7, 7
#define EVEN_SIGNS -1, 1, -1, 1, -1, 1, -1, 1
#else
#define EVEN_TWICE 0, 0, 2, 2
#define ODD_TWICE 1, 1, 3, 3
#define EVEN_SIGNS -1, 1, -1, 1
#endif

/* (x cos - y sin, x sin + y cos) for each pair (x, y). */
SIMD_INLINE vec rotated(vec x, vec rotation)
{
    const vec cosine = VEC_SHUFFLE(rotation, EVEN_TWICE);
    const vec sine = VEC_SHUFFLE(rotation, ODD_TWICE);
    return x * cosine + VEC_SHUFFLE(x, VEC_SWAPPED) * (sine * (vec){EVEN_SIGNS});
}

static void rotate(int64_t n, const float *x, const float *rotation, float factor, float *out)
{
    for (int64_t i = 0; i < n; i += VEC_LANES) {
        const int64_t lanes = n - i < VEC_LANES ? n - i : VEC_LANES;
        vec v = lanes == VEC_LANES ? vec_load(x + i) : vec_load_n(x + i, lanes);
        if (rotation)
            v = rotated(v, lanes == VEC_LANES ? vec_load(rotation + i)
                                              : vec_load_n(rotation + i, lanes));
        v *= factor;
        if (lanes == VEC_LANES)
            vec_store(out + i, v);
        else
            vec_store_n(out + i, v, lanes);
    }
}

/* A square of VEC_LANES rows, `stride` apart, to columns `width` apart. */
SIMD_INLINE void transpose_square(const float *rows, int64_t stride, float *out, int64_t width)
{
#if defined(__AVX2__) && !defined(__AVX512F__)
    __m256 r[8], pairs[8], fours[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(rows + i * stride);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + i * width, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * width,
                         _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
    }
#else
    for (int i = 0; i < VEC_LANES; i++) {
        for (int k = 0; k < VEC_LANES; k++)
            out[k * width + i] = rows[i * stride + k];
    }
#endif
}

static void pack_keys(int64_t n, int64_t depth, const float *rows, float *panels)
{
    const int64_t n_padded = padded(n), whole = depth - depth % VEC_LANES;
    for (int64_t key = 0; key < n_padded; key += VEC_LANES) {
        const int64_t panel = key - key % COLUMNS, width = panel_width(panel, n_padded);
        float *out = panels + panel * depth + key % COLUMNS;
        const float *from = rows + key * depth;
        const int64_t n_here = n - key < VEC_LANES ? n - key : VEC_LANES;
        int64_t k = 0;
        for (; n_here == VEC_LANES && k < whole; k += VEC_LANES)
            transpose_square(from + k, depth, out + k * width, width);
        for (; k < depth; k++) {
            for (int64_t i = 0; i < VEC_LANES; i++)
                out[k * width + i] = i < n_here ? from[i * depth + k] : 0;
        }
    }
}

static void pack_values(int64_t n, int64_t width, const float *const *rows, float *panels)
{
    const int64_t n_padded = padded(n), width_padded = padded(width);
    for (int64_t c = 0; c < width_padded; c += COLUMNS) {
        const int64_t columns = panel_width(c, width_padded);
        float *out = panels + c * n_padded;
        for (int64_t i = 0; i < n_padded; i++, out += columns) {
            for (int64_t v = 0; v < columns; v += VEC_LANES) {
                const int64_t left = width - c - v;
                const float *from = i < n && rows[i] ? rows[i] + c + v : NULL;
                vec_store(out + v, !from               ? vec_set(0)
                                   : left >= VEC_LANES ? vec_load(from)
                                                       : vec_load_n(from, left));
            }
        }
    }
}

/* ---- products ------------------------------------------------------------------------------ */

typedef struct product {
    const float *a; /* rows, a_stride apart */
    int64_t a_stride, depth;
    const float *panel;
    float *out; /* rows, out_stride apart */
    int64_t out_stride;
} product;

/* out (+)= a times the panel; `rows`, `vectors` and `add` are constants wherever this is inlined.
 */
SIMD_INLINE void tile(const product *p, const int rows, const int vectors, const bool add)
{
    vec sum[TILE_ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? vec_load(p->out + r * p->out_stride + v * VEC_LANES) : vec_set(0);
    }
    const float *a[TILE_ROWS], *panel = p->panel;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        a[r] = p->a + r * p->a_stride;
    for (int64_t k = 0; k < p->depth; k++, panel += vectors * VEC_LANES) {
        vec b[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            b[v] = vec_load(panel + v * VEC_LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const vec x = vec_set(a[r][k]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sum[r][v] += x * b[v];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            vec_store(p->out + r * p->out_stride + v * VEC_LANES, sum[r][v]);
    }
}

SIMD_INLINE void tile_of(const product *p, int rows, const int vectors, const bool add)
{
    switch (rows) {
#define CASE(n)                                                                                    \
    case n:                                                                                        \
        tile(p, n, vectors, add);                                                                  \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#if defined(__AVX512F__)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
#endif
#undef CASE
    default:
        break;
    }
}

/* All rows times all panels of n columns (padded); a panel stays in the first-level cache. */
SIMD_INLINE void multiply(product p, int64_t rows, int64_t n, const bool add)
{
    const float *a = p.a, *panels = p.panel;
    float *out = p.out;
    for (int64_t c = 0; c < n; c += COLUMNS) {
        p.panel = panels + c * p.depth;
        for (int64_t r = 0; r < rows; r += TILE_ROWS) {
            const int here = (int)(rows - r < TILE_ROWS ? rows - r : TILE_ROWS);
            p.a = a + r * p.a_stride;
            p.out = out + r * p.out_stride + c;
            if (panel_width(c, n) == COLUMNS)
                tile_of(&p, here, 2, add);
            else
                tile_of(&p, here, 1, add);
        }
    }
}

static void multiply_to(const product *p, int64_t rows, int64_t n)
{
    multiply(*p, rows, n, false);
}

static void multiply_add(const product *p, int64_t rows, int64_t n)
{
    multiply(*p, rows, n, true);
}

/* ---- softmax ------------------------------------------------------------------------------- */

/* Scores of one query become weights. */
static void weigh(const attention_block *b, int64_t query, float *scores)
{
    scores[b->n_keys - 1] += b->last_bias;
    const float max = softmax_max(b, query, scores);
    vec total = vec_set(0);
    for (int64_t i = 0; i < b->keys_padded; i += VEC_LANES) {
        const vec weight = softmax_weight(scores + i, max);
        vec_store(scores + i, weight);
        total += weight;
    }
    softmax_add(b, query, max, total);
}

static void attend(const attention_block *b)
{
    for (int64_t first = 0; first < b->n_queries; first += ATTENTION_ROWS) {
        const int64_t rows =
            b->n_queries - first < ATTENTION_ROWS ? b->n_queries - first : ATTENTION_ROWS;
        const product scores = {.a = b->queries + first * b->depth,
                                .a_stride = b->depth,
                                .depth = b->depth,
                                .panel = b->keys,
                                .out = b->scores,
                                .out_stride = b->keys_padded};
        multiply_to(&scores, rows, b->keys_padded);
        for (int64_t r = 0; r < rows; r++)
            weigh(b, first + r, b->scores + r * b->keys_padded);
        const product sums = {.a = b->scores,
                              .a_stride = b->keys_padded,
                              .depth = b->keys_padded,
                              .panel = b->values,
                              .out = b->sums + first * b->width_padded,
                              .out_stride = b->width_padded};
        multiply_add(&sums, rows, b->width_padded);
    }
}

static void finish(int64_t width, const float *sums, float total, float *out)
{
    const float inverse = total == 0 ? 0 : 1 / total;
    for (int64_t i = 0; i < width; i += VEC_LANES) {
        const vec v = vec_load(sums + i) * inverse; /* sums are padded */
        if (width - i >= VEC_LANES)
            vec_store(out + i, v);
        else
            vec_store_n(out + i, v, width - i);
    }
}

const attention_table SIMD_NAME(attention_table) = {
    .lanes = VEC_LANES,
    .depth_multiple = 1,
    .row_multiple = 1,
    .longest_block = 512,
    .block_floats = 64 * 1024, /* half of a second-level cache of 512 KiB */
    .rotate = rotate,
    .pack_keys = pack_keys,
    .pack_values = pack_values,
    .attend = attend,
    .finish = finish,
};
