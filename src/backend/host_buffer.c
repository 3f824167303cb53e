#include "backend/host_buffer.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static size_t element_bytes(buffer_kind kind)
{
    return kind == BUFFER_DEVICE_BF16 ? sizeof(uint16_t) : sizeof(float);
}

roto_status host_buffer_new(backend *b, buffer_kind kind, size_t n, buffer **out)
{
    *out = NULL;
    size_t bytes;
    if (!size_mul(n, element_bytes(kind), &bytes))
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: a buffer of %zu elements", n);
    buffer *made = memory_new_array(1, sizeof(*made));
    if (!made)
        return ROTO_ERROR_MEMORY;
    *made = (buffer){.owner = b, .kind = kind, .n = n};
    made->data = memory_new_aligned(bytes ? bytes : 1);
    if (!made->data) {
        host_buffer_free(made);
        return ROTO_ERROR_MEMORY;
    }
    *out = made;
    return ROTO_OK;
}

void host_buffer_free(buffer *of)
{
    if (!of)
        return;
    free(of->data);
    free(of);
}

static void *element(const buffer *of, size_t at)
{
    return (char *)of->data + at * element_bytes(of->kind);
}

static void round_all(uint16_t *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof(bits));
        const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
        to[i] = (uint16_t)(from[i] != from[i] ? 0x7fffu : rounded); /* NaN stays one */
    }
}

static void widen_all(float *to, const uint16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)from[i] << 16;
        memcpy(&to[i], &bits, sizeof(bits));
    }
}

roto_status host_buffer_copy(backend *b, backend_queue queue, const buffer_copy *copies, int n)
{
    (void)b, (void)queue;
    for (int i = 0; i < n; i++) {
        const buffer_copy *c = &copies[i];
        ROTO_TRY(buffer_copy_check(c));
        void *to = element(c->to, c->to_at);
        const void *from = element(c->from, c->from_at);
        if (element_bytes(c->to->kind) == element_bytes(c->from->kind))
            memcpy(to, from, c->n * element_bytes(c->to->kind));
        else if (c->to->kind == BUFFER_DEVICE_BF16)
            round_all(to, from, c->n);
        else
            widen_all(to, from, c->n);
    }
    return ROTO_OK;
}

roto_status host_queue_after(backend *b, backend_queue waiting, backend_queue other)
{
    (void)b, (void)waiting, (void)other;
    return ROTO_OK;
}

roto_status host_buffer_wait(backend *b)
{
    (void)b;
    return ROTO_OK;
}
