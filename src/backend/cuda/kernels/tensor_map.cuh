/* backend/cuda/kernels/tensor_map.cuh - what the bulk copy engine knows of a tensor: heads of d
 * elements, heads, tokens, batches; boxes of 64 elements x n tokens. */
#ifndef BACKEND_CUDA_KERNELS_TENSOR_MAP_CUH
#define BACKEND_CUDA_KERNELS_TENSOR_MAP_CUH

#include "backend/cuda/kernels/device.cuh"

#ifdef ROTO_CUDA_EMULATE
#include "hopper.h"
#else
#include "backend/cuda/kernels/hopper.cuh"

#include <cuda.h>
#endif

#ifdef ROTO_CUDA_EMULATE
static inline cudaError_t tensor_map_make(unsigned char *map, dev_rows x, int d, int heads,
                                          int tokens, int batches, int box_tokens)
{
    const uint64_t row = (uint64_t)x.row_stride * 2;
    const emulated_map m = {(const uint16_t *)x.at.data,
                            {(uint32_t)d, (uint32_t)heads, (uint32_t)tokens, (uint32_t)batches},
                            {64, 1, (uint32_t)box_tokens, 1},
                            {(uint64_t)d * 2, row, row * (uint64_t)tokens}};
    for (int i = 0; i < 3; i++)
        if (m.stride[i] % 16 != 0)
            return cudaErrorInvalidValue;
    memcpy(map, &m, sizeof(m));
    return (uintptr_t)x.at.data % 16 == 0 ? cudaSuccess : cudaErrorInvalidValue;
}
#else
static inline cudaError_t tensor_map_make(unsigned char *map, dev_rows x, int d, int heads,
                                          int tokens, int batches, int box_tokens)
{
    /* Asked for by name, so that nothing has to be linked against the driver. */
    typedef decltype(&cuTensorMapEncodeTiled) encode_fn;
    static_assert(sizeof(CUtensorMap) == TENSOR_MAP_BYTES, "tensor maps have another size");
    void *found = NULL;
    cudaDriverEntryPointQueryResult result;
    const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found,
                                                               12000, cudaEnableDefault, &result);
    if (error != cudaSuccess)
        return error;
    if (!found || result != cudaDriverEntryPointSuccess)
        return cudaErrorNotSupported;
    const cuuint64_t row = (cuuint64_t)x.row_stride * 2;
    const cuuint64_t dim[4] = {(cuuint64_t)d, (cuuint64_t)heads, (cuuint64_t)tokens,
                               (cuuint64_t)batches};
    const cuuint64_t stride[3] = {(cuuint64_t)d * 2, row, row * (cuuint64_t)tokens};
    const cuuint32_t box[4] = {64, 1, (cuuint32_t)box_tokens, 1}, step[4] = {1, 1, 1, 1};
    const CUresult r = ((encode_fn)found)(
        (CUtensorMap *)map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, x.at.data, dim, stride, box, step,
        CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return r == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}
#endif

#endif
