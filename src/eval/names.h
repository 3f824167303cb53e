/* eval/names.h - which sequences are to be evaluated. */
#ifndef EVAL_NAMES_H
#define EVAL_NAMES_H

#include <roto/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct names {
    char **items;
    size_t n, capacity;
} names;

void names_free(names *list);
roto_status names_add(names *list, const char *name); /* a copy of it */
void names_sort(names *list);

/* The ones that a caller asks for. */
roto_status names_take(const char *const *sequences, int32_t n_sequences, names *out);

/* Refuses what is no name of a folder, is longer than `max_chars`, or comes twice. */
roto_status names_check(const names *list, size_t max_chars);

#endif
