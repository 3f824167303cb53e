/* tests/backend/checkops/self_test.h - proof that the harness notices what it is for. */
#ifndef TESTS_BACKEND_CHECKOPS_SELF_TEST_H
#define TESTS_BACKEND_CHECKOPS_SELF_TEST_H

#include "backend/checkops/row.h"

#include <stdbool.h>

/* Checks every row on backends with one defect each; true when each is noticed in every row. */
bool self_test(const row_list *const *lists, int n_lists);

#endif
