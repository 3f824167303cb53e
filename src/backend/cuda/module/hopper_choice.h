/* backend/cuda/module/hopper_choice.h - which of Hopper's tiles a product is computed in. */
#ifndef BACKEND_CUDA_MODULE_HOPPER_CHOICE_H
#define BACKEND_CUDA_MODULE_HOPPER_CHOICE_H

#include "backend/cuda/kernels/params.h"

#include <stdbool.h>

/* Fills in variant, keep and together for params->g; false where there is no such kernel.
 * blas_first: cuBLASLt, if it has the product, is faster. The choice depends on nothing but the
 * product and the number of multiprocessors. */
bool hopper_choose(gemm_hopper_params *params, bool *blas_first);

#endif
