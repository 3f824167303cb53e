#include "backend/cuda/module/device.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

roto_status device_check(cudaError_t error, const char *fmt, ...)
{
    if (error == cudaSuccess)
        return ROTO_OK;
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    (void)cudaGetLastError(); /* so that the next call does not report this one */
    return roto_fail(error == cudaErrorMemoryAllocation ? ROTO_ERROR_MEMORY : ROTO_ERROR_DEVICE,
                     "cuda: %s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

static atomic_long n_calls[DEVICE_N_CALLS];

void device_count_call(device_call call)
{
    atomic_fetch_add_explicit(&n_calls[call], 1, memory_order_relaxed);
}

void device_calls(backend_calls *out)
{
    *out = (backend_calls){.runs = n_calls[DEVICE_CALL_RUN],
                           .launches = n_calls[DEVICE_CALL_LAUNCH],
                           .copies = n_calls[DEVICE_CALL_COPY],
                           .orders = n_calls[DEVICE_CALL_ORDER],
                           .waits = n_calls[DEVICE_CALL_WAIT],
                           .allocations = n_calls[DEVICE_CALL_ALLOCATION]};
}

roto_status device_count(int *out)
{
    *out = 0;
    int driver = 0;
    DEVICE_TRY(cudaDriverGetVersion(&driver), "asking for the driver's version");
    if (driver == 0)
        return roto_fail(ROTO_ERROR_DEVICE, "cuda: there is no NVIDIA driver on this machine");
    DEVICE_TRY(cudaGetDeviceCount(out), "looking for devices");
    return ROTO_OK;
}

roto_status device_describe(int device, char *text, size_t text_bytes)
{
    struct cudaDeviceProp prop;
    DEVICE_TRY(cudaGetDeviceProperties(&prop, device), "asking about device %d", device);
    snprintf(text, text_bytes, "%s, compute capability %d.%d, %d multiprocessors, %.1f GiB",
             prop.name, prop.major, prop.minor, prop.multiProcessorCount,
             (double)prop.totalGlobalMem / (double)(1 << 30));
    return ROTO_OK;
}

roto_status device_memory_take(device_memory *m, size_t bytes, void **out)
{
    enum { ALIGN_BYTES = 256 };
#ifdef ROTO_CUDA_EMULATE
    const size_t least_bytes =
        0; /* one block each, so that emulation notices what passes its end */
#else
    const size_t least_bytes = (size_t)1 << 20;
#endif
    *out = NULL;
    if (!size_add(bytes, ALIGN_BYTES - 1, &bytes))
        return roto_fail(ROTO_ERROR_MEMORY, "cuda: out of memory");
    bytes -= bytes % ALIGN_BYTES;
    if (m->n_blocks == 0 || bytes > m->latest_bytes - m->used) {
        const size_t block_bytes = bytes > least_bytes ? bytes : least_bytes;
        if (!memory_grow((void **)&m->blocks, &m->capacity, m->n_blocks + 1, sizeof(*m->blocks)))
            return ROTO_ERROR_MEMORY;
        DEVICE_TRY(cudaMalloc(&m->blocks[m->n_blocks], block_bytes),
                   "allocating %zu bytes on the device", block_bytes);
        m->n_blocks++;
        m->bytes += block_bytes;
        m->latest_bytes = block_bytes;
        m->used = 0;
    }
    *out = (char *)m->blocks[m->n_blocks - 1] + m->used;
    m->used += bytes;
    return ROTO_OK;
}

void device_memory_free(device_memory *m)
{
    for (size_t i = 0; i < m->n_blocks; i++)
        (void)cudaFree(m->blocks[i]);
    free(m->blocks);
    *m = (device_memory){0};
}
