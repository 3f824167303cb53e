/* Attention in bfloat16 by AMX. As in attention.c scores never exist as a whole; queries, keys,
 * values and weights are rounded, scores and sums are not. */
#include "backend/cpu/simd/attention.h"

#include "backend/cpu/simd/softmax.h"
#include "backend/cpu/simd/tiles.h"
#include "backend/cpu/simd/vec_math.h"

enum {
    BLOCK = 2 * TILE_SIDE, /* rows and columns that are multiplied at a time */
    LANES = BLOCK,         /* keys are what the second product sums over, in pairs */
};

static int64_t padded(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* ---- packing ------------------------------------------------------------------------------- */

/* Pairs (low[i], high[i]). */
SIMD_INLINE ivec pairs_of(vec low, vec high)
{
    return bf16_bits_of(high) | (ivec)((uvec)bf16_bits_of(low) >> 16);
}

static void to_pairs(int64_t n, const float *x, float *pairs)
{
    uint16_t *to = (uint16_t *)(void *)pairs;
    bf16_store_row(x, n, to);
    const int64_t n_padded = (n + 2 * TILE_SIDE - 1) / (2 * TILE_SIDE) * (2 * TILE_SIDE);
    memset(to + n, 0, (size_t)(n_padded - n) * sizeof(*to));
}

/* To panels [pairs of depth][LANES keys]. */
static void pack_keys(int64_t n, int64_t depth, const float *rows, float *panels)
{
    const int64_t n_pairs = (depth + 2 * TILE_SIDE - 1) / (2 * TILE_SIDE) * TILE_SIDE;
    for (int64_t key = 0; key < n; key += LANES, panels += LANES * n_pairs) {
        const int64_t n_here = n - key < LANES ? n - key : LANES;
        /* As many pairs at a time as a tile has keep the rounded rows and the panel's share in the
         * first-level cache. */
        for (int64_t k = 0; k < n_pairs; k += TILE_SIDE) {
            float share[LANES][TILE_SIDE];
            const int64_t left = depth - 2 * k;
            for (int64_t i = 0; i < n_here; i++)
                to_pairs(left < 2 * TILE_SIDE ? left : 2 * TILE_SIDE,
                         rows + (key + i) * depth + 2 * k, share[i]);
            for (int64_t i = n_here; i < LANES; i++)
                memset(share[i], 0, sizeof(share[i]));
            for (int64_t c = 0; c < TILE_SIDE; c++) {
                float *out = panels + (k + c) * LANES;
                for (int64_t i = 0; i < LANES; i++)
                    memcpy(out + i, &share[i][c],
                           sizeof(*out)); /* no float: bits stay as they are */
            }
        }
    }
}

/* Of value i, 0 from n on. */
SIMD_INLINE vec value_at(const float *row, int64_t column, int64_t width)
{
    const int64_t left = width - column;
    return !row || left <= 0   ? vec_set(0)
           : left >= VEC_LANES ? vec_load(row + column)
                               : vec_load_n(row + column, left);
}

/* To panels [pairs of keys][LANES columns]. */
static void pack_values(int64_t n, int64_t width, const float *const *rows, float *panels)
{
    const int64_t n_padded = padded(n);
    for (int64_t c = 0; c < padded(width); c += LANES) {
        for (int64_t i = 0; i < n_padded; i += 2, panels += LANES) {
            const float *low = i < n ? rows[i] : NULL, *high = i + 1 < n ? rows[i + 1] : NULL;
            for (int64_t v = 0; v < LANES; v += VEC_LANES)
                vec_store(panels + v,
                          (vec)pairs_of(value_at(low, c + v, width), value_at(high, c + v, width)));
        }
    }
}

/* ---- products and softmax ------------------------------------------------------------------ */

static void store_block(float *to, int64_t stride)
{
    TILE_STORE(0, to, stride * 4);
    TILE_STORE(1, to + TILE_SIDE, stride * 4);
    TILE_STORE(2, to + TILE_SIDE * stride, stride * 4);
    TILE_STORE(3, to + TILE_SIDE * stride + TILE_SIDE, stride * 4);
}

static void score(const attention_block *b, const float *queries)
{
    for (int64_t key = 0; key < b->keys_padded; key += BLOCK) {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
        tiles_multiply(queries, b->depth, b->keys + key * b->depth, LANES, b->depth, true);
        store_block(b->scores + key, b->keys_padded);
    }
}

static void add_values(const attention_block *b, float *sums)
{
    const int64_t stride = b->width_padded, depth = b->keys_padded / 2;
    for (int64_t c = 0; c < b->width_padded; c += BLOCK) {
        float *to = sums + c;
        TILE_LOAD(0, to, stride * 4);
        TILE_LOAD(1, to + TILE_SIDE, stride * 4);
        TILE_LOAD(2, to + TILE_SIDE * stride, stride * 4);
        TILE_LOAD(3, to + TILE_SIDE * stride + TILE_SIDE, stride * 4);
        /* Weights lie in the first half of each row of scores. */
        tiles_multiply(b->scores, b->keys_padded, b->values + c * depth, LANES, depth, true);
        store_block(to, stride);
    }
}

/* Scores of one query become weights, in the first half of their memory. */
static void weigh(const attention_block *b, int64_t query, float *scores)
{
    scores[b->n_keys - 1] += b->last_bias;
    const float max = softmax_max(b, query, scores);
    vec total = vec_set(0);
    for (int64_t i = 0; i < b->keys_padded; i += VEC_LANES) {
        const vec weight = softmax_weight(scores + i, max);
        bf16_store((uint16_t *)(void *)scores + i, weight);
        total += weight;
    }
    softmax_add(b, query, max, total);
}

static void attend(const attention_block *b)
{
    tiles_begin();
    for (int64_t first = 0; first < b->n_queries; first += BLOCK) {
        const int64_t rows = b->n_queries - first < BLOCK ? b->n_queries - first : BLOCK;
        score(b, b->queries + first * b->depth);
        for (int64_t r = 0; r < rows; r++)
            weigh(b, first + r, b->scores + r * b->keys_padded);
        add_values(b, b->sums + first * b->width_padded);
    }
    tiles_end();
}

static void rotate(int64_t n, const float *x, const float *rotation, float factor, float *out)
{
    SIMD_TILES_BASE(attention_table).rotate(n, x, rotation, factor, out);
}

static void finish(int64_t width, const float *sums, float total, float *out)
{
    SIMD_TILES_BASE(attention_table).finish(width, sums, total, out);
}

const attention_table SIMD_NAME(attention_table) = {
    .lanes = LANES,
    .depth_multiple = TILE_SIDE,
    .row_multiple = BLOCK,
    .longest_block = 256, /* whose scores for 32 queries stay in a first-level cache of 48 KiB */
    .block_floats = 256 * 1024,
    .rotate = rotate,
    .to_pairs = to_pairs,
    .pack_keys = pack_keys,
    .pack_values = pack_values,
    .attend = attend,
    .finish = finish,
};
