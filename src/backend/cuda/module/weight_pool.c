#include "backend/cuda/module/weight_pool.h"

#include "backend/cuda/module/device.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN_BYTES = 256 };
#ifdef ROTO_CUDA_EMULATE
/* One block each, so that emulation notices what passes its end. */
static const size_t least_bytes = 0;
#else
static const size_t least_bytes = (size_t)8 << 20;
#endif

static bool same(const weight_key *a, const weight_key *b)
{
    return a->data == b->data && a->outputs == b->outputs && a->taps == b->taps &&
           a->channels == b->channels && a->padded == b->padded && a->bf16 == b->bf16 &&
           a->taps_first == b->taps_first && a->transposed == b->transposed;
}

static roto_status hold(weight_pool *p, size_t entry, weight_holds *by)
{
    if (!memory_grow((void **)&by->entries, &by->capacity, by->n + 1, sizeof(*by->entries)))
        return ROTO_ERROR_MEMORY;
    by->entries[by->n++] = entry;
    by->bytes += p->entries[entry].bytes;
    p->entries[entry].n_holders++;
    return ROTO_OK;
}

roto_status weight_pool_find(weight_pool *p, const weight_key *key, weight_holds *by, void **out)
{
    *out = NULL;
    for (size_t i = 0; i < p->n_entries; i++) {
        if (p->entries[i].n_holders == 0 || !same(&p->entries[i].key, key))
            continue;
        ROTO_TRY(hold(p, i, by));
        *out = p->entries[i].data;
        return ROTO_OK;
    }
    return ROTO_OK;
}

/* A block with room for that many bytes. */
static roto_status find_room(weight_pool *p, size_t bytes, size_t *out)
{
    size_t unused = p->n_blocks;
    for (size_t i = 0; i < p->n_blocks; i++) {
        const weight_block *b = &p->blocks[i];
        *out = i;
        if (b->data && bytes <= b->bytes - b->used)
            return ROTO_OK;
        if (!b->data)
            unused = i;
    }
    if (unused == p->n_blocks) {
        if (!memory_grow((void **)&p->blocks, &p->block_capacity, unused + 1, sizeof(*p->blocks)))
            return ROTO_ERROR_MEMORY;
        p->blocks[p->n_blocks++] = (weight_block){.data = NULL};
    }
    const size_t block_bytes = bytes > least_bytes ? bytes : least_bytes;
    void *data = NULL;
    DEVICE_TRY(cudaMalloc(&data, block_bytes), "allocating %zu bytes for weights", block_bytes);
    p->blocks[unused] = (weight_block){.data = data, .bytes = block_bytes};
    *out = unused;
    return ROTO_OK;
}

roto_status weight_pool_add(weight_pool *p, const weight_key *key, const void *packed, size_t bytes,
                            weight_holds *by, void **out)
{
    const size_t room = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    size_t block = 0, entry = 0;
    *out = NULL;
    ROTO_TRY(find_room(p, room, &block));
    while (entry < p->n_entries && p->entries[entry].n_holders > 0)
        entry++;
    if (entry == p->n_entries) {
        if (!memory_grow((void **)&p->entries, &p->entry_capacity, entry + 1, sizeof(*p->entries)))
            return ROTO_ERROR_MEMORY;
        p->entries[p->n_entries++] = (weight_entry){.n_holders = 0};
    }
    weight_block *b = &p->blocks[block];
    void *data = b->data + b->used;
    DEVICE_TRY(cudaMemcpy(data, packed, bytes, cudaMemcpyHostToDevice),
               "copying %zu bytes of weights", bytes);
    p->entries[entry] = (weight_entry){.key = *key, .data = data, .bytes = bytes, .block = block};
    ROTO_TRY(hold(p, entry, by));
    b->used += room;
    b->n_entries++;
    *out = data;
    return ROTO_OK;
}

static void free_block(weight_block *b)
{
    (void)cudaFree(b->data);
    *b = (weight_block){.data = NULL};
}

void weight_pool_let_go(weight_pool *p, weight_holds *by)
{
    for (size_t i = 0; i < by->n; i++) {
        weight_entry *e = &p->entries[by->entries[i]];
        if (--e->n_holders == 0 && --p->blocks[e->block].n_entries == 0)
            free_block(&p->blocks[e->block]);
    }
    free(by->entries);
    *by = (weight_holds){.n = 0};
}

void weight_pool_free(weight_pool *p)
{
    for (size_t i = 0; i < p->n_blocks; i++) {
        if (p->blocks[i].data)
            free_block(&p->blocks[i]);
    }
    free(p->entries);
    free(p->blocks);
    *p = (weight_pool){.n_entries = 0};
}
