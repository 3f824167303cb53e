/* backend/cuda/kernels/instructions.cuh - PTX as functions (the PTX ISA manual names them all).
 * tests/backend/cuda_emulation/instructions.h has the same functions for the host. */
#ifndef BACKEND_CUDA_KERNELS_INSTRUCTIONS_CUH
#define BACKEND_CUDA_KERNELS_INSTRUCTIONS_CUH

#include <cuda_runtime.h>
#include <stdint.h>

#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]

/* Emulation checks what would trap here. */
static __device__ __forceinline__ void check_aligned(const void *, int)
{
}

static __device__ __forceinline__ float bf16_to_float(uint16_t bits)
{
    return __uint_as_float((uint32_t)bits << 16);
}

/* Two bfloat16, `low` in the lower half, rounded to nearest even. */
static __device__ __forceinline__ uint32_t pack_bf16(float low, float high)
{
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

/* Rounded on their own, whatever the compiler fuses elsewhere. */
static __device__ __forceinline__ float exact_mul(float a, float b)
{
    return __fmul_rn(a, b);
}
static __device__ __forceinline__ float exact_add(float a, float b)
{
    return __fadd_rn(a, b);
}

/* 2^x, to about 2 units in the last place. */
static __device__ __forceinline__ float fast_exp2(float x)
{
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}

/* NaN where x is. */
static __device__ __forceinline__ float max_or_nan(float x, float y)
{
    float r;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(y));
    return r;
}

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* d += a b for a 16 x 16 and b 16 x 8 in bf16. */
static __device__ __forceinline__ void mma_16816(float d[4], const uint32_t a[4], uint32_t b0,
                                                 uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8 x 8 matrices of bf16; lane l gives the address of row l % 8 of matrix l / 8. */
static __device__ __forceinline__ void ldmatrix_x4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

static __device__ __forceinline__ void ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* Stores four 8 x 8 matrices of bf16 as ldmatrix_x4 loads them. */
static __device__ __forceinline__ void stmatrix_x4(void *row, const uint32_t r[4])
{
#if __CUDA_ARCH__ >= 900
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
                 :
                 : "r"(shared_address(row)), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
#endif
}

/* 16 bytes from global to shared memory, the last 16 - valid_bytes of them zeros; `from` has to be
 * a valid address even if nothing is read. */
static __device__ __forceinline__ void copy_16_async(void *to, const void *from, int valid_bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared_address(to)), "l"(from), "r"(valid_bytes)
                 : "memory");
}

static __device__ __forceinline__ void copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N_LEFT> static __device__ __forceinline__ void copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" : : "n"(N_LEFT) : "memory");
}

/* ---- barriers of some of a block's threads; barrier 0 is __syncthreads' ---- */

/* Waits until n_threads, a multiple of 32, have come or said that they had. */
static __device__ __forceinline__ void barrier_wait(int id, int n_threads)
{
    asm volatile("bar.sync %0, %1;" : : "r"(id), "r"(n_threads) : "memory");
}

/* Says so and goes on. */
static __device__ __forceinline__ void barrier_arrive(int id, int n_threads)
{
    asm volatile("bar.arrive %0, %1;" : : "r"(id), "r"(n_threads) : "memory");
}

#endif
