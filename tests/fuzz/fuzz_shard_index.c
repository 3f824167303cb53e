/* Reads indices of safetensors shards. */
#include "format/shard_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    shard_index index;
    if (shard_index_parse((const char *)data, bytes, "fuzz", &index) != ROTO_OK)
        return 0;
    for (size_t i = 0; i < index.n; i++) {
        if (strchr(index.entries[i].file, '/') || index.entries[i].file[0] == '.' ||
            !index.entries[i].tensor)
            abort();
    }
    shard_index_free(&index);
    return 0;
}
