#include "backend/cuda/module/scratch.h"

#include "backend/cuda/module/device.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

static roto_status make(scratch_pool *p, const scratch_block *like, scratch_block **out)
{
    if (!memory_grow((void **)&p->blocks, &p->capacity, p->n_blocks + 1, sizeof(scratch_block *)))
        return ROTO_ERROR_MEMORY;
    scratch_block *b = memory_new_array(1, sizeof(*b));
    if (!b)
        return ROTO_ERROR_MEMORY;
    *b = *like;
    void *data = NULL;
    device_count_call(DEVICE_CALL_ALLOCATION);
    const roto_status status =
        device_check(cudaMalloc(&data, b->bytes), "allocating %zu bytes on the device", b->bytes);
    if (status != ROTO_OK) {
        free(b);
        return status;
    }
    b->data = data;
    p->blocks[p->n_blocks++] = *out = b;
    return ROTO_OK;
}

roto_status scratch_take(scratch_pool *p, int queue, scratch_kind kind, size_t bytes,
                         scratch_block **out)
{
    scratch_block *best = NULL;
    for (size_t i = 0; i < p->n_blocks; i++) {
        scratch_block *b = p->blocks[i];
        if (b->queue == queue && b->kind == kind && b->bytes >= bytes &&
            (!best || b->bytes < best->bytes))
            best = b;
    }
    if (!best)
        ROTO_TRY(make(p, &(scratch_block){.bytes = bytes ? bytes : 1, .kind = kind, .queue = queue},
                      &best));
    best->n_users++;
    *out = best;
    return ROTO_OK;
}

static void drop(scratch_block *b)
{
    (void)cudaFree(b->data);
    free(b);
}

void scratch_give_back(scratch_pool *p, scratch_block *b)
{
    if (!b || --b->n_users > 0)
        return;
    size_t at = 0;
    while (p->blocks[at] != b)
        at++;
    p->blocks[at] = p->blocks[--p->n_blocks];
    drop(b);
}

void scratch_free(scratch_pool *p)
{
    for (size_t i = 0; i < p->n_blocks; i++)
        drop(p->blocks[i]);
    free(p->blocks);
    *p = (scratch_pool){.n_blocks = 0};
}
