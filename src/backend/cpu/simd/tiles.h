/* backend/cpu/simd/tiles.h - AMX: eight registers of 16 rows of 64 bytes, multiplied with one
 * another (Intel's architecture manual, volume 1, chapter 18).
 *
 * A product takes 16 rows of 32 bfloat16 values, 16 rows of 16 pairs of them, and adds to 16 x 16
 * floats. Rows in memory are any number of bytes apart. Files that include this are compiled twice,
 * for the processor's tiles and, on every machine, for tiles in plain C, by which tests see the
 * same code run where no processor has AMX.
 *
 * Written as assembly because the compiler's intrinsics do not tell it that tiles are read from
 * memory, so that it might store later what a tile should contain. */
#ifndef BACKEND_CPU_SIMD_TILES_H
#define BACKEND_CPU_SIMD_TILES_H

#include "backend/cpu/simd/vec.h"

/* Of a tile: rows, floats or pairs in a row. */
enum { TILE_SIDE = 16 };

#if defined(SIMD_TILES_AMX)

/* Names of tiles are literal numbers. */
#define TILE_LOAD(t, from, stride_bytes)                                                           \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t                                               \
                     :                                                                             \
                     : "r"(from), "r"((int64_t)(stride_bytes))                                     \
                     : "memory")
#define TILE_STORE(t, to, stride_bytes)                                                            \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)"                                           \
                     :                                                                             \
                     : "r"(to), "r"((int64_t)(stride_bytes))                                       \
                     : "memory")
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::)
/* sum += a * b */
#define TILE_MULTIPLY(sum, a, b)                                                                   \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::)

/* Tiles belong to the thread and have to be set up before their first use; released, they cost
 * nothing when the system switches threads. */
static inline void tiles_begin(void)
{
    typedef struct tile_config {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } tile_config;
    static const tile_config whole = {.palette = 1,
                                      .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                      .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    __asm__ volatile("ldtilecfg %0" : : "m"(whole));
}

static inline void tiles_end(void)
{
    __asm__ volatile("tilerelease" ::);
}

#else

static _Thread_local float tile_registers[8][TILE_SIDE][TILE_SIDE];

static inline void tile_load(int t, const void *from, int64_t stride_bytes)
{
    for (int64_t i = 0; i < TILE_SIDE; i++)
        memcpy(tile_registers[t][i], (const char *)from + i * stride_bytes, 64);
}

static inline void tile_store(int t, void *to, int64_t stride_bytes)
{
    for (int64_t i = 0; i < TILE_SIDE; i++)
        memcpy((char *)to + i * stride_bytes, tile_registers[t][i], 64);
}

static inline float tile_half(float pair, int which)
{
    uint32_t bits;
    memcpy(&bits, &pair, sizeof(bits));
    bits = which ? bits & 0xffff0000u : bits << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline void tile_multiply(int sum, int a, int b)
{
    for (int i = 0; i < TILE_SIDE; i++)
        for (int k = 0; k < TILE_SIDE; k++)
            for (int half = 0; half < 2; half++) {
                const float x = tile_half(tile_registers[a][i][k], half);
                for (int c = 0; c < TILE_SIDE; c++)
                    tile_registers[sum][i][c] += x * tile_half(tile_registers[b][k][c], half);
            }
}

#define TILE_LOAD(t, from, stride_bytes) tile_load(t, from, stride_bytes)
#define TILE_STORE(t, to, stride_bytes) tile_store(t, to, stride_bytes)
#define TILE_ZERO(t) memset(tile_registers[t], 0, sizeof(tile_registers[t]))
#define TILE_MULTIPLY(sum, a, b) tile_multiply(sum, a, b)

static inline void tiles_begin(void)
{
}

static inline void tiles_end(void)
{
}

#endif

/* A 2 x 2 block of tiles, 0 to 3, += two tiles of rows times two tiles of columns, `depth` pairs
 * long, a multiple of TILE_SIDE. 4 and 5 hold rows, 6 and 7 columns: each is read for two products,
 * which leaves the loads time to keep up. */
SIMD_INLINE void tiles_multiply(const float *rows, int64_t row_stride, const float *columns,
                                int64_t column_stride, int64_t depth, const bool wide)
{
    const int64_t row_bytes = row_stride * 4, column_bytes = column_stride * 4;
    const float *below = rows + TILE_SIDE * row_stride;
    for (int64_t k = 0; k < depth; k += TILE_SIDE, columns += TILE_SIDE * column_stride) {
        TILE_LOAD(6, columns, column_bytes);
        TILE_LOAD(4, rows + k, row_bytes);
        TILE_MULTIPLY(0, 4, 6);
        TILE_LOAD(5, below + k, row_bytes);
        TILE_MULTIPLY(2, 5, 6);
        if (!wide)
            continue;
        TILE_LOAD(7, columns + TILE_SIDE, column_bytes);
        TILE_MULTIPLY(1, 4, 7);
        TILE_MULTIPLY(3, 5, 7);
    }
}

/* Bits of the nearest bfloat16 in the upper half of each lane, the lower half 0; ties to even; NaN
 * stays NaN. */
SIMD_INLINE ivec bf16_bits_of(vec x)
{
    const ivec bits = (ivec)x;
    const ivec rounded = bits + 0x7fff + ((bits >> 16) & 1);
    const ivec is_nan = (ivec)(x != x);
    return ((is_nan & (bits | 0x400000)) | (~is_nan & rounded)) & (int32_t)0xffff0000;
}

SIMD_INLINE void bf16_store(uint16_t *to, vec x)
{
#if defined(__AVX512BF16__)
    _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh((__m512)x));
#else
    const ivec bits = bf16_bits_of(x);
    for (int i = 0; i < VEC_LANES; i++)
        to[i] = (uint16_t)((uint32_t)bits[i] >> 16);
#endif
}

SIMD_INLINE void bf16_store_row(const float *from, int64_t n, uint16_t *to)
{
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        bf16_store(to + i, vec_load(from + i));
    if (i < n) {
        const vec rest = vec_load_n(from + i, n - i);
#if defined(__AVX512BF16__)
        _mm256_mask_storeu_epi16(to + i, (__mmask16)((1u << (n - i)) - 1),
                                 (__m256i)_mm512_cvtneps_pbh((__m512)rest));
#else
        const ivec bits = bf16_bits_of(rest);
        for (int k = 0; k < n - i; k++)
            to[i + k] = (uint16_t)((uint32_t)bits[k] >> 16);
#endif
    }
}

#endif
