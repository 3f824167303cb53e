/* track/assignment.h - the pairing of rows with columns that has the greatest total gain. */
#ifndef TRACK_ASSIGNMENT_H
#define TRACK_ASSIGNMENT_H

#include <roto/error.h>

typedef struct assignment assignment;

/* Working memory for up to max_rows x max_columns; solving allocates nothing. */
roto_status assignment_new(int max_rows, int max_columns, assignment **out);
void assignment_free(assignment *a); /* NULL is fine */

/* `gain` is [n_rows, n_columns] and finite. Each row is paired with at most one column and the
 * other way round, only where the gain is positive, so that the sum of gains is the greatest
 * possible. column_of_row[r] is the column or -1. Time O(min^2 * max). The same input gives the
 * same pairs, and of equally good pairings the one that SciPy's linear_sum_assignment picks. */
void assignment_solve(assignment *a, const double *gain, int n_rows, int n_columns,
                      int *column_of_row);

#endif
