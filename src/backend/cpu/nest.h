/* backend/cpu/nest.h - walking several operands together, row by row. */
#ifndef BACKEND_CPU_NEST_H
#define BACKEND_CPU_NEST_H

#include "backend/cpu/kernel.h"

enum { NEST_MAX_OPERANDS = 3 };

/* Nested loops over `dim`, the last one innermost, and how far each operand moves per step. */
typedef struct nest {
    int rank, n_operands;
    int64_t dim[TENSOR_MAX_RANK];
    int64_t stride[NEST_MAX_OPERANDS][TENSOR_MAX_RANK]; /* elements */
} nest;

/* Elements from one index to the next of each dimension. */
void operand_strides(const operand *o, int64_t stride[TENSOR_MAX_RANK]);

/* Joins loops that step through memory like one and drops those of one turn, as long as the
 * innermost one has at most `longest` turns. The rank stays 1 or more. */
void nest_join(nest *n, int64_t longest);

int64_t nest_rows(const nest *n); /* turns of all loops but the innermost */

/* Elements from each operand's start to that of row `row`. */
void nest_row(const nest *n, int64_t row, int64_t offset[NEST_MAX_OPERANDS]);

#endif
