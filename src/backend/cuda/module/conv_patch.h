/* backend/cuda/module/conv_patch.h - convolutions of pictures of three channels. */
#ifndef BACKEND_CUDA_MODULE_CONV_PATCH_H
#define BACKEND_CUDA_MODULE_CONV_PATCH_H

#include "backend/cuda/module/site.h"

/* `p` describes the product but for x, w and k, which adding fills in. */
bool conv_patch_has(const dev_site *site, const gemm_params *p);
roto_status conv_patch_add(dev_site *site, gemm_params *p);

#endif
