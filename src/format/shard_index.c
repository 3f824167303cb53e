#include "format/shard_index.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

enum { MAX_FILE_NAME_BYTES = 255 };

/* Shards lie beside the index: a file from elsewhere may not make us open others. */
static bool is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && strlen(name) <= MAX_FILE_NAME_BYTES && !strchr(name, '/') &&
           !strchr(name, '\\');
}

static int compare_tensors(const void *a, const void *b)
{
    return strcmp(((const shard_entry *)a)->tensor, ((const shard_entry *)b)->tensor);
}

static int compare_entries(const void *a, const void *b)
{
    const int order = strcmp(((const shard_entry *)a)->file, ((const shard_entry *)b)->file);
    return order ? order : compare_tensors(a, b);
}

static roto_status read_map(const cJSON *map, const char *name, shard_index *out)
{
    for (const cJSON *item = map->child; item; item = item->next)
        out->n++;
    out->entries = memory_new_array(out->n, sizeof(*out->entries));
    if (!out->entries)
        return ROTO_ERROR_MEMORY;
    size_t i = 0;
    for (const cJSON *item = map->child; item; item = item->next) {
        if (!cJSON_IsString(item) || !is_plain_name(item->valuestring))
            return roto_fail(ROTO_ERROR_FORMAT,
                             "%s: tensor '%s' is in no file beside it: a plain file name is needed",
                             name, item->string);
        out->entries[i++] = (shard_entry){.file = item->valuestring, .tensor = item->string};
    }
    return ROTO_OK;
}

static roto_status check_map(const char *name, shard_index *index)
{
    qsort(index->entries, index->n, sizeof(*index->entries), compare_tensors);
    for (size_t i = 1; i < index->n; i++) {
        if (compare_tensors(&index->entries[i - 1], &index->entries[i]) == 0)
            return roto_fail(ROTO_ERROR_FORMAT, "%s: the tensor '%s' is there twice", name,
                             index->entries[i].tensor);
    }
    qsort(index->entries, index->n, sizeof(*index->entries), compare_entries);
    for (size_t i = 0; i < index->n; i++)
        index->n_files += i == 0 || strcmp(index->entries[i - 1].file, index->entries[i].file) != 0;
    if (index->n_files > SHARD_INDEX_MAX_FILES)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: %zu files; at most %d", name, index->n_files,
                         SHARD_INDEX_MAX_FILES);
    return ROTO_OK;
}

roto_status shard_index_parse(const char *text, size_t bytes, const char *name, shard_index *out)
{
    *out = (shard_index){0};
    if (bytes > SHARD_INDEX_MAX_BYTES)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: %zu bytes; at most %d", name, bytes,
                         SHARD_INDEX_MAX_BYTES);
    out->json = cJSON_ParseWithLength(text, bytes);
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(out->json, "weight_map");
    roto_status status = ROTO_OK;
    if (!out->json)
        status = roto_fail(ROTO_ERROR_FORMAT, "%s: it is not JSON", name);
    else if (!cJSON_IsObject(map) || !map->child)
        status =
            roto_fail(ROTO_ERROR_FORMAT,
                      "%s: no index of safetensors files: it has no object \"weight_map\"", name);
    if (status == ROTO_OK)
        status = read_map(map, name, out);
    if (status == ROTO_OK)
        status = check_map(name, out);
    if (status != ROTO_OK)
        shard_index_free(out);
    return status;
}

void shard_index_free(shard_index *index)
{
    free(index->entries);
    cJSON_Delete(index->json);
    *index = (shard_index){0};
}
