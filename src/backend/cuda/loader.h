/* backend/cuda/loader.h - the GPUs that the CUDA backend finds. */
#ifndef BACKEND_CUDA_LOADER_H
#define BACKEND_CUDA_LOADER_H

#include "backend/backend.h"

/* ROTO_ERROR_DEVICE with the reason where the module, the driver or a device is missing. */
roto_status cuda_device_count(int *out);
roto_status cuda_device_describe(int device, char *text, size_t text_bytes);

#endif
