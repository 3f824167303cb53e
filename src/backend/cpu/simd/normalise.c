#include "backend/cpu/simd/normalise.h"

#include "backend/cpu/simd/vec_math.h"

/* Terms added up in one sum before sums are added to sums: rounding errors of long sums grow with
 * the root of their length. */
enum { SUM_ROWS = 128, SUM_VECTORS = 64 };

SIMD_INLINE vec load(const float *p, int64_t lanes)
{
    return lanes >= VEC_LANES ? vec_load(p) : vec_load_n(p, lanes);
}

SIMD_INLINE void store(float *p, vec v, int64_t lanes)
{
    if (lanes >= VEC_LANES)
        vec_store(p, v);
    else
        vec_store_n(p, v, lanes);
}

/* The first lanes from memory, the others of `rest`. */
SIMD_INLINE vec load_or(const float *p, int64_t lanes, float rest)
{
    static const int32_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    if (lanes >= VEC_LANES)
        return vec_load(p);
    ivec lane;
    memcpy(&lane, numbers, sizeof(lane));
    return vec_select(lane < (int32_t)lanes, vec_load_n(p, lanes), vec_set(rest));
}

static float sum_of(int64_t n, const float *x)
{
    vec total = vec_set(0);
    for (int64_t first = 0; first < n; first += SUM_VECTORS * VEC_LANES) {
        const int64_t last =
            n - first < SUM_VECTORS * VEC_LANES ? n : first + SUM_VECTORS * VEC_LANES;
        vec even = vec_set(0), odd = vec_set(0);
        int64_t i = first;
        for (; i + 2 * VEC_LANES <= last; i += 2 * VEC_LANES) {
            even += vec_load(x + i);
            odd += vec_load(x + i + VEC_LANES);
        }
        for (; i < last; i += VEC_LANES)
            even += load(x + i, last - i);
        total += even + odd;
    }
    return vec_sum(total);
}

SIMD_INLINE bool any(ivec mask)
{
    int32_t bits = 0;
    for (int i = 0; i < VEC_LANES; i++)
        bits |= mask[i];
    return bits != 0;
}

/* NaN where there is one. Looking for it apart from the maximum keeps the chain of maxima short. */
static float max_of(int64_t n, const float *x)
{
    vec even = vec_set(-INFINITY), odd = even;
    ivec nan = {0};
    int64_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        const vec a = vec_load(x + i), b = vec_load(x + i + VEC_LANES);
        even = vec_max(even, a);
        odd = vec_max(odd, b);
        nan |= (a != a) | (b != b);
    }
    for (; i < n; i += VEC_LANES) {
        const vec a = load_or(x + i, n - i, -INFINITY);
        even = vec_max(even, a);
        nan |= a != a;
    }
    return any(nan) ? NAN : vec_max_of(vec_max(even, odd));
}

static void layer_norm(int64_t n, const float *x, const float *gamma, const float *beta,
                       float epsilon, float *out)
{
    const float mean = sum_of(n, x) / (float)n;
    vec even = vec_set(0), odd = vec_set(0);
    int64_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        const vec a = vec_load(x + i) - mean, b = vec_load(x + i + VEC_LANES) - mean;
        even += a * a;
        odd += b * b;
    }
    for (; i < n; i += VEC_LANES) {
        const vec a = load_or(x + i, n - i, mean) - mean;
        even += a * a;
    }
    const float inverse = 1 / sqrtf(vec_sum(even + odd) / (float)n + epsilon);
    for (i = 0; i < n; i += VEC_LANES) {
        vec y = (load(x + i, n - i) - mean) * inverse;
        if (gamma)
            y *= load(gamma + i, n - i);
        if (beta)
            y += load(beta + i, n - i);
        store(out + i, y, n - i);
    }
}

/* In each lane the sum over its group of four lanes. */
SIMD_INLINE vec sums_of_4(vec a)
{
    a += VEC_SHUFFLE(a, VEC_SWAPPED);
    return a + VEC_SHUFFLE(a, VEC_SWAPPED_PAIRS);
}

SIMD_INLINE vec repeated_4(const float *four, float otherwise)
{
    vec v = vec_set(otherwise);
    for (int i = 0; four && i < VEC_LANES; i++)
        v[i] = four[i % 4];
    return v;
}

