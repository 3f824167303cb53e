/* tests/backend/checkops/row.h - one line of the table that every backend is checked and timed by.
 */
#ifndef TESTS_BACKEND_CHECKOPS_ROW_H
#define TESTS_BACKEND_CHECKOPS_ROW_H

#include "graph/graph.h"

/* Where a row runs: everything small enough for the reference is checked; the shapes of real models
 * are timed. */
typedef enum row_use { ROW_CHECK, ROW_CHECK_AND_BENCH, ROW_BENCH } row_use;

typedef struct check_row {
    const char *name;
    op_kind op;
    row_use use;
    op_attr attr;
    int n_in;
    tensor_shape in[GRAPH_MAX_INPUTS]; /* rank -1: left out */
} check_row;

#define DIMS(...)                                                                                  \
    {                                                                                              \
        .rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = { __VA_ARGS__ }  \
    }
#define SCALAR                                                                                     \
    {                                                                                              \
        .rank = 0                                                                                  \
    }
#define ABSENT                                                                                     \
    {                                                                                              \
        .rank = -1                                                                                 \
    }

typedef struct row_list {
    const check_row *rows;
    int n;
} row_list;

extern const row_list conv_rows, token_rows, attention_rows, image_rows, element_rows, move_rows;

#endif
