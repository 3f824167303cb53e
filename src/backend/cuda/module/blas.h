/* backend/cuda/module/blas.h - large plain products through cuBLASLt, where it can be had. */
#ifndef BACKEND_CUDA_MODULE_BLAS_H
#define BACKEND_CUDA_MODULE_BLAS_H

#include "backend/cuda/module/site.h"

typedef struct blas blas;

/* NULL where the library is not installed or refuses: products then take this module's kernels, and
 * the names of kernels say so. */
blas *blas_new(void);
void blas_free(blas *b); /* NULL is fine */

/* Adds the product and sets *taken when it is one of rows by a matrix, large enough to matter, with
 * an epilogue that cuBLASLt has; otherwise does nothing. Operands as gemm_mma_launch wants them. */
roto_status blas_add(dev_site *site, const gemm_params *p, int64_t flops, bool *taken);

#endif
