#include "backend/cuda/module/blas.h"

#include "backend/cuda/module/executable.h"
#include "base/error.h"

#ifdef ROTO_CUDA_EMULATE

blas *blas_new(void)
{
    return NULL;
}

void blas_free(blas *b)
{
    (void)b;
}

roto_status blas_add(dev_site *site, const gemm_params *p, int64_t flops, bool *taken)
{
    (void)site, (void)p, (void)flops;
    *taken = false;
    return ROTO_OK;
}

#else

#include "base/memory.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdlib.h>

/* Split sums of a few rows want room; NVIDIA's documentation suggests 32 MiB for Hopper. */
enum { WORKSPACE_BYTES = 32 << 20 };
/* Products below this many multiply-adds are over before a choice of kernels matters. */
static const int64_t least_multiply_adds = (int64_t)1 << 24;

/* The functions used here. The library is large, so it is loaded only when a backend is opened. */
struct blas {
    void *library;
    cublasLtHandle_t handle;
    cublasStatus_t (*create)(cublasLtHandle_t *);
    cublasStatus_t (*destroy)(cublasLtHandle_t);
    cublasStatus_t (*desc_create)(cublasLtMatmulDesc_t *, cublasComputeType_t, cudaDataType_t);
    cublasStatus_t (*desc_destroy)(cublasLtMatmulDesc_t);
    cublasStatus_t (*desc_set)(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void *,
                               size_t);
    cublasStatus_t (*layout_create)(cublasLtMatrixLayout_t *, cudaDataType, uint64_t, uint64_t,
                                    int64_t);
    cublasStatus_t (*layout_destroy)(cublasLtMatrixLayout_t);
    cublasStatus_t (*preference_create)(cublasLtMatmulPreference_t *);
    cublasStatus_t (*preference_destroy)(cublasLtMatmulPreference_t);
    cublasStatus_t (*preference_set)(cublasLtMatmulPreference_t,
                                     cublasLtMatmulPreferenceAttributes_t, const void *, size_t);
    cublasStatus_t (*heuristic)(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                                cublasLtMatmulHeuristicResult_t *, int *);
    cublasStatus_t (*matmul)(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *,
                             cublasLtMatrixLayout_t, const void *, cublasLtMatrixLayout_t,
                             const void *, const void *, cublasLtMatrixLayout_t, void *,
                             cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *, size_t,
                             cudaStream_t);
};

static bool find_functions(blas *b)
{
    const struct {
        const char *name;
        void *place; /* of a function pointer */
    } wanted[] = {
        {"cublasLtCreate", &b->create},
        {"cublasLtDestroy", &b->destroy},
        {"cublasLtMatmulDescCreate", &b->desc_create},
        {"cublasLtMatmulDescDestroy", &b->desc_destroy},
        {"cublasLtMatmulDescSetAttribute", &b->desc_set},
        {"cublasLtMatrixLayoutCreate", &b->layout_create},
        {"cublasLtMatrixLayoutDestroy", &b->layout_destroy},
        {"cublasLtMatmulPreferenceCreate", &b->preference_create},
        {"cublasLtMatmulPreferenceDestroy", &b->preference_destroy},
        {"cublasLtMatmulPreferenceSetAttribute", &b->preference_set},
        {"cublasLtMatmulAlgoGetHeuristic", &b->heuristic},
        {"cublasLtMatmul", &b->matmul},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *symbol = dlsym(b->library, wanted[i].name);
        if (!symbol)
            return false;
        *(void **)wanted[i].place = symbol;
    }
    return true;
}

blas *blas_new(void)
{
    blas *b = memory_new_array(1, sizeof(*b));
    if (!b)
        return NULL;
    b->library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL); /* of the headers used here */
    if (!b->library || !find_functions(b) || b->create(&b->handle) != CUBLAS_STATUS_SUCCESS) {
        free(b); /* the library stays: CUDA's do not survive unloading */
        return NULL;
    }
    return b;
}

void blas_free(blas *b)
{
    if (!b)
        return;
    (void)b->destroy(b->handle);
    free(b);
}

typedef struct blas_params {
    const blas *b;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t w_layout, x_layout, c_layout, out_layout;
    cublasLtMatmulAlgo_t algorithm;
    const void *w, *x, *c;
    void *out, *workspace;
    size_t workspace_bytes;
    float beta;
} blas_params;

static cudaError_t blas_launch(const void *params, cudaStream_t stream)
{
    const blas_params *p = params;
    const float alpha = 1;
    const cublasStatus_t status =
        p->b->matmul(p->b->handle, p->desc, &alpha, p->w, p->w_layout, p->x, p->x_layout, &p->beta,
                     p->c, p->c_layout, p->out, p->out_layout, &p->algorithm, p->workspace,
                     p->workspace_bytes, stream);
    return status == CUBLAS_STATUS_SUCCESS ? cudaSuccess : cudaErrorLaunchFailure;
}

