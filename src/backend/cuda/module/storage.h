/* backend/cuda/module/storage.h - which tensors are kept in bfloat16. */
#ifndef BACKEND_CUDA_MODULE_STORAGE_H
#define BACKEND_CUDA_MODULE_STORAGE_H

#include "graph/plan.h"

/* choose_bytes of plan.h, where products are of bfloat16 values: 2 for tensors to be stored in
 * bfloat16. Those are, which a product reads and which otherwise meet nothing but pooling,
 * resizing, moves and sums with a residual: the rounding that the product asks for is then done
 * once, when the tensor is written, and everything else computes on fp32. Outputs of the graph stay
 * fp32, and so does what is in a buffer (bound[t]). Tensors that may share memory (reshapes,
 * slices, concatenations) are stored alike. */
roto_status storage_choose(const graph *g, const bool *bound, uint8_t *element_bytes);

#endif
