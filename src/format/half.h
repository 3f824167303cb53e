/* format/half.h - 16-bit floating-point numbers of files. */
#ifndef FORMAT_HALF_H
#define FORMAT_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The upper half of an IEEE 754 binary32. */
static inline float float_from_bf16(uint16_t bits)
{
    return float_from_bits((uint32_t)bits << 16);
}

/* IEEE 754 binary16: 5 bits of exponent with bias 15, 10 of fraction. */
static inline float float_from_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31,
                   fraction = half & 1023;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) { /* zero and subnormals: exact in binary32 */
        const float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

static inline uint32_t bits_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* To nearest, ties to even; of finite values. */
static inline uint16_t bf16_from_float(float value)
{
    const uint32_t bits = bits_from_float(value);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* To nearest, ties to even; of finite values. What is beyond 65504 becomes an infinity. */
static inline uint16_t half_from_float(float value)
{
    const uint32_t bits = bits_from_float(value), magnitude = bits & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude < 0x38800000u) /* below 2^-14: subnormal, a multiple of 2^-24 */
        return (uint16_t)(sign | (uint32_t)rintf(float_from_bits(magnitude) * 0x1p24f));
    const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    if (rounded >= 0x47800000u) /* 2^16 */
        return (uint16_t)(sign | 0x7c00);
    return (uint16_t)(sign | (rounded - ((127u - 15u) << 23)) >> 13);
}

#endif
