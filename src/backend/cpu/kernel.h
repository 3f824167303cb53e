/* backend/cpu/kernel.h - the contract between the executable and a kernel of the CPU backend.
 *
 * Compiling asks each node's prepare function for a kernel: it chooses an implementation, packs
 * weights and cuts the work into tasks. Running calls run() once for every task, from any worker,
 * in any order; all tasks of a kernel end before the next kernel starts. A task computes each
 * output element in an order that depends on the shapes alone, so that the number of threads never
 * changes a bit. Addresses are final at compile time: kernels keep pointers.
 *
 * To add an operator: write X.c with `roto_status X_prepare(const kernel_site *, kernel *)`, list
 * it in kernels.c, and put loops worth vectorising into simd/ (see simd/vec.h).
 */
#ifndef BACKEND_CPU_KERNEL_H
#define BACKEND_CPU_KERNEL_H

#include "backend/backend.h"

typedef enum isa_level { ISA_GENERIC, ISA_AVX2, ISA_AVX512, ISA_COUNT } isa_level;

/* What multiplies bfloat16 values. */
typedef enum bf16_product {
    BF16_NONE, /* the site's precision is fp32 */
    BF16_AVX512,
    BF16_AMX,
    BF16_AMX_EMULATED /* for tests */
} bf16_product;

/* A tensor as a kernel sees it. Row i (of the last dimension) starts at data + i * row_stride;
 * row_stride is at least shape_last(&shape), and more for a view. */
typedef struct operand {
    float *data; /* NULL for a missing optional input */
    int64_t row_stride;
    tensor_shape shape;
    bool constant; /* holds its value already while preparing, so that it can be packed */
} operand;

/* Blocks that live as long as the executable. */
typedef struct kernel_memory {
    void **blocks;
    size_t n_blocks, capacity;
    size_t bytes;
} kernel_memory;

/* Where a kernel is to run. */
typedef struct kernel_site {
    const graph_node *node;
    operand in[GRAPH_MAX_INPUTS], out;
    isa_level isa;
    bf16_product bf16;
    int n_threads; /* a hint for the number of tasks; must not influence results */
    kernel_memory *memory;
} kernel_site;

/* `scratch` is 64-byte aligned, scratch_bytes long, this worker's alone and holds garbage. */
typedef void kernel_run_fn(const void *state, int task, void *scratch);

typedef struct kernel {
    const char *name; /* static: "conv.avx2", ... */
    kernel_run_fn *run;
    const void *state; /* from kernel_alloc */
    int n_tasks;       /* 0: nothing to do */
    size_t scratch_bytes;
    const struct kernel *before; /* has to end before this one starts; from kernel_alloc, or NULL */
} kernel;

typedef roto_status kernel_prepare_fn(const kernel_site *site, kernel *out);

/* Zeroed, 64-byte aligned memory that lives as long as the executable; NULL (message set) when out
 * of memory. */
void *kernel_alloc(const kernel_site *site, size_t count, size_t item_bytes);

/* ROTO_ERROR_UNSUPPORTED naming operator and node: "cpu backend: conv2d 'x': ...". */
roto_status kernel_refuse(const kernel_site *site, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The name for this site's instruction set: KERNEL_NAME(site, "conv") is "conv.avx2", ... */
#define KERNEL_NAME(site, base)                                                                    \
    ((const char *const[ISA_COUNT]){base ".generic", base ".avx2", base ".avx512"}[(site)->isa])

/* This instruction set's table of the functions in simd/X.c: SIMD_TABLE(site->isa, X_table). */
#if defined(__x86_64__)
#define SIMD_TABLE(isa, base)                                                                      \
    ((isa) == ISA_AVX512 ? &base##_avx512 : (isa) == ISA_AVX2 ? &base##_avx2 : &base##_generic)
#else
#define SIMD_TABLE(isa, base) ((void)(isa), &base##_generic)
#endif

/* The same for a product by `bf16`. */
#define KERNEL_PRODUCT_NAME(site, bf16, base)                                                      \
    ((bf16) == BF16_NONE ? KERNEL_NAME(site, base)                                                 \
                         : ((const char *const[]){"", base ".avx512_bf16", base ".amx",            \
                                                  base ".amx_emulated"}[bf16]))

/* The site's for products over a sequence of n tokens, or over n inputs, whichever are fewer. Few
 * stay fp32: they would fill no tile. Few tokens are the heads that decide, few inputs the first
 * convolutions of a mask, where rounding shows most. Does not look at the batch, so that an
 * object's result does not depend on how many there are. */
static inline bf16_product kernel_bf16_for(const kernel_site *site, int64_t n)
{
    const int64_t fewest = 32;
    return n < fewest ? BF16_NONE : site->bf16;
}

/* How many tasks to cut `n_items` equal items into, each of about `item_cost` nanoseconds on one
 * core: a few for every thread, but none so short that handing it out would show. The k-th of n
 * tasks does the items task_first(n_items, n, k) to task_first(n_items, n, k + 1). */
int kernel_n_tasks(const kernel_site *site, int64_t n_items, double item_cost_ns);
static inline int64_t task_first(int64_t n_items, int n_tasks, int task)
{
    return n_items / n_tasks * task + n_items % n_tasks * task / n_tasks;
}

/* NULL for an operator that has none. */
kernel_prepare_fn *kernel_prepare_for(op_kind op);

kernel_prepare_fn attention_prepare, binary_prepare, concat_prepare, conv2d_prepare,
    conv_transpose2d_prepare, layer_norm_prepare, linear_prepare, matmul_prepare, pad_prepare,
    pool2d_prepare, reduce_prepare, reshape_prepare, resize2d_prepare, slice_prepare,
    softmax_prepare, transpose_prepare, unary_prepare;

/* Of resize2d, bilinear and bicubic. */
kernel_prepare_fn resize_filter_prepare;

#endif