static void blas_release(void *params)
{
    blas_params *p = params;
    if (p->desc)
        (void)p->b->desc_destroy(p->desc);
    if (p->w_layout)
        (void)p->b->layout_destroy(p->w_layout);
    if (p->x_layout)
        (void)p->b->layout_destroy(p->x_layout);
    if (p->c_layout)
        (void)p->b->layout_destroy(p->c_layout);
    if (p->out_layout)
        (void)p->b->layout_destroy(p->out_layout);
}

static bool suits(const dev_site *site, const gemm_params *p)
{
    const dev_epilogue *e = &p->epi;
    const bool plain = gemm_rows_are_rows(p) && !p->scatter;
    /* act(sum + bias + residual) is what it computes; its GELU is the approximation by tanh. */
    const bool has_it =
        (e->act.kind == UNARY_IDENTITY || e->act.kind == UNARY_RELU) &&
        e->residual_mode != RESIDUAL_AFTER &&
        (e->residual_mode == RESIDUAL_NONE ||
         (e->residual.at.is_bf16 == p->out.at.is_bf16 && e->residual.row_stride % 8 == 0 &&
          (uintptr_t)e->residual.at.data % 16 == 0));
    return site->blas && plain && has_it && p->vector == 4 && p->columns % 8 == 0 &&
           p->out.row_stride % 8 == 0 && (uintptr_t)p->out.at.data % 16 == 0 &&
           (int64_t)p->rows * p->columns * p->k >= least_multiply_adds;
}

/* cuBLASLt counts columns first: out^T = w x^T, with w's rows of k as columns to be transposed. */
static bool describe(const gemm_params *p, blas_params *q)
{
    const blas *b = q->b;
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const cudaDataType_t out_type = p->out.at.is_bf16 ? CUDA_R_16BF : CUDA_R_32F, f32 = CUDA_R_32F;
    const bool residual = p->epi.residual_mode != RESIDUAL_NONE;
    const bool relu = p->epi.act.kind == UNARY_RELU;
    const cublasLtEpilogue_t after =
        p->epi.bias ? (relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                    : (relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
    const uint64_t rows = (uint64_t)p->rows, columns = (uint64_t)p->columns, k = (uint64_t)p->k;
    const int64_t c_stride = residual ? p->epi.residual.row_stride : p->out.row_stride;
    cublasStatus_t s = b->desc_create(&q->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->desc_set(q->desc, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed));
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->desc_set(q->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &after, sizeof(after));
    if (s == CUBLAS_STATUS_SUCCESS && p->epi.bias) {
        s = b->desc_set(q->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->epi.bias,
                        sizeof(p->epi.bias));
        if (s == CUBLAS_STATUS_SUCCESS)
            s = b->desc_set(q->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &f32, sizeof(f32));
    }
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->layout_create(&q->w_layout, CUDA_R_16BF, k, columns, p->k_stride);
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->layout_create(&q->x_layout, CUDA_R_16BF, k, rows, p->x.row_stride);
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->layout_create(&q->c_layout, out_type, columns, rows, c_stride);
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->layout_create(&q->out_layout, out_type, columns, rows, p->out.row_stride);
    q->w = p->w.data;
    q->x = p->x.at.data;
    q->out = p->out.at.data;
    q->c = residual ? p->epi.residual.at.data : q->out;
    q->beta = residual ? 1 : 0;
    return s == CUBLAS_STATUS_SUCCESS;
}

static bool choose_algorithm(blas_params *q)
{
    const blas *b = q->b;
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t found;
    const uint64_t bytes = WORKSPACE_BYTES;
    int n_found = 0;
    if (b->preference_create(&preference) != CUBLAS_STATUS_SUCCESS)
        return false;
    cublasStatus_t s = b->preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                         &bytes, sizeof(bytes));
    /* It assumes 256 bytes unless told; tensors here begin at multiples of 16. */
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint32_t alignment = 16;
    for (size_t i = 0; i < 4 && s == CUBLAS_STATUS_SUCCESS; i++)
        s = b->preference_set(preference, alignments[i], &alignment, sizeof(alignment));
    if (s == CUBLAS_STATUS_SUCCESS)
        s = b->heuristic(b->handle, q->desc, q->w_layout, q->x_layout, q->c_layout, q->out_layout,
                         preference, 1, &found, &n_found);
    (void)b->preference_destroy(preference);
    if (s != CUBLAS_STATUS_SUCCESS || n_found < 1)
        return false;
    q->algorithm = found.algo;
    return true;
}

roto_status blas_add(dev_site *site, const gemm_params *p, int64_t flops, bool *taken)
{
    *taken = false;
    if (!suits(site, p))
        return ROTO_OK;
    blas_params q = {.b = site->blas, .workspace_bytes = WORKSPACE_BYTES};
    q.workspace = site_workspace(site, WORKSPACE_BYTES);
    if (site->e->measuring) {
        *taken = true;
        return ROTO_OK;
    }
    if (!describe(p, &q) || !choose_algorithm(&q)) {
        blas_release(&q);
        return ROTO_OK;
    }
    const roto_status status = site_add(site, "gemm.cublaslt", blas_launch, &q, sizeof(q), flops);
    if (status != ROTO_OK) {
        blas_release(&q);
        return status;
    }
    site_release_with(site, blas_release);
    *taken = true;
    return ROTO_OK;
}

#endif
