/* Operators that only move elements: parts of concatenations, slices, padding, transposition,
 * casts. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256 };

static __global__ void __launch_bounds__(THREADS) move_kernel(const __grid_constant__ move_params p)
{
    const int element = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (element >= p.count)
        return;
    if (p.x_last) {
        store(p.out, element / p.out_last * p.out_stride[0] + element % p.out_last,
              load(p.x, element / p.x_last * p.x_stride[0] + element % p.x_last));
        return;
    }
    int64_t from = 0, to = 0;
    bool inside = true;
    int rest = element;
#pragma unroll
    for (int d = KERNEL_MAX_RANK - 1; d >= 0; d--) {
        if (d >= p.rank)
            continue;
        const int at = d == 0 ? rest : rest % p.dim[d];
        rest /= p.dim[d];
        const int own = at + p.start[d];
        inside = inside && own >= 0 && own < p.limit[d];
        from += own * p.x_stride[d];
        to += at * p.out_stride[d];
    }
    store(p.out, to, inside || !p.checked ? load(p.x, from) : p.value);
}

cudaError_t move_launch(const void *params, cudaStream_t stream)
{
    const move_params *p = (const move_params *)params;
    return launch(move_kernel, dim3(blocks_for(p->count, THREADS)), THREADS, 0, stream, p);
}
