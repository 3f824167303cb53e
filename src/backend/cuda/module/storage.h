/* backend/cuda/module/storage.h - which tensors are kept in bfloat16. */
#ifndef BACKEND_CUDA_MODULE_STORAGE_H
#define BACKEND_CUDA_MODULE_STORAGE_H

#include "backend/backend.h"

/* By tensor: whether to store it in bfloat16 where products are of bfloat16 values. Those tensors
 * are, which a product reads and which otherwise meet nothing but pooling, resizing, moves and sums
 * with a residual: the rounding that the product asks for is then done once, when the tensor is
 * written, and everything else computes on fp32. Outputs of the graph stay fp32, and so does what
 * is in a buffer (`bound`, by tensor). Tensors that may share memory (reshapes, slices,
 * concatenations) are stored alike. */
roto_status storage_choose(const graph *g, buffer *const *bound, bool *is_bf16);

#endif
