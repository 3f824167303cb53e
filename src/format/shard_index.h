/* format/shard_index.h - which file has which tensor of a model in several safetensors files: the
 * model.safetensors.index.json of Hugging Face. */
#ifndef FORMAT_SHARD_INDEX_H
#define FORMAT_SHARD_INDEX_H

#include <roto/error.h>

#include <stddef.h>

/* Parsed, it takes up to 30 times as much. */
enum { SHARD_INDEX_MAX_BYTES = 8 << 20, SHARD_INDEX_MAX_FILES = 1024 };

typedef struct shard_entry {
    const char *file; /* a plain name: neither a path nor hidden */
    const char *tensor;
} shard_entry;

typedef struct shard_index {
    shard_entry *entries; /* sorted by file, then by tensor */
    size_t n, n_files;
    struct cJSON *json; /* owns the texts */
} shard_index;

/* `name` is for messages. A tensor that comes twice is ROTO_ERROR_FORMAT. */
roto_status shard_index_parse(const char *text, size_t bytes, const char *name, shard_index *out);
void shard_index_free(shard_index *index); /* a zeroed or freed one is fine */

#endif
