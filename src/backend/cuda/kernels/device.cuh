/* backend/cuda/kernels/device.cuh - what kernels are written with: launching, elements of two
 * types, and the machine's matrix and copy instructions as functions. */
#ifndef BACKEND_CUDA_KERNELS_DEVICE_CUH
#define BACKEND_CUDA_KERNELS_DEVICE_CUH

#include "backend/cuda/kernels/params.h"

#ifdef ROTO_CUDA_EMULATE
#include "emulate.h"
#include "instructions.h"
#else
#include "backend/cuda/kernels/instructions.cuh"
#endif

#include <math.h>

/* Every kernel takes one struct; every launch is checked. */
template <typename P>
static cudaError_t launch(void (*kernel)(P), dim3 grid, unsigned block, size_t shared_bytes,
                          cudaStream_t stream, const P *p)
{
#ifdef ROTO_CUDA_EMULATE
    const P own = *p; /* it runs later */
    return emulate_launch([=] { kernel(own); }, grid, block, shared_bytes, stream)
               ? cudaSuccess
               : cudaErrorInvalidValue;
#else
    if (shared_bytes > 48 * 1024) { /* more than that has to be asked for */
        const cudaError_t error = cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_bytes);
        if (error != cudaSuccess)
            return error;
    }
    kernel<<<grid, block, shared_bytes, stream>>>(*p);
    return cudaGetLastError();
#endif
}

static inline unsigned blocks_for(int64_t items, int per_block)
{
    return (unsigned)((items + per_block - 1) / per_block);
}

static __host__ __device__ __forceinline__ int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

/* ---- elements ---- */

static __device__ __forceinline__ float load(dev_ptr p, int64_t i)
{
    return p.is_bf16 ? bf16_to_float(((const uint16_t *)p.data)[i]) : ((const float *)p.data)[i];
}

static __device__ __forceinline__ void store(dev_ptr p, int64_t i, float x)
{
    if (p.is_bf16)
        ((uint16_t *)p.data)[i] = (uint16_t)pack_bf16(x, 0);
    else
        ((float *)p.data)[i] = x;
}

typedef struct alignas(16) float4_t {
    float x[4];
} float4_t;

/* Eight elements of bf16, the first in the lower half of the first pair. */
typedef struct alignas(16) eight_bf16 {
    uint32_t pair[4];
} eight_bf16;

typedef struct alignas(8) float2_t {
    float x[2];
} float2_t;

static __device__ __forceinline__ float4_t load_shared_16(const void *from)
{
    float4_t v;
    check_aligned(from, 16);
#ifdef ROTO_CUDA_EMULATE
    v = *(const float4_t *)from;
#else
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(v.x[0]), "=f"(v.x[1]), "=f"(v.x[2]), "=f"(v.x[3])
                 : "r"(shared_address(from))
                 : "memory");
#endif
    return v;
}

static __device__ __forceinline__ void store_shared_8(void *to, float2_t v)
{
    check_aligned(to, 8);
#ifdef ROTO_CUDA_EMULATE
    *(float2_t *)to = v;
#else
    asm volatile("st.shared.v2.f32 [%0], {%1, %2};"
                 :
                 : "r"(shared_address(to)), "f"(v.x[0]), "f"(v.x[1])
                 : "memory");
#endif
}

/* Four elements at once; i a multiple of 4 in memory aligned for that. With the type known to the
 * compiler several loads are in flight at once. */
template <bool BF16> static __device__ __forceinline__ float4_t load4_of(const void *p, int64_t i)
{
    float4_t v;
    if (BF16) {
        check_aligned((const uint16_t *)p + i, 8);
        const uint64_t bits = *(const uint64_t *)((const uint16_t *)p + i);
#pragma unroll
        for (int k = 0; k < 4; k++)
            v.x[k] = bf16_to_float((uint16_t)(bits >> (16 * k)));
    } else {
        check_aligned((const float *)p + i, 16);
        v = *(const float4_t *)((const float *)p + i);
    }
    return v;
}

static __device__ __forceinline__ float4_t load4(dev_ptr p, int64_t i)
{
    return p.is_bf16 ? load4_of<true>(p.data, i) : load4_of<false>(p.data, i);
}

static __device__ __forceinline__ void store4(dev_ptr p, int64_t i, float4_t v)
{
    check_aligned(p.is_bf16 ? (void *)((uint16_t *)p.data + i) : (void *)((float *)p.data + i),
                  p.is_bf16 ? 8 : 16);
    if (p.is_bf16)
        *(uint64_t *)((uint16_t *)p.data + i) =
            pack_bf16(v.x[0], v.x[1]) | (uint64_t)pack_bf16(v.x[2], v.x[3]) << 32;
    else
        *(float4_t *)((float *)p.data + i) = v;
}

/* ---- functions of an element: the definitions of graph.h in fp32; the numbers are its enums' ----
 */

static __device__ __forceinline__ float apply_unary(dev_unary f, float x)
{
    switch (f.kind) { /* the same in all threads */
    case 1:           /* relu */
        return x < 0 ? 0 : x;
    case 2: /* leaky relu */
        return x < 0 ? f.alpha * x : x;
    case 3: /* silu */
        return x / (1 + expf(-x));
    case 4: /* sigmoid */
        return 1 / (1 + expf(-x));
    case 5: /* gelu */
        return x / 2 * (1 + erff(x * 0.70710678f));
    case 6: /* gelu, tanh approximation */
        return x / 2 * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case 7: { /* hard swish */
        const float gate = x / 6 + 0.5f;
        return x * (gate < 0 ? 0 : gate > 1 ? 1 : gate);
    }
    case 8: { /* hard sigmoid */
        const float gate = f.alpha * x + f.beta;
        return gate < 0 ? 0 : gate > 1 ? 1 : gate;
    }
    case 9:
        return tanhf(x);
    case 10:
        return expf(x);
    case 11:
        return logf(x);
    case 12:
        return sqrtf(x);
    case 13:
        return fabsf(x);
    case 14:
        return -x;
    case 15:
        return sinf(x);
    case 16:
        return cosf(x);
    case 17: { /* clamp */
        const float low = x < f.alpha ? f.alpha : x;
        return low > f.beta ? f.beta : low;
    }
    default: /* 0: identity */
        return x;
    }
}

/* Where it is not what takes time: a call, so that unrolled loops hold one copy of none. */
static __device__ __noinline__ float call_unary(dev_unary f, float x)
{
    return apply_unary(f, x);
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), where log2 Phi(-a) is close to a polynomial for
 * 0 <= a <= 6 (a least-maximum fit; what comes out is within 5e-6 of GELU), and Phi(-8) is nothing.
 */
static __device__ __forceinline__ float fast_gelu(float x)
{
    const float a = fminf(fabsf(x), 8);
    float q = -0.00039175464189611375f;
    q = q * a + 0.006474985275417566f;
    q = q * a - 0.05026416853070259f;
    q = q * a - 0.46159061789512634f;
    q = q * a - 1.150237798690796f;
    q = q * a - 1.0000616312026978f;
    return max_or_nan(x, 0) - a * fast_exp2(q);
}

/* What is stored for a sum; `i` is the element in the residual's memory. */
static __device__ __forceinline__ float apply_epilogue(const dev_epilogue *e, float sum, int column,
                                                       int64_t i)
{
    if (e->bias)
        sum += e->bias[column];
    const float residual = e->residual_mode ? load(e->residual.at, i) : 0;
    if (e->residual_mode == 1)
        sum += residual;
    sum = apply_unary(e->act, sum);
    return e->residual_mode == 2 ? sum + residual : sum;
}

#endif
