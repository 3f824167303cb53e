/* backend/cuda/module/linear_few.h - linear layers of so few rows that their weights are all that
 * takes time. */
#ifndef BACKEND_CUDA_MODULE_LINEAR_FEW_H
#define BACKEND_CUDA_MODULE_LINEAR_FEW_H

#include "backend/cuda/module/site.h"
#include "backend/cuda/module/weights.h"

/* `p` describes the product but for x, w, k and vector, which adding fills in. */
bool linear_few_suits(const dev_site *site, const gemm_params *p);
roto_status linear_few_add(dev_site *site, gemm_params *p, const weight_order *order,
                           int64_t flops);

#endif
