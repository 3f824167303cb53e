/* tests/backend/cuda_emulation/instructions.h - the functions of
 * src/backend/cuda/kernels/instructions.cuh, written after the PTX ISA's descriptions. */
#ifndef CUDA_EMULATION_INSTRUCTIONS_H
#define CUDA_EMULATION_INSTRUCTIONS_H

#include "emulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DYNAMIC_SHARED(name) unsigned char *const name = emulated_shared()

/* A GPU traps on addresses that are not multiples of what is accessed. */
inline void check_aligned(const void *p, int bytes)
{
    if ((uintptr_t)p % (unsigned)bytes == 0)
        return;
    fprintf(stderr, "emulation: %p is no multiple of %d bytes\n", p, bytes);
    abort();
}

inline float bf16_to_float(uint16_t bits)
{
    return __builtin_bit_cast(float, (uint32_t)bits << 16);
}

inline uint32_t float_to_bf16(float x)
{
    const uint32_t bits = __builtin_bit_cast(uint32_t, x);
    if (x != x)
        return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

inline uint32_t pack_bf16(float low, float high)
{
    return float_to_bf16(low) | float_to_bf16(high) << 16;
}

inline float exact_mul(float a, float b)
{
    volatile float product = a * b;
    return product;
}

inline float exact_add(float a, float b)
{
    volatile float sum = a + b;
    return sum;
}

inline float fast_exp2(float x)
{
    return exp2f(x);
}

inline float max_or_nan(float x, float y)
{
    return x < y ? y : x;
}

inline float half_of(uint32_t pair, int index)
{
    return bf16_to_float((uint16_t)(pair >> (16 * index)));
}

struct mma_arg {
    float *d;
    const uint32_t *a;
    uint32_t b[2];
};

inline void emulated_mma(void *const *args)
{
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const mma_arg *m = (const mma_arg *)args[lane];
        const int group = lane / 4, t = lane % 4;
        for (int r = 0; r < 4; r++)
            for (int h = 0; h < 2; h++)
                a[group + r % 2 * 8][t * 2 + h + r / 2 * 8] = half_of(m->a[r], h);
        for (int r = 0; r < 2; r++)
            for (int h = 0; h < 2; h++)
                b[t * 2 + h + r * 8][group] = half_of(m->b[r], h);
    }
    for (int lane = 0; lane < 32; lane++) {
        const mma_arg *m = (const mma_arg *)args[lane];
        for (int r = 0; r < 4; r++) {
            const int row = lane / 4 + r / 2 * 8, column = lane % 4 * 2 + r % 2;
            float sum = m->d[r];
            for (int k = 0; k < 16; k++)
                sum += a[row][k] * b[k][column];
            m->d[r] = sum;
        }
    }
}

inline void mma_16816(float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
    mma_arg arg = {d, a, {b0, b1}};
    emulated_collective(32, emulated_mma, &arg);
}

struct ldmatrix_arg {
    uint32_t *r;
    const void *row;
};

inline void emulated_ldmatrix(void *const *args, bool trans)
{
    for (int lane = 0; lane < 32; lane++) {
        ldmatrix_arg *own = (ldmatrix_arg *)args[lane];
        for (int m = 0; m < 4; m++) {
            uint16_t pair[2];
            for (int h = 0; h < 2; h++) {
                const int row = trans ? lane % 4 * 2 + h : lane / 4;
                const int column = trans ? lane / 4 : lane % 4 * 2 + h;
                const ldmatrix_arg *source = (const ldmatrix_arg *)args[m * 8 + row];
                memcpy(&pair[h], (const char *)source->row + column * 2, 2);
            }
            own->r[m] = pair[0] | (uint32_t)pair[1] << 16;
        }
    }
}

inline void emulated_ldmatrix_plain(void *const *args)
{
    emulated_ldmatrix(args, false);
}
inline void emulated_ldmatrix_trans(void *const *args)
{
    emulated_ldmatrix(args, true);
}

inline void ldmatrix_x4(uint32_t r[4], const void *row)
{
    check_aligned(row, 16);
    ldmatrix_arg arg = {r, row};
    emulated_collective(32, emulated_ldmatrix_plain, &arg);
}
inline void ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
    check_aligned(row, 16);
    ldmatrix_arg arg = {r, row};
    emulated_collective(32, emulated_ldmatrix_trans, &arg);
}

struct stmatrix_arg {
    const uint32_t *r;
    void *row;
};

inline void emulated_stmatrix(void *const *args)
{
    for (int lane = 0; lane < 32; lane++) {
        const stmatrix_arg *own = (const stmatrix_arg *)args[lane];
        for (int m = 0; m < 4; m++) {
            const stmatrix_arg *to = (const stmatrix_arg *)args[m * 8 + lane / 4];
            memcpy((char *)to->row + lane % 4 * 4, &own->r[m], 4);
        }
    }
}

inline void stmatrix_x4(void *row, const uint32_t r[4])
{
    check_aligned(row, 16);
    stmatrix_arg arg = {r, row};
    emulated_collective(32, emulated_stmatrix, &arg);
}

inline void copy_16_async(void *to, const void *from, int valid_bytes)
{
    check_aligned(to, 16);
    check_aligned(from, 16);
    emulated_copy_async(to, from, 16, (size_t)valid_bytes);
}
inline void copy_commit(void)
{
    emulated_copy_commit();
}
template <int N_LEFT> inline void copy_wait(void)
{
    emulated_copy_wait(N_LEFT);
}

inline void barrier_wait(int id, int n_threads)
{
    emulated_barrier(id, n_threads);
}
inline void barrier_arrive(int id, int n_threads)
{
    emulated_arrival(id, n_threads);
}

#endif
