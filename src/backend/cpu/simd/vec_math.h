/* backend/cpu/simd/vec_math.h - exponentials and what is made of them, for vectors. */
#ifndef BACKEND_CPU_SIMD_VEC_MATH_H
#define BACKEND_CPU_SIMD_VEC_MATH_H

#include "backend/cpu/simd/vec.h"

/* 2^(x * log2_base) for -126 <= x * log2_base < 127.5, relative error below 3e-7 (5e-7 without
 * FMA). The exponent is split into an integer, which goes into the exponent bits, and a rest in
 * [-1/2, 1/2], where a polynomial fitted for the smallest relative error is exact to 1.1e-7. */
SIMD_INLINE vec vec_exp2_of(vec x, float log2_base)
{
    /* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low mantissa bits. */
    const float rounder = 12582912.0f;
    const vec shifted = x * log2_base + rounder;
    /* With FMA the product enters unrounded: what is left is the error of the constant. */
    const vec rest = x * log2_base - (shifted - rounder);
    vec p = vec_set(1.32647273e-3f);
    p = p * rest + 9.67151299e-3f;
    p = p * rest + 5.55073358e-2f;
    p = p * rest + 2.40222424e-1f;
    p = p * rest + 6.93147004e-1f;
    p = p * rest + 1.0f;
    return (vec)((ivec)p + ((ivec)shifted << 23));
}

/* e^x: 0 below -87.3 (where floats lose precision), infinite above 88.3; NaN stays NaN. */
SIMD_INLINE vec vec_exp(vec x)
{
    const float log2_e = 1.44269504f, least = -87.3f, most = 88.3f;
    const vec e = vec_exp2_of(vec_min(vec_set(most), vec_max(vec_set(least), x)), log2_e);
    return vec_select(x < least, vec_set(0), vec_select(x > most, vec_set(INFINITY), e));
}

/* 1 + e^-x. NaN stays NaN. */
SIMD_INLINE vec vec_one_plus_exp_neg(vec x)
{
    const float log2_e = 1.44269504f;
    return 1.0f + vec_exp2_of(vec_min(vec_set(87.3f), vec_max(vec_set(-88.3f), x)), -log2_e);
}

SIMD_INLINE vec vec_sigmoid(vec x)
{
    return 1.0f / vec_one_plus_exp_neg(x);
}

SIMD_INLINE vec vec_silu(vec x)
{
    return x / vec_one_plus_exp_neg(x);
}

#endif
