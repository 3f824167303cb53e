#include "backend/cpu/simd/elementwise.h"

#include "backend/cpu/simd/vec.h"

SIMD_INLINE vec combine(vec a, vec b, const binary_kind kind)
{
    switch (kind) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUB:
        return a - b;
    case BINARY_MUL:
        return a * b;
    case BINARY_DIV:
        return a / b;
    case BINARY_MAX: /* NaN of either comes out */
        return vec_select(a != a, a, vec_max(a, b));
    case BINARY_MIN:
        return vec_select(a != a, a, vec_min(a, b));
    case BINARY_POW:
        for (int i = 0; i < VEC_LANES; i++)
            a[i] = powf(a[i], b[i]);
        return a;
    case BINARY_COUNT:
        break;
    }
    return a;
}

SIMD_INLINE void row(const binary_kind kind, int64_t n, const float *a, bool a_is_one,
                     const float *b, bool b_is_one, float *out)
{
    const int64_t rest = n % VEC_LANES, whole = n - rest;
    const vec first_a = vec_set(a[0]), first_b = vec_set(b[0]);
    for (int64_t i = 0; i < whole; i += VEC_LANES)
        vec_store(out + i, combine(a_is_one ? first_a : vec_load(a + i),
                                   b_is_one ? first_b : vec_load(b + i), kind));
    if (rest > 0) {
        const vec last_a = a_is_one ? first_a : vec_load_n(a + whole, rest);
        const vec last_b = b_is_one ? first_b : vec_load_n(b + whole, rest);
        vec_store_n(out + whole, combine(last_a, last_b, kind), rest);
    }
}

static void binary(binary_kind kind, int64_t n, const float *a, bool a_is_one, const float *b,
                   bool b_is_one, float *out)
{
    switch (kind) {
#define CASE(name)                                                                                 \
    case name:                                                                                     \
        row(name, n, a, a_is_one, b, b_is_one, out);                                               \
        break;
        CASE(BINARY_ADD)
        CASE(BINARY_SUB)
        CASE(BINARY_MUL)
        CASE(BINARY_DIV)
        CASE(BINARY_MAX)
        CASE(BINARY_MIN)
        CASE(BINARY_POW)
#undef CASE
    case BINARY_COUNT:
        break;
    }
}

const elementwise_table SIMD_NAME(elementwise_table) = {.binary = binary};
