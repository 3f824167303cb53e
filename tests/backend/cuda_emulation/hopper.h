/* tests/backend/cuda_emulation/hopper.h - the functions of src/backend/cuda/kernels/hopper.cuh for
 * the host. Copies and products happen at once; what is checked is where they find and put things:
 * boxes, swizzles, descriptors, fragments, and who waits for whom. */
#ifndef CUDA_EMULATION_HOPPER_H
#define CUDA_EMULATION_HOPPER_H

#include "instructions.h"

/* ---- barriers: pending arrivals, arrivals of a phase, bytes awaited, parity, in 64 bits ---- */

struct emulated_mbarrier {
    uint8_t pending, arrivals;
    uint8_t phase;
    uint8_t unused;
    int32_t bytes;
};
static_assert(sizeof(emulated_mbarrier) == 8, "a barrier is 64 bits");

inline void mbarrier_settle(emulated_mbarrier *b)
{
    if (b->pending == 0 && b->bytes == 0) {
        b->pending = b->arrivals;
        b->phase ^= 1;
        emulated_progress();
    }
}
inline void mbarrier_init(uint64_t *bar, int n_arrivals)
{
    const emulated_mbarrier b = {(uint8_t)n_arrivals, (uint8_t)n_arrivals, 0, 0, 0};
    memcpy(bar, &b, sizeof(b));
}
inline void mbarrier_init_fence(void)
{
}
inline void mbarrier_arrive(uint64_t *bar)
{
    emulated_mbarrier *b = (emulated_mbarrier *)bar;
    b->pending--;
    emulated_progress();
    mbarrier_settle(b);
}
inline void mbarrier_expect(uint64_t *bar, int bytes)
{
    emulated_mbarrier *b = (emulated_mbarrier *)bar;
    b->bytes += bytes;
    mbarrier_arrive(bar);
}
inline void mbarrier_wait(uint64_t *bar, int parity)
{
    const emulated_mbarrier *b = (const emulated_mbarrier *)bar;
    emulated_wait([=] { return b->phase != parity; });
}

/* ---- bulk tensor copies ---- */

struct emulated_map {
    const uint16_t *data;
    uint32_t dim[4], box[4];
    uint64_t stride[3]; /* bytes */
};
static_assert(sizeof(emulated_map) <= 128, "a tensor map has 128 bytes");

/* Where hardware puts byte `offset` of a buffer aligned to 1024 bytes: rows of 128 bytes whose
 * 16-byte units are exclusive-ored with the row. */
inline uint32_t swizzle_128(uint32_t offset)
{
    return offset ^ (offset >> 7 & 7) << 4;
}

inline void tensor_copy_4d(void *to, const unsigned char *map, uint64_t *bar, int c0, int c1,
                           int c2, int c3)
{
    emulated_map m;
    memcpy(&m, map, sizeof(m));
    check_aligned(to, 1024);
    const int c[4] = {c0, c1, c2, c3};
    uint32_t bytes = 0;
    for (uint32_t i3 = 0; i3 < m.box[3]; i3++)
        for (uint32_t i2 = 0; i2 < m.box[2]; i2++)
            for (uint32_t i1 = 0; i1 < m.box[1]; i1++)
                for (uint32_t i0 = 0; i0 < m.box[0]; i0++, bytes += 2) {
                    const uint32_t i[4] = {i0, i1, i2, i3};
                    bool inside = true;
                    int64_t from = 0;
                    for (int d = 0; d < 4; d++) {
                        const int64_t at = c[d] + (int64_t)i[d];
                        inside = inside && at >= 0 && at < m.dim[d];
                        from += d == 0 ? at * 2 : at * (int64_t)m.stride[d - 1];
                    }
                    uint16_t value = 0;
                    if (inside)
                        memcpy(&value, (const char *)m.data + from, 2);
                    memcpy((char *)to + swizzle_128(bytes), &value, 2);
                }
    emulated_mbarrier *b = (emulated_mbarrier *)bar;
    b->bytes -= (int32_t)bytes;
    mbarrier_settle(b);
}

/* ---- matrix products of a warpgroup ---- */

inline uint64_t matrix_descriptor(const void *at)
{
    const uint64_t offset = (uint64_t)((const unsigned char *)at - emulated_shared());
    check_aligned(at, 16);
    return (offset >> 4 & 0x3fff) | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 |
           (uint64_t)1 << 62;
}

inline uint64_t wide_descriptor(const void *at, int next_columns)
{
    return (matrix_descriptor(at) ^ (uint64_t)1 << 16) | (uint64_t)(next_columns >> 4) << 16;
}

/* Byte `offset` (before swizzling, counted from the descriptor's start) of an operand. The swizzle
 * looks at the whole address. */
inline float operand_at(uint64_t descriptor, uint32_t offset)
{
    const uint32_t address = (uint32_t)(descriptor & 0x3fff) * 16 + offset;
    uint16_t value;
    memcpy(&value, emulated_shared() + swizzle_128(address), 2);
    return bf16_to_float(value);
}

