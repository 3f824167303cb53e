/* tests/backend/checkops/check.h - one row on one backend, compared with the reference. */
#ifndef TESTS_BACKEND_CHECKOPS_CHECK_H
#define TESTS_BACKEND_CHECKOPS_CHECK_H

#include "backend/checkops/row_graph.h"

typedef struct check_error {
    double relative_l2; /* of all elements together */
    double max;         /* largest difference, as a share of the largest expected magnitude */
} check_error;

/* What rounding alone can do to a row. Errors that are not below it are defects. */
check_error row_bound(const check_row *row, precision prec);

typedef enum check_verdict { CHECK_PASSED, CHECK_MISSING, CHECK_FAILED } check_verdict;

typedef struct check_result {
    check_verdict verdict;
    check_error error; /* the largest of all contexts */
    char why[512];     /* unless it passed */
} check_result;

/* Runs the row in every context with 1 and 2 threads, each twice in a row with
 * poisoned outputs. Fails when results differ from the reference's by more than the bound or from
 * each other at all.
 */
check_result check_row_on(const check_row *row, const backend_table *table, const char *isa,
                          precision prec);

#endif
