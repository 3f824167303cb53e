#include "eval/names.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SEQUENCES = 100000 };

void names_free(names *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
}

roto_status names_add(names *list, const char *name)
{
    if (list->n == MAX_SEQUENCES)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "more than %d sequences", MAX_SEQUENCES);
    if (!memory_grow((void **)&list->items, &list->capacity, list->n + 1, sizeof(char *)))
        return ROTO_ERROR_MEMORY;
    list->items[list->n] = memory_copy_string(name);
    if (!list->items[list->n])
        return ROTO_ERROR_MEMORY;
    list->n++;
    return ROTO_OK;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

void names_sort(names *list)
{
    if (list->n)
        qsort(list->items, list->n, sizeof(*list->items), compare_names);
}

roto_status names_take(const char *const *sequences, int32_t n_sequences, names *out)
{
    if (n_sequences < 1)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%d sequences are named", n_sequences);
    for (int32_t i = 0; i < n_sequences; i++) {
        if (!sequences[i])
            return roto_fail(ROTO_ERROR_ARGUMENT, "sequence %d has no name", i);
        ROTO_TRY(names_add(out, sequences[i]));
    }
    return ROTO_OK;
}

roto_status names_check(const names *list, size_t max_chars)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->items[i];
        if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            return roto_fail(ROTO_ERROR_ARGUMENT, "\"%s\" is not the name of a sequence", name);
        if (strlen(name) > max_chars)
            return roto_fail(ROTO_ERROR_UNSUPPORTED,
                             "sequence \"%s\": names have at most %zu characters", name, max_chars);
        for (size_t k = 0; k < i; k++)
            if (strcmp(list->items[k], name) == 0)
                return roto_fail(ROTO_ERROR_ARGUMENT, "sequence %s is named twice", name);
    }
    return ROTO_OK;
}