inline uint32_t stride_bytes(uint64_t descriptor) /* from eight rows to the next */
{
    return (uint32_t)(descriptor >> 32 & 0x3fff) * 16;
}

/* Element (row, k) of an operand with k side by side: rows of 128 bytes. */
inline float k_major(uint64_t descriptor, int row, int k)
{
    return operand_at(descriptor, (uint32_t)(row / 8) * stride_bytes(descriptor) +
                                      (uint32_t)(row % 8 * 128 + k * 2));
}

/* Element (k, column) of an operand with columns side by side: a row of 128 bytes a k, 64 columns;
 * the descriptor says where the next 64 are. */
inline float n_major(uint64_t descriptor, int k, int column)
{
    const uint32_t next_columns = (uint32_t)(descriptor >> 16 & 0x3fff) * 16;
    return operand_at(descriptor, (uint32_t)(column / 64) * next_columns +
                                      (uint32_t)(k / 8) * stride_bytes(descriptor) +
                                      (uint32_t)(k % 8 * 128 + column % 64 * 2));
}

struct wgmma_arg {
    float *d;
    const uint32_t *a; /* NULL: by descriptor */
    uint64_t a_descriptor, b_descriptor;
    int add, columns;
};

inline void emulated_wgmma(void *const *args)
{
    const wgmma_arg *first = (const wgmma_arg *)args[0];
    const int columns = first->columns;
    static float a[64][16], b[16][256];
    for (int thread = 0; thread < 128; thread++) {
        const wgmma_arg *m = (const wgmma_arg *)args[thread];
        if (m->b_descriptor != first->b_descriptor || m->add != first->add ||
            (!m->a && m->a_descriptor != first->a_descriptor)) {
            fprintf(stderr, "emulation: threads of a warpgroup multiply different matrices\n");
            abort();
        }
        const int lane = thread % 32, row = thread / 32 * 16 + lane / 4;
        for (int r = 0; r < 4 && m->a; r++)
            for (int h = 0; h < 2; h++)
                a[row + r % 2 * 8][lane % 4 * 2 + h + r / 2 * 8] = half_of(m->a[r], h);
    }
    for (int row = 0; row < 64 && !first->a; row++)
        for (int k = 0; k < 16; k++)
            a[row][k] = k_major(first->a_descriptor, row, k);
    for (int k = 0; k < 16; k++)
        for (int n = 0; n < columns; n++)
            b[k][n] =
                first->a ? n_major(first->b_descriptor, k, n) : k_major(first->b_descriptor, n, k);
    for (int thread = 0; thread < 128; thread++) {
        const wgmma_arg *m = (const wgmma_arg *)args[thread];
        const int lane = thread % 32;
        for (int i = 0; i < columns / 2; i++) {
            const int row = thread / 32 * 16 + lane / 4 + i % 4 / 2 * 8;
            const int column = i / 4 * 8 + lane % 4 * 2 + i % 2;
            float sum = m->add ? m->d[i] : 0;
            for (int k = 0; k < 16; k++)
                sum += a[row][k] * b[k][column];
            m->d[i] = sum;
        }
    }
}

inline void wgmma_fence(void)
{
}
inline void wgmma_commit(void)
{
}
template <int N_LEFT> inline void wgmma_wait(void)
{
}
template <int N> inline void hold(float *registers)
{
    (void)registers;
}
inline void wait_after(float x, void *shared)
{
    (void)x, (void)shared;
}
template <int N> inline void registers_shrink_to(void)
{
}
template <int N> inline void registers_grow_to(void)
{
}

template <int N> inline void wgmma_64xn(float *d, uint64_t a, uint64_t b, int add)
{
    static_assert(N % 8 == 0 && N <= 256, "there is no such product");
    wgmma_arg arg = {d, NULL, a, b, add, N};
    emulated_collective(128, emulated_wgmma, &arg);
}
inline void wgmma_64x64(float *d, uint64_t a, uint64_t b, int add)
{
    wgmma_64xn<64>(d, a, b, add);
}
inline void wgmma_64x128(float *d, uint64_t a, uint64_t b, int add)
{
    wgmma_64xn<128>(d, a, b, add);
}
inline void wgmma_64x64_registers(float *d, const uint32_t a[4], uint64_t b)
{
    wgmma_arg arg = {d, a, 0, b, 1, 64};
    emulated_collective(128, emulated_wgmma, &arg);
}
inline void wgmma_64x96_registers(float *d, const uint32_t a[4], uint64_t b)
{
    wgmma_arg arg = {d, a, 0, b, 1, 96};
    emulated_collective(128, emulated_wgmma, &arg);
}
inline void wgmma_64x128_registers(float *d, const uint32_t a[4], uint64_t b)
{
    wgmma_arg arg = {d, a, 0, b, 1, 128};
    emulated_collective(128, emulated_wgmma, &arg);
}
inline void wgmma_64x256_registers(float *d, const uint32_t a[4], uint64_t b)
{
    wgmma_arg arg = {d, a, 0, b, 1, 256};
    emulated_collective(128, emulated_wgmma, &arg);
}

#endif
