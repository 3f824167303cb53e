/* Copies of many pieces of device memory in one launch. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256, ROUNDS = 4, BLOCK_ELEMENTS = THREADS * ROUNDS * 4 };

static __global__ void __launch_bounds__(THREADS)
    transfer_kernel(const __grid_constant__ transfer_params p)
{
    const transfer_part part = p.parts[blockIdx.y];
    const int64_t first = (int64_t)blockIdx.x * BLOCK_ELEMENTS;
#pragma unroll
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t i = first + (int64_t)(round * THREADS + (int)threadIdx.x) * 4;
        if (part.by_four && i + 4 <= part.n) {
            store4(part.to, i, load4(part.from, i));
            continue;
        }
        for (int64_t k = i; k < i + 4 && k < part.n; k++)
            store(part.to, k, load(part.from, k));
    }
}

cudaError_t transfer_launch(const void *params, cudaStream_t stream)
{
    const transfer_params *p = (const transfer_params *)params;
    int32_t longest = 1;
    for (int i = 0; i < p->n_parts; i++)
        longest = p->parts[i].n > longest ? p->parts[i].n : longest;
    return launch(transfer_kernel, dim3(blocks_for(longest, BLOCK_ELEMENTS), (unsigned)p->n_parts),
                  THREADS, 0, stream, p);
}
