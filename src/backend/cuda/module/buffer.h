/* backend/cuda/module/buffer.h - buffers: device memory that executables share, and page-locked
 * host memory that it is copied from and to. */
#ifndef BACKEND_CUDA_MODULE_BUFFER_H
#define BACKEND_CUDA_MODULE_BUFFER_H

#include "backend/backend.h"

/* Entries of backend_table. */
roto_status cuda_buffer_new(backend *b, buffer_kind kind, size_t n, buffer **out);
void cuda_buffer_free(buffer *of);
roto_status cuda_buffer_copy(backend *b, backend_queue queue, const buffer_copy *copies, int n);
roto_status cuda_wait(backend *b);
roto_status cuda_queue_after(backend *b, backend_queue waiting, backend_queue other);

#endif
