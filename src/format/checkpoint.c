#include "format/checkpoint.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"
#include "format/shard_index.h"
#include "format/torch/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct checkpoint {
    torch_file *torch;
    safetensors **files;
    size_t n_files;
    const safetensor **tensors;
    size_t n;
    char kind[32];
};

static const char one_file[] = "model.safetensors", index_file[] = "model.safetensors.index.json";

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* FOLDER/NAME, where FOLDER is `path` up to `folder_bytes`. */
static roto_status join(char out[PATH_MAX], const char *path, size_t folder_bytes, const char *name)
{
    const int n = snprintf(out, PATH_MAX, "%.*s%s%s", (int)folder_bytes, path,
                           folder_bytes && path[folder_bytes - 1] != '/' ? "/" : "", name);
    return n < PATH_MAX ? ROTO_OK : roto_fail(ROTO_ERROR_IO, "%s: the path is too long", path);
}

static int compare_tensors(const void *a, const void *b)
{
    return strcmp((*(const safetensor *const *)a)->name, (*(const safetensor *const *)b)->name);
}

/* ---- one file ---------------------------------------------------------------------------------
 */

static roto_status read_torch(checkpoint *c, const char *path)
{
    ROTO_TRY(torch_file_open(path, &c->torch));
    c->n = torch_file_count(c->torch);
    c->tensors = memory_new_array(c->n, sizeof(*c->tensors));
    for (size_t i = 0; c->tensors && i < c->n; i++)
        c->tensors[i] = torch_file_at(c->torch, i);
    strcpy(c->kind, "PyTorch");
    return c->tensors ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static roto_status read_safetensors(checkpoint *c, const char *path)
{
    c->files = memory_new_array(1, sizeof(safetensors *));
    if (!c->files)
        return ROTO_ERROR_MEMORY;
    ROTO_TRY(safetensors_open(path, &c->files[0]));
    c->n_files = 1;
    c->n = safetensors_count(c->files[0]);
    c->tensors = memory_new_array(c->n, sizeof(*c->tensors));
    for (size_t i = 0; c->tensors && i < c->n; i++)
        c->tensors[i] = safetensors_at(c->files[0], i);
    strcpy(c->kind, "safetensors");
    return c->tensors ? ROTO_OK : ROTO_ERROR_MEMORY;
}

/* ---- several files ----------------------------------------------------------------------------
 */

/* Opens the file of entries[0] and takes what `n` entries say it has. */
static roto_status read_shard(checkpoint *c, const char *index_path, size_t folder_bytes,
                              const shard_entry *entries, size_t n)
{
    char path[PATH_MAX];
    ROTO_TRY(join(path, index_path, folder_bytes, entries[0].file));
    safetensors *file = NULL;
    ROTO_TRY(safetensors_open(path, &file));
    c->files[c->n_files++] = file;
    for (size_t i = 0; i < n; i++) {
        const safetensor *t = safetensors_find(file, entries[i].tensor);
        if (!t)
            return roto_fail(ROTO_ERROR_FORMAT,
                             "%s: the tensor '%s', which %s says is here, is not", path,
                             entries[i].tensor, index_path);
        c->tensors[c->n++] = t;
    }
    /* Both are sorted by name: the first that differs is the one that is too many. */
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (i >= n || strcmp(name, entries[i].tensor) != 0)
            return roto_fail(ROTO_ERROR_FORMAT, "%s: the tensor '%s' is not in %s", path, name,
                             index_path);
    }
    return ROTO_OK;
}

static roto_status read_shards(checkpoint *c, const char *path, const shard_index *index)
{
    const char *slash = strrchr(path, '/');
    const size_t folder_bytes = slash ? (size_t)(slash - path) + 1 : 0;
    c->files = memory_new_array(index->n_files, sizeof(safetensors *));
    c->tensors = memory_new_array(index->n, sizeof(*c->tensors));
    if (!c->files || !c->tensors)
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0, end; i < index->n; i = end) {
        const shard_entry *first = &index->entries[i];
        for (end = i + 1; end < index->n && strcmp(first->file, index->entries[end].file) == 0;)
            end++;
        ROTO_TRY(read_shard(c, path, folder_bytes, first, end - i));
    }
    qsort(c->tensors, c->n, sizeof(*c->tensors), compare_tensors);
    snprintf(c->kind, sizeof(c->kind), "%zu safetensors file%s", c->n_files,
             c->n_files == 1 ? "" : "s");
    return ROTO_OK;
}

static roto_status read_index(checkpoint *c, const char *path)
{
    file_bytes text;
    ROTO_TRY(file_read(path, SHARD_INDEX_MAX_BYTES, &text));
    shard_index index;
    roto_status status = shard_index_parse((const char *)text.data, text.bytes, path, &index);
    file_release(&text);
    if (status != ROTO_OK)
        return status;
    status = read_shards(c, path, &index);
    shard_index_free(&index);
    return status;
}

/* ---- any --------------------------------------------------------------------------------------
 */

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

static roto_status read_folder(checkpoint *c, const char *path)
{
    char inside[PATH_MAX];
    ROTO_TRY(join(inside, path, strlen(path), index_file));
    if (exists(inside))
        return read_index(c, inside);
    ROTO_TRY(join(inside, path, strlen(path), one_file));
    if (exists(inside))
        return read_safetensors(c, inside);
    return roto_fail(ROTO_ERROR_IO, "%s: a folder with neither %s nor %s in it", path, one_file,
                     index_file);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static roto_status read_any(checkpoint *c, const char *path)
{
    if (is_folder(path))
        return read_folder(c, path);
    if (ends_with(path, ".json"))
        return read_index(c, path);
    file_bytes start;
    ROTO_TRY(file_map(path, SIZE_MAX, &start));
    const bool torch = torch_file_is(start.data, start.bytes);
    file_release(&start);
    return torch ? read_torch(c, path) : read_safetensors(c, path);
}

roto_status checkpoint_open(const char *path, checkpoint **out)
{
    *out = NULL;
    checkpoint *c = memory_new_array(1, sizeof(*c));
    if (!c)
        return ROTO_ERROR_MEMORY;
    const roto_status status = read_any(c, path);
    if (status == ROTO_OK)
        *out = c;
    else
        checkpoint_close(c);
    return status;
}

void checkpoint_close(checkpoint *c)
{
    if (!c)
        return;
    torch_file_close(c->torch);
    for (size_t i = 0; i < c->n_files; i++)
        safetensors_close(c->files[i]);
    free(c->files);
    free(c->tensors);
    free(c);
}

size_t checkpoint_count(const checkpoint *c)
{
    return c->n;
}

const safetensor *checkpoint_at(const checkpoint *c, size_t index)
{
    return c->tensors[index];
}

const safetensor *checkpoint_find(const checkpoint *c, const char *name)
{
    const safetensor wanted = {.name = name};
    const safetensor *key = &wanted;
    const safetensor *const *found =
        c->n ? bsearch(&key, c->tensors, c->n, sizeof(*c->tensors), compare_tensors) : NULL;
    return found ? *found : NULL;
}

const char *checkpoint_metadata(const checkpoint *c, const char *key)
{
    return !c->torch && c->n_files == 1 ? safetensors_metadata(c->files[0], key) : NULL;
}

const char *checkpoint_kind(const checkpoint *c)
{
    return c->kind;
}
