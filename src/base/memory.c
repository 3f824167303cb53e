#include "base/memory.h"

#include "base/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

void *memory_new_array(size_t count, size_t item_bytes)
{
    size_t bytes = 0;
    void *items = size_mul(count, item_bytes, &bytes) ? calloc(1, bytes ? bytes : 1) : NULL;
    if (!items)
        roto_fail(ROTO_ERROR_MEMORY, "out of memory: %zu items of %zu bytes", count, item_bytes);
    return items;
}

bool memory_grow(void **items, size_t *capacity, size_t needed, size_t item_bytes)
{
    if (needed <= *capacity)
        return true;
    size_t grown = *capacity ? *capacity : 8;
    while (grown < needed) {
        if (!size_mul(grown, 2, &grown))
            grown = needed;
    }
    size_t bytes = 0;
    void *moved = size_mul(grown, item_bytes, &bytes) ? realloc(*items, bytes) : NULL;
    if (!moved) {
        roto_fail(ROTO_ERROR_MEMORY, "out of memory: %zu items of %zu bytes", grown, item_bytes);
        return false;
    }
    memset((char *)moved + *capacity * item_bytes, 0, (grown - *capacity) * item_bytes);
    *items = moved;
    *capacity = grown;
    return true;
}

void *memory_new_aligned(size_t bytes)
{
    size_t padded = 0;
    void *memory = NULL;
    if (size_add(bytes, MEMORY_ALIGN_BYTES, &padded)) {
        padded -= padded % MEMORY_ALIGN_BYTES;
        memory = aligned_alloc(MEMORY_ALIGN_BYTES, padded);
    }
    if (!memory) {
        roto_fail(ROTO_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    return memset(memory, 0, padded);
}

char *memory_copy_string(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        roto_fail(ROTO_ERROR_MEMORY, "out of memory: %zu bytes", strlen(text) + 1);
    return copy;
}

enum { ARENA_CHUNK_BYTES = 64 * 1024 };

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t used, capacity;
    char *bytes;
} arena_chunk;

struct memory_arena {
    arena_chunk *chunks;
};

memory_arena *memory_arena_new(void)
{
    return memory_new_array(1, sizeof(memory_arena));
}

void memory_arena_free(memory_arena *arena)
{
    if (!arena)
        return;
    for (arena_chunk *chunk = arena->chunks; chunk;) {
        arena_chunk *next = chunk->next;
        free(chunk->bytes);
        free(chunk);
        chunk = next;
    }
    free(arena);
}

void *memory_arena_alloc(memory_arena *arena, size_t bytes)
{
    size_t padded = 0;
    if (!size_add(bytes, MEMORY_ALIGN_BYTES, &padded)) {
        roto_fail(ROTO_ERROR_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    padded -= padded % MEMORY_ALIGN_BYTES;
    arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->capacity - chunk->used < padded) {
        chunk = memory_new_array(1, sizeof(*chunk));
        if (!chunk)
            return NULL;
        chunk->capacity = padded > ARENA_CHUNK_BYTES ? padded : ARENA_CHUNK_BYTES;
        chunk->bytes = memory_new_aligned(chunk->capacity);
        if (!chunk->bytes) {
            free(chunk);
            return NULL;
        }
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += padded;
    return memory;
}

char *memory_arena_string(memory_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = memory_arena_alloc(arena, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}
