/* backend/cuda/module/scratch.h - memory that executables need while they run alone: those of one
 * queue never run at the same time and share it. */
#ifndef BACKEND_CUDA_MODULE_SCRATCH_H
#define BACKEND_CUDA_MODULE_SCRATCH_H

#include <roto/error.h>

#include <stddef.h>

typedef enum scratch_kind { SCRATCH_ARENA, SCRATCH_WORKSPACE } scratch_kind;

typedef struct scratch_block {
    char *data;
    size_t bytes;
    scratch_kind kind;
    int queue, n_users;
} scratch_block;

/* Zeroed: empty. */
typedef struct scratch_pool {
    scratch_block **blocks;
    size_t n_blocks, capacity;
} scratch_pool;

/* A block of at least `bytes`, 256-byte aligned, which other executables of that queue may have,
 * too. Addresses never change, so that of two executables the larger one should come first. */
roto_status scratch_take(scratch_pool *p, int queue, scratch_kind kind, size_t bytes,
                         scratch_block **out);
void scratch_give_back(scratch_pool *p, scratch_block *b); /* NULL is fine */
void scratch_free(scratch_pool *p);

#endif