static void layer_norm_4(int64_t n_rows, const float *x, const float *gamma, const float *beta,
                         float epsilon, float *out)
{
    const vec scale = repeated_4(gamma, 1), offset = repeated_4(beta, 0);
    for (int64_t i = 0; i < 4 * n_rows; i += VEC_LANES) {
        const int64_t lanes = 4 * n_rows - i;
        const vec v = load(x + i, lanes), centred = v - sums_of_4(v) * 0.25f;
        const vec variance = sums_of_4(centred * centred) * 0.25f;
        store(out + i, centred / vec_sqrt(variance + epsilon) * scale + offset, lanes);
    }
}

static void softmax(int64_t n, const float *x, float *out)
{
    const float max = max_of(n, x);
    vec total = vec_set(0);
    for (int64_t i = 0; i < n; i += VEC_LANES) {
        const vec e = vec_exp(load_or(x + i, n - i, -INFINITY) - max);
        store(out + i, e, n - i);
        total += e;
    }
    const float inverse = 1 / vec_sum(total);
    for (int64_t i = 0; i < n; i += VEC_LANES)
        store(out + i, load(out + i, n - i) * inverse, n - i);
}

static void softmax_columns(int64_t n, int64_t depth, const float *x, int64_t x_step, float *out,
                            int64_t out_step)
{
    for (int64_t i = 0; i < n; i += VEC_LANES) {
        const int64_t lanes = n - i;
        vec max = load(x + i, lanes), total = vec_set(0);
        for (int64_t k = 1; k < depth; k++)
            max = vec_max(max, load(x + i + k * x_step, lanes));
        for (int64_t k = 0; k < depth; k++) {
            const vec e = vec_exp(load(x + i + k * x_step, lanes) - max);
            store(out + i + k * out_step, e, lanes);
            total += e;
        }
        const vec inverse = 1.0f / total;
        for (int64_t k = 0; k < depth; k++)
            store(out + i + k * out_step, load(out + i + k * out_step, lanes) * inverse, lanes);
    }
}

static float reduce(reduce_kind kind, int64_t n, const float *x)
{
    return kind == REDUCE_MAX ? max_of(n, x) : sum_of(n, x);
}

/* NaN wins over numbers. */
SIMD_INLINE vec combine(const reduce_kind kind, vec a, vec b)
{
    return kind == REDUCE_MAX ? vec_select(a != a, a, vec_max(a, b)) : a + b;
}

/* `vectors` at a time, the last of `lanes`; all three are constants for whole pieces. */
SIMD_INLINE void reduce_piece(const reduce_kind kind, const int vectors, const int64_t lanes,
                              const float *const *rows, int64_t n_rows, int64_t offset, float scale,
                              float *out)
{
    const vec none = vec_set(kind == REDUCE_MAX ? -INFINITY : 0);
    vec total[4] = {none, none, none, none};
    for (int64_t first = 0; first < n_rows; first += SUM_ROWS) {
        const int64_t last = n_rows - first < SUM_ROWS ? n_rows : first + SUM_ROWS;
        vec some[4] = {none, none, none, none};
        for (int64_t r = first; r < last; r++) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                some[v] = combine(kind, some[v], load(rows[r] + offset + v * VEC_LANES, lanes));
        }
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            total[v] = combine(kind, total[v], some[v]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        store(out + offset + v * VEC_LANES, total[v] * scale, lanes);
}

SIMD_INLINE void reduce_columns_of(const reduce_kind kind, int64_t n, const float *const *rows,
                                   int64_t n_rows, float scale, float *out)
{
    int64_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES)
        reduce_piece(kind, 4, VEC_LANES, rows, n_rows, i, scale, out);
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        reduce_piece(kind, 1, VEC_LANES, rows, n_rows, i, scale, out);
    if (i < n)
        reduce_piece(kind, 1, n - i, rows, n_rows, i, scale, out);
}

static void reduce_columns(reduce_kind kind, int64_t n, const float *const *rows, int64_t n_rows,
                           float scale, float *out)
{
    if (kind == REDUCE_MAX)
        reduce_columns_of(REDUCE_MAX, n, rows, n_rows, scale, out);
    else
        reduce_columns_of(REDUCE_SUM, n, rows, n_rows, scale, out);
}

const normalise_table SIMD_NAME(normalise_table) = {
    .layer_norm = layer_norm,
    .layer_norm_4 = layer_norm_4,
    .softmax = softmax,
    .softmax_columns = softmax_columns,
    .reduce = reduce,
    .reduce_columns = reduce_columns,
};
