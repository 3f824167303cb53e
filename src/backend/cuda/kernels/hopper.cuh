/* backend/cuda/kernels/hopper.cuh - Hopper's instructions as functions (PTX ISA: mbarrier,
 * cp.async.bulk.tensor, wgmma, setmaxnreg). tests/backend/cuda_emulation/hopper.h has the same for
 * the host. On other machines they compile to nothing and are never launched. */
#ifndef BACKEND_CUDA_KERNELS_HOPPER_CUH
#define BACKEND_CUDA_KERNELS_HOPPER_CUH

#include "backend/cuda/kernels/instructions.cuh"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HOPPER 1
#else
#define HOPPER 0
#endif

/* ---- barriers in shared memory ---- */

static __device__ __forceinline__ void mbarrier_init(uint64_t *bar, int n_arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
                 :
                 : "r"(shared_address(bar)), "r"(n_arrivals)
                 : "memory");
}

/* Makes initialised barriers visible to the copy engine. */
static __device__ __forceinline__ void mbarrier_init_fence(void)
{
#if HOPPER
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

static __device__ __forceinline__ void mbarrier_arrive(uint64_t *bar)
{
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared::cta.b64 state, [%0];\n}"
                 :
                 : "r"(shared_address(bar))
                 : "memory");
}

/* One arrival, and so many bytes to be awaited. */
static __device__ __forceinline__ void mbarrier_expect(uint64_t *bar, int bytes)
{
#if HOPPER
    asm volatile(
        "{\n.reg .b64 state;\nmbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;\n}"
        :
        : "r"(shared_address(bar)), "r"(bytes)
        : "memory");
#endif
}

/* Returns once the phase of this parity is over. */
static __device__ __forceinline__ void mbarrier_wait(uint64_t *bar, int parity)
{
#if HOPPER
    asm volatile("{\n.reg .pred p;\nagain:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n"
                 "@p bra over;\nbra again;\nover:\n}"
                 :
                 : "r"(shared_address(bar)), "r"(parity)
                 : "memory");
#endif
}

/* ---- bulk tensor copies ---- */

/* A box of a tensor of four dimensions, innermost coordinate first; zeros where it is outside. */
static __device__ __forceinline__ void tensor_copy_4d(void *to, const unsigned char *map,
                                                      uint64_t *bar, int c0, int c1, int c2, int c3)
{
#if HOPPER
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2];"
                 :
                 : "r"(shared_address(to)), "l"(map), "r"(shared_address(bar)), "r"(c0), "r"(c1),
                   "r"(c2), "r"(c3)
                 : "memory");
#endif
}

/* ---- matrix products of a warpgroup ---- */

/* An operand in shared memory in rows of 128 bytes, swizzled, eight rows (1024 bytes) apart from
 * the next eight; `at` is in the first row. */
static __device__ __forceinline__ uint64_t matrix_descriptor(const void *at)
{
    const uint64_t next_eight_rows = 1024 >> 4, unused = 1, swizzle_128 = 1;
    return (uint64_t)(shared_address(at) >> 4 & 0x3fff) | unused << 16 | next_eight_rows << 32 |
           swizzle_128 << 62;
}

/* The same for an operand of more than 64 columns side by side: the next 64 begin next_columns
 * bytes further. */
static __device__ __forceinline__ uint64_t wide_descriptor(const void *at, int next_columns)
{
    const uint64_t unused = 1;
    return (matrix_descriptor(at) ^ unused << 16) | (uint64_t)(next_columns >> 4 & 0x3fff) << 16;
}

static __device__ __forceinline__ void wgmma_fence(void)
{
#if HOPPER
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

static __device__ __forceinline__ void wgmma_commit(void)
{
#if HOPPER
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

template <int N_LEFT> static __device__ __forceinline__ void wgmma_wait(void)
{
#if HOPPER
    asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(N_LEFT) : "memory");
#endif
}

/* Keeps what is computed from these registers behind the waits before this: to the compiler, a wait
 * has nothing to do with the registers of a product. */
template <int N> static __device__ __forceinline__ void hold(float *registers)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        asm volatile("" : "+f"(registers[i])::"memory");
}

/* Keeps the waits after this behind the computation of x, which is never negative: a store that
 * does not happen, which the assembler moves neither before x nor behind a wait. */
static __device__ __forceinline__ void wait_after(float x, void *shared)
{
    asm volatile("{\n.reg .pred p;\nsetp.lt.f32 p, %0, 0f00000000;\n"
                 "@p st.volatile.shared.f32 [%1], %0;\n}"
                 :
                 : "f"(x), "r"(shared_address(shared))
                 : "memory");
}

template <int N> static __device__ __forceinline__ void registers_shrink_to(void)
{
#if HOPPER
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(N));
#endif
}

template <int N> static __device__ __forceinline__ void registers_grow_to(void)
{
#if HOPPER
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(N));
#endif
}

#define OUT_8(d, i)                                                                                \
    "+f"((d)[(i) + 0]), "+f"((d)[(i) + 1]), "+f"((d)[(i) + 2]), "+f"((d)[(i) + 3]),                \
        "+f"((d)[(i) + 4]), "+f"((d)[(i) + 5]), "+f"((d)[(i) + 6]), "+f"((d)[(i) + 7])
