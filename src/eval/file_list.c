#include "eval/file_list.h"

#include "base/error.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 16 }; /* folders in folders; links may make them endless */

static bool wanted(const char *name, const char *const *endings)
{
    const size_t length = strlen(name);
    for (; *endings; endings++) {
        const size_t n = strlen(*endings);
        if (length > n && strcasecmp(name + length - n, *endings) == 0)
            return true;
    }
    return false;
}

static roto_status add_file(file_list *list, char *path, size_t folder)
{
    if (!memory_grow((void **)&list->files, &list->capacity, list->n + 1, sizeof(*list->files))) {
        free(path);
        return ROTO_ERROR_MEMORY;
    }
    const char *name = strrchr(path, '/') + 1;
    list->files[list->n++] = (listed_file){.path = path,
                                           .folder = folder,
                                           .stem = (size_t)(name - path),
                                           .n_stem = (size_t)(strrchr(name, '.') - name)};
    return ROTO_OK;
}

static roto_status add_folder(file_list *list, const char *path, size_t folder,
                              const char *const *endings, int depth);

static roto_status add_entry(file_list *list, const char *parent, const char *name, size_t folder,
                             const char *const *endings, int depth)
{
    char *path = NULL;
    struct stat info;
    if (asprintf(&path, "%s/%s", parent, name) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    if (stat(path, &info) != 0) {
        free(path); /* a link that leads nowhere */
        return ROTO_OK;
    }
    if (S_ISREG(info.st_mode) && wanted(name, endings))
        return add_file(list, path, folder);
    roto_status status = ROTO_OK;
    if (S_ISDIR(info.st_mode))
        status = add_folder(list, path, folder, endings, depth + 1);
    free(path);
    return status;
}

static roto_status add_folder(file_list *list, const char *path, size_t folder,
                              const char *const *endings, int depth)
{
    if (depth > MAX_DEPTH)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: folders lie more than %d deep", path,
                         MAX_DEPTH);
    DIR *dir = opendir(path);
    if (!dir)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot open: %s", path, strerror(errno));
    roto_status status = ROTO_OK;
    for (struct dirent *entry; status == ROTO_OK && (entry = readdir(dir));) {
        if (entry->d_name[0] != '.')
            status = add_entry(list, path, entry->d_name, folder, endings, depth);
    }
    closedir(dir);
    return status;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const listed_file *)a)->path, ((const listed_file *)b)->path);
}

roto_status file_list_read(const char *folder, const char *const *endings, file_list *out,
                           bool *exists)
{
    *out = (file_list){0};
    struct stat info;
    *exists = stat(folder, &info) == 0 && S_ISDIR(info.st_mode);
    if (!*exists)
        return ROTO_OK;
    roto_status status = add_folder(out, folder, strlen(folder) + 1, endings, 0);
    if (status != ROTO_OK) {
        file_list_free(out);
        return status;
    }
    if (out->n)
        qsort(out->files, out->n, sizeof(*out->files), compare_paths);
    return ROTO_OK;
}

void file_list_free(file_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->files[i].path);
    free(list->files);
    *list = (file_list){0};
}

static int compare_stems(const void *left, const void *right)
{
    const listed_file *a = left, *b = right;
    const size_t n = a->n_stem < b->n_stem ? a->n_stem : b->n_stem;
    const int order = memcmp(a->path + a->stem, b->path + b->stem, n);
    return order ? order : (a->n_stem > b->n_stem) - (a->n_stem < b->n_stem);
}

static int compare_stems_then_paths(const void *a, const void *b)
{
    const int order = compare_stems(a, b);
    return order ? order : compare_paths(a, b);
}

void file_list_sort_by_stem(file_list *list)
{
    if (list->n)
        qsort(list->files, list->n, sizeof(*list->files), compare_stems_then_paths);
}

/* Whether both lie in the same folder below the ones that were listed. */
static bool same_folder(const listed_file *a, const listed_file *b)
{
    const size_t n = a->stem - a->folder;
    return n == b->stem - b->folder && memcmp(a->path + a->folder, b->path + b->folder, n) == 0;
}

const listed_file *file_list_find(const file_list *list, const listed_file *like)
{
    const listed_file *any =
        list->n ? bsearch(like, list->files, list->n, sizeof(*list->files), compare_stems) : NULL;
    if (!any)
        return NULL;
    const listed_file *end = list->files + list->n;
    while (any > list->files && compare_stems(any - 1, like) == 0)
        any--;
    for (const listed_file *f = any; f < end && compare_stems(f, like) == 0; f++) {
        if (same_folder(f, like))
            return f;
    }
    return any;
}
