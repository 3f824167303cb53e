/* backend/cuda/module/weights.h - weights of products in the order that kernels read them. */
#ifndef BACKEND_CUDA_MODULE_WEIGHTS_H
#define BACKEND_CUDA_MODULE_WEIGHTS_H

#include "backend/cuda/module/site.h"

/* Weights on the host as [outputs][taps][channels]; on the device the same, or [taps][outputs]
 * [channels] with taps_first; or they lie as [channels][outputs] on the host with transposed. */
typedef struct weight_order {
    const float *data;
    int64_t outputs, taps, channels;
    bool taps_first, transposed;
} weight_order;

/* A constant as it is, once for all executables of the backend; as are the following. */
roto_status weights_upload_constant(dev_site *site, const graph_tensor *t, void **out);

roto_status weights_upload_f32(dev_site *site, const weight_order *order, void **out);

/* Channels padded with zeros to `padded`. */
roto_status weights_upload_bf16(dev_site *site, const weight_order *order, int64_t padded,
                                void **out);

#endif