#define OUT_16(d, i) OUT_8(d, i), OUT_8(d, (i) + 8)
#define OUT_32(d, i) OUT_16(d, i), OUT_16(d, (i) + 16)
#define NAMES_16 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define NAMES_32                                                                                   \
    NAMES_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define NAMES_48                                                                                   \
    NAMES_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define NAMES_56 NAMES_48 ", %48, %49, %50, %51, %52, %53, %54, %55"
#define NAMES_64 NAMES_56 ", %56, %57, %58, %59, %60, %61, %62, %63"
#define NAMES_96                                                                                   \
    NAMES_64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"    \
             ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define NAMES_112                                                                                  \
    NAMES_96 ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109"    \
             ", %110, %111"
#define NAMES_128                                                                                  \
    NAMES_112 ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124"     \
              ", %125, %126, %127"

/* d (64 x N) = a b^T, plus d where add: a 64 x 16 and b N x 16, both with k side by side. */
template <int N>
static __device__ __forceinline__ void wgmma_64xn(float *d, uint64_t a, uint64_t b, int add);

#if HOPPER
#define WGMMA_64XN(n, names, a_at, b_at, add_at, ...)                                              \
    template <>                                                                                    \
    __device__ __forceinline__ void wgmma_64xn<n>(float *d, uint64_t a, uint64_t b, int add)       \
    {                                                                                              \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #add_at ", 0;\n"                         \
                     "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" names            \
                     "}, %" #a_at ", %" #b_at ", p, 1, 1, 0, 0;\n}"                                \
                     : __VA_ARGS__                                                                 \
                     : "l"(a), "l"(b), "r"(add));                                                  \
    }
#else
#define WGMMA_64XN(n, names, a_at, b_at, add_at, ...)                                              \
    template <> __device__ __forceinline__ void wgmma_64xn<n>(float *, uint64_t, uint64_t, int)    \
    {                                                                                              \
    }
#endif
WGMMA_64XN(64, NAMES_32, 32, 33, 34, OUT_32(d, 0))
WGMMA_64XN(96, NAMES_48, 48, 49, 50, OUT_32(d, 0), OUT_16(d, 32))
WGMMA_64XN(112, NAMES_56, 56, 57, 58, OUT_32(d, 0), OUT_16(d, 32), OUT_8(d, 48))
WGMMA_64XN(128, NAMES_64, 64, 65, 66, OUT_32(d, 0), OUT_32(d, 32))
WGMMA_64XN(192, NAMES_96, 96, 97, 98, OUT_32(d, 0), OUT_32(d, 32), OUT_32(d, 64))
WGMMA_64XN(224, NAMES_112, 112, 113, 114, OUT_32(d, 0), OUT_32(d, 32), OUT_32(d, 64), OUT_16(d, 96))
#undef WGMMA_64XN

/* The same with 64 and 128 columns. */
static __device__ __forceinline__ void wgmma_64x64(float *d, uint64_t a, uint64_t b, int add)
{
    wgmma_64xn<64>(d, a, b, add);
}
static __device__ __forceinline__ void wgmma_64x128(float *d, uint64_t a, uint64_t b, int add)
{
    wgmma_64xn<128>(d, a, b, add);
}

/* d (64 x 64) += a b: a 64 x 16 in registers, b 16 x 64 with columns side by side. */
static __device__ __forceinline__ void wgmma_64x64_registers(float *d, const uint32_t a[4],
                                                             uint64_t b)
{
#if HOPPER
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" NAMES_32
                 "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                 : OUT_32(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
#endif
}

/* The same with 96, 128 and 256 columns, b by wide_descriptor. */
static __device__ __forceinline__ void wgmma_64x96_registers(float *d, const uint32_t a[4],
                                                             uint64_t b)
{
#if HOPPER
    asm volatile("wgmma.mma_async.sync.aligned.m64n96k16.f32.bf16.bf16 {" NAMES_48
                 "}, {%48, %49, %50, %51}, %52, 1, 1, 1, 1;"
                 : OUT_32(d, 0), OUT_8(d, 32), OUT_8(d, 40)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
#endif
}
static __device__ __forceinline__ void wgmma_64x128_registers(float *d, const uint32_t a[4],
                                                              uint64_t b)
{
#if HOPPER
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" NAMES_64
                 "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
                 : OUT_32(d, 0), OUT_32(d, 32)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
#endif
}
static __device__ __forceinline__ void wgmma_64x256_registers(float *d, const uint32_t a[4],
                                                              uint64_t b)
{
#if HOPPER
    asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" NAMES_128
                 "}, {%128, %129, %130, %131}, %132, 1, 1, 1, 1;"
                 : OUT_32(d, 0), OUT_32(d, 32), OUT_32(d, 64), OUT_32(d, 96)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
#endif
}

#undef OUT_8
#undef OUT_16
#undef OUT_32
#undef NAMES_16
#undef NAMES_32
#undef NAMES_48
#undef NAMES_56
#undef NAMES_64
#undef NAMES_96
#undef NAMES_112
#undef NAMES_128

#endif
