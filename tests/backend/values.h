/* tests/backend/values.h - the same pseudo-random inputs in every program and on every machine. */
#ifndef TESTS_BACKEND_VALUES_H
#define TESTS_BACKEND_VALUES_H

#include <stdint.h>

/* A number in [-1, 1) from a counter, by MurmurHash3's finaliser (Appleby, public domain). */
static inline float value_at(uint32_t seed, uint32_t index)
{
    uint32_t h = index + seed * 0x9E3779B9u;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    h ^= h >> 16;
    return (float)(h >> 8) / (float)(1 << 23) - 1;
}

static inline void values_fill(float *out, int64_t count, uint32_t seed, float scale)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = value_at(seed, (uint32_t)i) * scale;
}

#endif
