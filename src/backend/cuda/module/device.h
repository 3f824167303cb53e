/* backend/cuda/module/device.h - a GPU as the module sees it: errors, memory. */
#ifndef BACKEND_CUDA_MODULE_DEVICE_H
#define BACKEND_CUDA_MODULE_DEVICE_H

#include <roto/error.h>

#include <cuda_runtime_api.h>
#include <stddef.h>

/* ROTO_OK, or a status with a message naming what was attempted. */
roto_status device_check(cudaError_t error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define DEVICE_TRY(call, ...)                                                                      \
    do {                                                                                           \
        const roto_status device_try_status = device_check((call), __VA_ARGS__);                   \
        if (device_try_status != ROTO_OK)                                                          \
            return device_try_status;                                                              \
    } while (0)

roto_status device_count(int *out);
roto_status device_describe(int device, char *text, size_t text_bytes);

/* Memory of one lifetime, cut from few allocations. */
typedef struct device_memory {
    void **blocks;
    size_t n_blocks, capacity;
    size_t bytes;              /* allocated */
    size_t latest_bytes, used; /* of the latest block */
} device_memory;

roto_status device_memory_take(device_memory *m, size_t bytes, void **out); /* 256-byte aligned */
void device_memory_free(device_memory *m);

#endif
