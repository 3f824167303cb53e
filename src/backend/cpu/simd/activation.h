/* backend/cpu/simd/activation.h - the unary functions of graph.h for vectors.
 *
 * Relative error about 1e-6 or better; GELU's holds for the whole negative tail too, because it
 * goes through the complementary error function. */
#ifndef BACKEND_CPU_SIMD_ACTIVATION_H
#define BACKEND_CPU_SIMD_ACTIVATION_H

#include "backend/cpu/simd/vec_math.h"
#include "graph/graph.h"

/* erfc(|z|) = e^(-z^2) t q(t) with t = 1 / (1 + 0.4 |z|); q fitted for |z| < 9.5, where erfc leaves
 * the range of floats, with relative error 9e-8. */
SIMD_INLINE vec vec_erfc_abs(vec z)
{
    const vec size = vec_abs(z);
    const vec t = 1.0f / (1.0f + 0.4f * size);
    vec q = vec_set(0.0402674787f);
    q = q * t - 0.135471001f;
    q = q * t + 0.0738419667f;
    q = q * t + 0.0997297764f;
    q = q * t + 0.0715081841f;
    q = q * t + 0.196963072f;
    q = q * t + 0.20095858f;
    q = q * t + 0.226575717f;
    q = q * t + 0.225626305f;
    /* Once that small the power stays at 1e-38 instead of going on to 0. */
    const vec power = vec_exp2_of(vec_max(vec_set(-87.3f), -(size * size)), 1.44269504f);
    return power * t * q;
}

SIMD_INLINE vec vec_gelu(vec x)
{
    const float half_root = 0.707106781f;
    const vec tail = vec_erfc_abs(x * half_root); /* 1 + erf(x / sqrt 2) for x < 0 */
    return 0.5f * x * vec_select(x < 0.0f, tail, 2.0f - tail);
}

/* Near 0, where the quotient would cancel, an odd polynomial fitted for |x| < 0.55. */
SIMD_INLINE vec vec_tanh(vec x)
{
    const vec size = vec_abs(x), square = x * x;
    vec p = vec_set(0.0164375808f);
    p = p * square - 0.0526718125f;
    p = p * square + 0.133207247f;
    p = p * square - 0.333329469f;
    const vec near = x + x * square * p;
    const vec far = 1.0f - 2.0f / vec_one_plus_exp_neg(-2.0f * size);
    const vec signed_far = vec_select(x < 0.0f, -far, far);
    return vec_select(size < 0.55f, near, signed_far);
}

SIMD_INLINE vec vec_gelu_tanh(vec x)
{
    /* x/2 (1 + tanh u) = x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3) */
    const vec u2 = 1.59576912f * (x + 0.044715f * x * x * x);
    return x * vec_sigmoid(u2);
}

/* NaN goes through, where vec_min and vec_max alone would lose it. */
SIMD_INLINE vec vec_clamp(vec x, float least, float most)
{
    return vec_min(vec_set(most), vec_max(vec_set(least), x));
}

SIMD_INLINE vec vec_map(vec x, float (*f)(float))
{
    for (int i = 0; i < VEC_LANES; i++)
        x[i] = f(x[i]);
    return x;
}

/* act.kind is a constant wherever speed matters, so that one case is left. */
SIMD_INLINE vec activate(vec x, unary_attr act)
{
    switch (act.kind) {
    case UNARY_RELU:
        return vec_max(vec_set(0), x);
    case UNARY_LEAKY_RELU:
        return vec_select(x < 0.0f, x * act.alpha, x);
    case UNARY_SILU:
        return vec_silu(x);
    case UNARY_SIGMOID:
        return vec_sigmoid(x);
    case UNARY_GELU:
        return vec_gelu(x);
    case UNARY_GELU_TANH:
        return vec_gelu_tanh(x);
    case UNARY_HARD_SWISH:
        return x * vec_clamp(x * (1.0f / 6.0f) + 0.5f, 0, 1);
    case UNARY_HARD_SIGMOID:
        return vec_clamp(x * act.alpha + act.beta, 0, 1);
    case UNARY_TANH:
        return vec_tanh(x);
    case UNARY_EXP:
        return vec_exp(x);
    case UNARY_LOG:
        return vec_map(x, logf);
    case UNARY_SQRT:
        return vec_sqrt(x);
    case UNARY_ABS:
        return vec_abs(x);
    case UNARY_NEG:
        return -x;
    case UNARY_SIN:
        return vec_map(x, sinf);
    case UNARY_COS:
        return vec_map(x, cosf);
    case UNARY_CLAMP:
        return vec_clamp(x, act.alpha, act.beta);
    case UNARY_IDENTITY:
    case UNARY_COUNT:
        break;
    }
    return x;
}

#endif
