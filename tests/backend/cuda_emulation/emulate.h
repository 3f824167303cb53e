/* tests/backend/cuda_emulation/emulate.h - a GPU's threads as fibers of one host thread, so that
 * the kernels of src/backend/cuda run, and are compared with the reference, on machines without a
 * GPU.
 *
 * Blocks run one after the other, the threads of a block until they wait for each other; which
 * thread goes first alternates, and shared and device memory start as NaN, so that a missing
 * barrier tends to show. What is not emulated: caches, memory ordering, bank conflicts, time. */
#ifndef CUDA_EMULATION_EMULATE_H
#define CUDA_EMULATION_EMULATE_H

#include "cuda_runtime_api.h"

#include <functional>

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

extern uint3 emulated_thread_idx, emulated_block_idx;
extern dim3 emulated_block_dim, emulated_grid_dim;
#define threadIdx emulated_thread_idx
#define blockIdx emulated_block_idx
#define blockDim emulated_block_dim
#define gridDim emulated_grid_dim

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline, unused))
#define __restrict__ __restrict
#define __shared__ static
#define __launch_bounds__(...)
#define __grid_constant__

/* Runs `body` for every thread of every block; false when the threads wait for each other forever
 * (a message goes to stderr). */
bool emulate_launch(const std::function<void()> &body, dim3 grid, unsigned block_threads,
                    size_t shared_bytes, cudaStream_t stream);
unsigned char *emulated_shared(void);

/* The calling thread waits until `n_threads` threads have come to barrier `id`. */
void emulated_barrier(int id, int n_threads);
void emulated_arrival(int id, int n_threads); /* counts for the barrier without waiting */
inline void __syncthreads(void)
{
    emulated_barrier(0, (int)emulated_block_dim.x);
}

/* All threads of the caller's group (32: a warp, 128: a warpgroup) meet; the last to come calls
 * fn(args, user) with every thread's `arg`, in order of threads. */
void emulated_collective(int group_threads, void (*fn)(void *const *args), void *arg);
void emulated_wait(const std::function<bool()> &ready);
void emulated_progress(void);

/* Copies that happen when the calling thread waits for them. */
void emulated_copy_async(void *to, const void *from, size_t bytes, size_t valid_bytes);
void emulated_copy_commit(void);
void emulated_copy_wait(int n_groups_left);

inline int min(int a, int b)
{
    return a < b ? a : b;
}
inline int max(int a, int b)
{
    return a > b ? a : b;
}

/* ---- warp functions ---- */

void emulated_shuffle(void *const *args);
struct shuffle_arg {
    uint32_t value, result;
    int source; /* lane */
};
inline uint32_t shuffle_bits(uint32_t value, int source)
{
    shuffle_arg arg = {value, 0, source};
    emulated_collective(32, emulated_shuffle, &arg);
    return arg.result;
}
inline float __shfl_xor_sync(unsigned, float value, int mask)
{
    const uint32_t bits =
        shuffle_bits(__builtin_bit_cast(uint32_t, value), (int)(emulated_thread_idx.x % 32) ^ mask);
    return __builtin_bit_cast(float, bits);
}
inline int __shfl_sync(unsigned, int value, int lane)
{
    return (int)shuffle_bits((uint32_t)value, lane);
}
inline uint32_t __ballot_sync(unsigned, bool yes)
{
    uint32_t bits = 0;
    for (int lane = 0; lane < 32; lane++)
        bits |= shuffle_bits(yes, lane) << lane;
    return bits;
}
inline int __popc(uint32_t bits)
{
    return __builtin_popcount(bits);
}
inline void __syncwarp(void)
{
    shuffle_bits(0, 0);
}

#endif
