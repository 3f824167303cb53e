#include "backend/cuda/module/buffer.h"

#include "backend/cuda/module/executable.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static size_t element_bytes(buffer_kind kind)
{
    return kind == BUFFER_DEVICE_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* Elements from one on. */
static dev_ptr element(const buffer *of, size_t at)
{
    return (dev_ptr){(char *)of->data + at * element_bytes(of->kind),
                     of->kind == BUFFER_DEVICE_BF16};
}

static roto_status allocate(buffer *of)
{
    size_t bytes;
    void *data = NULL;
    if (!size_mul(of->n ? of->n : 1, element_bytes(of->kind), &bytes))
        return roto_fail(ROTO_ERROR_MEMORY, "cuda: a buffer of %zu elements", of->n);
    DEVICE_TRY(cudaSetDevice(of->owner->device), "choosing device %d", of->owner->device);
    if (of->kind == BUFFER_HOST) {
        DEVICE_TRY(cudaMallocHost(&data, bytes), "allocating %zu bytes of host memory", bytes);
        of->data = memset(data, 0, bytes);
        return ROTO_OK;
    }
    DEVICE_TRY(cudaMalloc(&data, bytes), "allocating %zu bytes on the device", bytes);
    of->data = data;
    cudaStream_t stream = of->owner->streams[QUEUE_MAIN];
    DEVICE_TRY(cudaMemsetAsync(data, 0, bytes, stream), "clearing %zu bytes", bytes);
    DEVICE_TRY(cudaStreamSynchronize(stream), "clearing %zu bytes", bytes); /* for all queues */
    return ROTO_OK;
}

roto_status cuda_buffer_new(backend *b, buffer_kind kind, size_t n, buffer **out)
{
    *out = NULL;
    buffer *made = memory_new_array(1, sizeof(*made));
    if (!made)
        return ROTO_ERROR_MEMORY;
    *made = (buffer){.owner = b, .kind = kind, .n = n};
    const roto_status status = allocate(made);
    if (status != ROTO_OK) {
        cuda_buffer_free(made);
        return status;
    }
    *out = made;
    return ROTO_OK;
}

void cuda_buffer_free(buffer *of)
{
    if (!of)
        return;
    (void)cudaSetDevice(of->owner->device);
    for (int i = 0; i < BACKEND_N_QUEUES; i++)
        (void)cudaStreamSynchronize(of->owner->streams[i]);
    if (of->kind == BUFFER_HOST)
        (void)cudaFreeHost(of->data);
    else
        (void)cudaFree(of->data);
    free(of);
}

static roto_status copy_within(cudaStream_t stream, transfer_params *p)
{
    if (p->n_parts > 0)
        DEVICE_TRY(transfer_launch(p, stream), "copying %d pieces of buffers", p->n_parts);
    p->n_parts = 0;
    return ROTO_OK;
}

roto_status cuda_buffer_copy(backend *b, backend_queue queue, const buffer_copy *copies, int n)
{
    cudaStream_t stream = b->streams[queue];
    transfer_params within = {.n_parts = 0};
    DEVICE_TRY(cudaSetDevice(b->device), "choosing device %d", b->device);
    for (int i = 0; i < n; i++) {
        const buffer_copy *c = &copies[i];
        ROTO_TRY(buffer_copy_check(c));
        if (c->n > INT32_MAX)
            return roto_fail(ROTO_ERROR_INTERNAL, "cuda: a copy of %zu elements", c->n);
        const dev_ptr to = element(c->to, c->to_at), from = element(c->from, c->from_at);
        if (c->n == 0)
            continue;
        if (c->from->kind != BUFFER_HOST && c->to->kind != BUFFER_HOST) {
            within.parts[within.n_parts++] =
                (transfer_part){to, from, (int32_t)c->n, c->to_at % 4 == 0 && c->from_at % 4 == 0};
            if (within.n_parts == TRANSFER_MAX_PARTS)
                ROTO_TRY(copy_within(stream, &within));
            continue;
        }
        DEVICE_TRY(cudaMemcpyAsync(to.data, from.data, c->n * sizeof(float),
                                   c->to->kind == BUFFER_HOST ? cudaMemcpyDeviceToHost
                                                              : cudaMemcpyHostToDevice,
                                   stream),
                   "copying %zu floats of a buffer", c->n);
    }
    return copy_within(stream, &within);
}

roto_status cuda_wait(backend *b)
{
    DEVICE_TRY(cudaSetDevice(b->device), "choosing device %d", b->device);
    DEVICE_TRY(cudaStreamSynchronize(b->streams[QUEUE_MAIN]), "running");
    return ROTO_OK;
}

roto_status cuda_queue_after(backend *b, backend_queue waiting, backend_queue other)
{
    DEVICE_TRY(cudaSetDevice(b->device), "choosing device %d", b->device);
    DEVICE_TRY(cudaEventRecord(b->passed[other], b->streams[other]), "ordering queues");
    DEVICE_TRY(cudaStreamWaitEvent(b->streams[waiting], b->passed[other], 0), "ordering queues");
    return ROTO_OK;
}
