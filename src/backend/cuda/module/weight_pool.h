/* backend/cuda/module/weight_pool.h - weights on the device, once for all executables of a backend
 * that read them in the same order: graphs for one, two, four objects have the same weights. */
#ifndef BACKEND_CUDA_MODULE_WEIGHT_POOL_H
#define BACKEND_CUDA_MODULE_WEIGHT_POOL_H

#include <roto/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which weights, in what order. Two keys are the same when all their members are. */
typedef struct weight_key {
    const void *data; /* on the host, where it stays as long as somebody holds the weights */
    int64_t outputs, taps, channels, padded;
    int64_t bf16, taps_first, transposed; /* 0 or 1 */
} weight_key;

typedef struct weight_block {
    char *data;
    size_t bytes, used;
    int32_t n_entries;
} weight_block;

typedef struct weight_entry {
    weight_key key;
    void *data;
    size_t bytes, block;
    int32_t n_holders;
} weight_entry;

/* Zeroed: empty. */
typedef struct weight_pool {
    weight_entry *entries; /* n_holders 0: unused */
    size_t n_entries, entry_capacity;
    weight_block *blocks; /* data NULL: unused */
    size_t n_blocks, block_capacity;
} weight_pool;

/* What an executable holds. */
typedef struct weight_holds {
    size_t *entries;
    size_t n, capacity;
    size_t bytes;
} weight_holds;

/* The weights, held once more by `by`; *out NULL when they are not there. */
roto_status weight_pool_find(weight_pool *p, const weight_key *key, weight_holds *by, void **out);
/* Puts them there, held by `by`. */
roto_status weight_pool_add(weight_pool *p, const weight_key *key, const void *packed, size_t bytes,
                            weight_holds *by, void **out);
/* Lets go of all that `by` holds; what nobody holds is forgotten. */
void weight_pool_let_go(weight_pool *p, weight_holds *by);
void weight_pool_free(weight_pool *p);

#endif
