/* backend/cuda/module/device.h - a GPU as the module sees it: errors, memory. */
#ifndef BACKEND_CUDA_MODULE_DEVICE_H
#define BACKEND_CUDA_MODULE_DEVICE_H

#include "backend/backend.h"

#include <roto/error.h>

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <string.h>

/* ROTO_OK, or a status with a message naming what was attempted. */
roto_status device_check(cudaError_t error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- counted, so that a benchmark can tell what a frame asks of the driver ---- */

typedef enum device_call {
    DEVICE_CALL_OTHER,
    DEVICE_CALL_RUN,
    DEVICE_CALL_LAUNCH,
    DEVICE_CALL_COPY,
    DEVICE_CALL_ORDER,
    DEVICE_CALL_WAIT,
    DEVICE_CALL_ALLOCATION,
    DEVICE_N_CALLS
} device_call;

void device_count_call(device_call call);
void device_calls(backend_calls *out);

/* By the call as it is written; the compiler knows the answer. */
static inline device_call device_call_of(const char *text)
{
    static const struct {
        const char *part;
        device_call call;
    } known[] = {{"cudaGraphLaunch", DEVICE_CALL_RUN},   {"_launch(", DEVICE_CALL_LAUNCH},
                 {"->launch(", DEVICE_CALL_LAUNCH},      {"cudaMemcpy", DEVICE_CALL_COPY},
                 {"cudaMemset", DEVICE_CALL_COPY},       {"cudaEventRecord", DEVICE_CALL_ORDER},
                 {"WaitEvent", DEVICE_CALL_ORDER},       {"Synchronize", DEVICE_CALL_WAIT},
                 {"cudaMalloc", DEVICE_CALL_ALLOCATION}, {"cudaHostAlloc", DEVICE_CALL_ALLOCATION}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strstr(text, known[i].part))
            return known[i].call;
    }
    return DEVICE_CALL_OTHER;
}

#define DEVICE_TRY(call, ...)                                                                      \
    do {                                                                                           \
        device_count_call(device_call_of(#call));                                                  \
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
