/* Functions of one element, and of two with broadcasting. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256 };

/* Where turn `i` of the loops finds each operand. */
static __device__ __forceinline__ void nest_offsets(const dev_nest *n, int i, int64_t at[3])
{
    at[0] = at[1] = at[2] = 0;
#pragma unroll
    for (int d = KERNEL_MAX_RANK - 1; d >= 0; d--) {
        if (d >= n->rank)
            continue;
        const int index = d == 0 ? i : i % n->dim[d];
        i /= n->dim[d];
#pragma unroll
        for (int k = 0; k < 3; k++)
            at[k] += index * n->stride[k][d];
    }
}

static __global__ void __launch_bounds__(THREADS)
    unary_kernel(const __grid_constant__ unary_params p)
{
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (i >= p.nest.count)
        return;
    int64_t at[3];
    nest_offsets(&p.nest, i, at);
    if (p.nest.vector == 1) {
        store(p.out, at[0], apply_unary(p.fn, load(p.x, at[1])));
        return;
    }
    float4_t v = load4(p.x, at[1]);
#pragma unroll
    for (int k = 0; k < 4; k++)
        v.x[k] = apply_unary(p.fn, v.x[k]);
    store4(p.out, at[0], v);
}

cudaError_t unary_launch(const void *params, cudaStream_t stream)
{
    const unary_params *p = (const unary_params *)params;
    return launch(unary_kernel, dim3(blocks_for(p->nest.count, THREADS)), THREADS, 0, stream, p);
}

static __device__ __forceinline__ float apply_binary(int kind, float a, float b)
{
    switch (kind) {
    case 0:
        return a + b;
    case 1:
        return a - b;
    case 2:
        return a * b;
    case 3:
        return a / b;
    case 4: /* NaN comes out as NaN */
        return a > b || a != a ? a : b;
    case 5:
        return a < b || a != a ? a : b;
    default:
        return powf(a, b);
    }
}

/* Four elements side by side, or one four times. */
static __device__ __forceinline__ float4_t load4_or_repeat(dev_ptr p, int64_t i, int64_t stride)
{
    if (stride != 0)
        return load4(p, i);
    const float x = load(p, i);
    float4_t v;
    v.x[0] = v.x[1] = v.x[2] = v.x[3] = x;
    return v;
}

static __global__ void __launch_bounds__(THREADS)
    binary_kernel(const __grid_constant__ binary_params p)
{
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (i >= p.nest.count)
        return;
    int64_t at[3];
    nest_offsets(&p.nest, i, at);
    if (p.nest.vector == 1) {
        store(p.out, at[0], apply_binary(p.kind, load(p.a, at[1]), load(p.b, at[2])));
        return;
    }
    const int inner = p.nest.rank - 1;
    const float4_t a = load4_or_repeat(p.a, at[1], p.nest.stride[1][inner]);
    const float4_t b = load4_or_repeat(p.b, at[2], p.nest.stride[2][inner]);
    float4_t v;
#pragma unroll
    for (int k = 0; k < 4; k++)
        v.x[k] = apply_binary(p.kind, a.x[k], b.x[k]);
    store4(p.out, at[0], v);
}

cudaError_t binary_launch(const void *params, cudaStream_t stream)
{
    const binary_params *p = (const binary_params *)params;
    return launch(binary_kernel, dim3(blocks_for(p->nest.count, THREADS)), THREADS, 0, stream, p);
}
