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

/* IEEE 754 binary16: 5 bits of exponent, 10 of mantissa. */
static inline float float_from_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000u | (uint32_t)mantissa << 13);
    const float magnitude =
        exponent ? ldexpf((float)(mantissa | 1024), exponent - 25) : ldexpf((float)mantissa, -24);
    return sign ? -magnitude : magnitude;
}

#endif
