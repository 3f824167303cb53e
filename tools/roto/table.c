#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 64, MAX_COLUMNS = 24 };

struct table {
    int n_columns, n_cells, capacity;
    char (*cells)[CELL_BYTES];
};

table *table_new(const char *head, int n_rows)
{
    table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->n_columns = 1;
    for (const char *c = head; *c; c++)
        t->n_columns += *c == ' ';
    t->capacity = (n_rows + 1) * t->n_columns;
    t->cells = calloc((size_t)t->capacity, sizeof(*t->cells));
    if (!t->cells) {
        free(t);
        return NULL;
    }
    for (const char *word = head; word;) {
        char cell[CELL_BYTES];
        snprintf(cell, sizeof(cell), "%.*s", (int)strcspn(word, " "), word);
        table_text(t, cell);
        word = strchr(word, ' ');
        if (word)
            word++;
    }
    return t;
}

void table_text(table *t, const char *value)
{
    if (t->n_cells < t->capacity)
        snprintf(t->cells[t->n_cells++], CELL_BYTES, "%s", value);
}

void table_integer(table *t, int64_t value)
{
    char text[CELL_BYTES];
    snprintf(text, sizeof(text), "%" PRId64, value);
    table_text(t, text);
}

void table_real(table *t, double value, int decimals)
{
    char text[CELL_BYTES];
    snprintf(text, sizeof(text), "%.*f", decimals, value);
    table_text(t, text);
}

void table_percent(table *t, double fraction)
{
    table_real(t, 100 * fraction, 2);
}

bool table_print_free(table *t)
{
    int width[MAX_COLUMNS] = {0};
    for (int i = 0; i < t->n_cells; i++) {
        int length = (int)strlen(t->cells[i]);
        if (length > width[i % t->n_columns])
            width[i % t->n_columns] = length;
    }
    for (int i = 0; i < t->n_cells; i++) {
        int column = i % t->n_columns;
        if (column == 0)
            printf("%-*s", width[0], t->cells[i]);
        else
            printf("  %*s", width[column], t->cells[i]);
        if (column == t->n_columns - 1)
            putchar('\n');
    }
    free(t->cells);
    free(t);
    return fflush(stdout) == 0;
}
