/* backend/host_buffer.h - buffers of backends whose device is the host. */
#ifndef BACKEND_HOST_BUFFER_H
#define BACKEND_HOST_BUFFER_H

#include "backend/backend.h"

/* Entries of backend_table. */
roto_status host_buffer_new(backend *b, buffer_kind kind, size_t n, buffer **out);
void host_buffer_free(buffer *of);
roto_status host_buffer_copy(backend *b, backend_queue queue, const buffer_copy *copies, int n);
roto_status host_queue_after(backend *b, backend_queue waiting, backend_queue other);
roto_status host_buffer_wait(backend *b);

#endif
