/* backend/cpu/simd/vec.h - float vectors as wide as the instruction set that the including file is
 * compiled for.
 *
 * Files in simd/ are compiled once per instruction set (see CMakeLists.txt). Each exports one table
 * of functions, whose name SIMD_NAME() makes unique; everything else in them is static. Vectors are
 * the compiler's own (GCC and Clang vector extensions), with intrinsics only for what these lack.
 */
#ifndef BACKEND_CPU_SIMD_VEC_H
#define BACKEND_CPU_SIMD_VEC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__AVX512F__)
enum { VEC_LANES = 16 };
#if defined(SIMD_TILES_AMX)
#define SIMD_NAME(base) base##_amx
#define SIMD_TILES_BASE(base) base##_avx512
#elif defined(__AVX512BF16__)
#define SIMD_NAME(base) base##_avx512_bf16
#else
#define SIMD_NAME(base) base##_avx512
#endif
#elif defined(__AVX2__)
enum { VEC_LANES = 8 };
#define SIMD_NAME(base) base##_avx2
#else
enum { VEC_LANES = 4 };
#if defined(SIMD_TILES_EMULATED)
#define SIMD_NAME(base) base##_amx_emulated
#define SIMD_TILES_BASE(base) base##_generic
#else
#define SIMD_NAME(base) base##_generic
#endif
#endif

/* Functions that have to disappear into their caller, because constants of the caller unroll them.
 */
#define SIMD_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(VEC_LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(VEC_LANES * 4)));
typedef uint32_t uvec __attribute__((vector_size(VEC_LANES * 4)));
typedef float vec_unaligned __attribute__((vector_size(VEC_LANES * 4), aligned(4), may_alias));

/* Lanes of v in another order, whose numbers are constants: VEC_SHUFFLE(v, VEC_SWAPPED). */
#define VEC_SHUFFLE(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#if defined(__AVX512F__)
#define VEC_SWAPPED 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14
#define VEC_SWAPPED_PAIRS 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
#elif defined(__AVX2__)
#define VEC_SWAPPED 1, 0, 3, 2, 5, 4, 7, 6
#define VEC_SWAPPED_PAIRS 2, 3, 0, 1, 6, 7, 4, 5
#else
#define VEC_SWAPPED 1, 0, 3, 2
#define VEC_SWAPPED_PAIRS 2, 3, 0, 1
#endif

SIMD_INLINE vec vec_load(const float *p)
{
    return (vec) * (const vec_unaligned *)p;
}

SIMD_INLINE void vec_store(float *p, vec v)
{
    *(vec_unaligned *)p = (vec_unaligned)v;
}

SIMD_INLINE vec vec_set(float x)
{
    return x - (vec){0};
}

/* The first n of the lanes, 0 <= n <= VEC_LANES; the others are 0 and are not touched in memory. */
SIMD_INLINE vec vec_load_n(const float *p, int64_t n)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vec)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
#else
    vec v = {0};
    for (int64_t i = 0; i < n; i++)
        v[i] = p[i];
    return v;
#endif
}

SIMD_INLINE void vec_store_n(float *p, vec v, int64_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane), (__m256)v);
#else
    for (int64_t i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/* mask ? a : b, lane by lane, with masks from comparisons (all bits set or none). */
SIMD_INLINE vec vec_select(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/* b where either is NaN, as the instruction does. */
SIMD_INLINE vec vec_max(vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vec)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vec_select(a > b, a, b);
#endif
}

SIMD_INLINE vec vec_min(vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vec)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vec_select(a < b, a, b);
#endif
}

SIMD_INLINE vec vec_abs(vec a)
{
    return (vec)((ivec)a & 0x7fffffff);
}

SIMD_INLINE vec vec_sqrt(vec a)
{
#if defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
    return (vec)_mm256_sqrt_ps((__m256)a);
#elif defined(__SSE2__)
    return (vec)_mm_sqrt_ps((__m128)a);
#else
    for (int i = 0; i < VEC_LANES; i++)
        a[i] = sqrtf(a[i]);
    return a;
#endif
}

/* Sums and maxima over the lanes, always in the same order: halves first. */
SIMD_INLINE float vec_sum(vec a)
{
    for (int width = VEC_LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++)
            a[i] += a[i + width];
    }
    return a[0];
}

SIMD_INLINE float vec_max_of(vec a)
{
    float most = a[0];
    for (int i = 1; i < VEC_LANES; i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

#endif
