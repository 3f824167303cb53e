/* table.h - aligned columns of text on standard output. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct table table;

/* Columns are named by `head`, separated by single spaces. NULL when out of memory. */
table *table_new(const char *head, int n_rows);
void table_text(table *t, const char *value);
void table_integer(table *t, int64_t value);
void table_real(table *t, double value, int decimals);
void table_percent(table *t, double fraction);

/* Prints rows in the order of the cells; the first column is flush left. False when it could not be
 * written. Frees the table. */
bool table_print_free(table *t);

#endif
