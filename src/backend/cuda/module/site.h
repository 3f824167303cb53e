/* backend/cuda/module/site.h - the contract between the executable and an operator's prepare
 * function.
 *
 * Compiling asks each node's prepare function for its launches: it chooses kernels, puts weights on
 * the device and adds steps with final addresses. Running replays the steps, in order, on one
 * stream. A run's results depend on shapes and values alone.
 *
 * To add a kernel: its parameters go to kernels/params.h, the kernel to kernels/X.cu, the choice to
 * the operator's prepare function. */
#ifndef BACKEND_CUDA_MODULE_SITE_H
#define BACKEND_CUDA_MODULE_SITE_H

#include "backend/backend.h"
#include "backend/cuda/kernels/params.h"

/* A tensor on the device. */
typedef struct dev_operand {
    dev_ptr at; /* at.data NULL: a missing optional input */
    int64_t row_stride;
    tensor_shape shape;
    const float *constant; /* its values on the host; NULL for a computed tensor or an input */
} dev_operand;

/* Where a node is to run. */
typedef struct dev_site {
    executable *e;
    const graph_node *node;
    dev_operand in[GRAPH_MAX_INPUTS], out;
    precision precision;
    int n_multiprocessors, compute_capability; /* 90: 9.0 */
    bool only_common;                          /* no kernel that some supported GPU lacks */
    const struct blas *blas;                   /* or NULL */
    char *workspace;                           /* garbage; shared by all steps */
    size_t workspace_used;
} dev_site;

typedef roto_status site_prepare_fn(dev_site *site);

site_prepare_fn attention_prepare, binary_prepare, concat_prepare, conv2d_prepare,
    conv_transpose2d_prepare, layer_norm_prepare, linear_prepare, matmul_prepare, pad_prepare,
    pool2d_prepare, reduce_prepare, reshape_prepare, resize2d_prepare, slice_prepare,
    softmax_prepare, transpose_prepare, unary_prepare;

/* Adds a launch; params are copied. Its name is static. Flops are the node's, counted once, for the
 * step that does the arithmetic; helper steps say 0. */
typedef cudaError_t launch_fn(const void *params, cudaStream_t stream);
roto_status site_add(dev_site *site, const char *kernel, launch_fn *launch, const void *params,
                     size_t params_bytes, int64_t flops);

/* What to call with the latest step's params before they are freed. */
void site_release_with(dev_site *site, void (*release)(void *params));

/* Device memory that lives as long as the executable, filled from the host unless data is NULL. */
roto_status site_upload(dev_site *site, const void *data, size_t bytes, void **out);

/* A part of the workspace, 256-byte aligned, for the steps of this node. While the workspace is
 * being measured addresses are not real, and nothing is uploaded or added. */
enum { WORKSPACE_ALIGN_BYTES = 256 };
void *site_workspace(dev_site *site, size_t bytes);

/* A constant operand's values in fp32 on the device, once for all readers. */
roto_status site_constant(dev_site *site, int input, const float **out);

/* Rows of an operand as bf16 rows of `padded` elements (the operand has `heads` heads of d
 * elements, each padded with zeros), 16-byte aligned: the operand itself where it is like that,
 * else a copy in the workspace with the rows of `rope` applied. */
typedef struct pack_wish {
    int heads;
    int64_t padded;    /* elements of a head; a multiple of 8 */
    const float *rope; /* device memory or NULL */
    int64_t tokens, rope_tokens, rope_rows;
    const dev_operand *valid; /* or NULL: rows of tokens that it excludes have to be zeros */
} pack_wish;
roto_status site_pack(dev_site *site, const dev_operand *x, const pack_wish *wish, dev_rows *out);

/* The same, but for the launch: parameters of it, p->out NULL where there is nothing to do. */
roto_status site_plan_pack(dev_site *site, const dev_operand *x, const pack_wish *wish,
                           dev_rows *out, pack_params *p);

/* ROTO_ERROR_UNSUPPORTED naming operator and node. */
roto_status site_refuse(const dev_site *site, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- operand helpers ---- */

static inline dev_rows rows_of(const dev_operand *o)
{
    return (dev_rows){o->at, o->row_stride};
}

static inline dev_unary unary_of(const unary_attr *attr)
{
    return (dev_unary){(int32_t)attr->kind, attr->alpha, attr->beta};
}

/* Bias (input 2) and residual (input 3) of a product. */
roto_status site_epilogue(dev_site *site, const epilogue *epi, dev_epilogue *out);

/* Elements from one index to the next of each dimension. */
void operand_strides(const dev_operand *o, int64_t stride[TENSOR_MAX_RANK]);

/* Loops that walk `out` and up to two inputs, which broadcast. */
void nest_make(const dev_operand *out, const dev_operand *a, const dev_operand *b, dev_nest *nest);

bool operand_aligned(const dev_operand *o, int elements); /* rows start at such multiples */

/* The same of a product's result, and of its residual (input 3) where it has one. */
static inline bool site_result_aligned(const dev_site *site, int elements)
{
    return operand_aligned(&site->out, elements) &&
           (!site->in[3].at.data || operand_aligned(&site->in[3], elements));
}

#endif
