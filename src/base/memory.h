/* base/memory.h - checked allocation: no size computation can overflow unnoticed. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Alignment of every buffer that kernels read: a cache line, and a full AVX-512 register. */
enum { MEMORY_ALIGN_BYTES = 64 };

/* True and *out = a * b (or a + b) when it fits; false otherwise. */
bool size_mul(size_t a, size_t b, size_t *out);
bool size_add(size_t a, size_t b, size_t *out);

/* `count` zeroed items of `item_bytes`; NULL (with the error message set) when out of memory or on
 * overflow. Free with free(). A count of 0 gives a valid pointer. */
void *memory_new_array(size_t count, size_t item_bytes);

/* Grows *items to hold `needed` items, doubling; *capacity is updated. False (message set, *items
 * unchanged) on failure. New items are zeroed. */
bool memory_grow(void **items, size_t *capacity, size_t needed, size_t item_bytes);

/* MEMORY_ALIGN_BYTES-aligned, zeroed. Free with free(). */
void *memory_new_aligned(size_t bytes);

/* A copy of `text` (or of its first `length` bytes), NULL when out of memory. Free with free(). */
char *memory_copy_string(const char *text);

/* Bump allocator: many small objects, one lifetime. */
typedef struct memory_arena memory_arena;

memory_arena *memory_arena_new(void);
void memory_arena_free(memory_arena *arena); /* NULL is fine */
void *memory_arena_alloc(memory_arena *arena,
                         size_t bytes); /* zeroed, 64-byte aligned; NULL when out of memory */
char *memory_arena_string(memory_arena *arena, const char *text);

#endif
