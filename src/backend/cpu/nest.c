#include "backend/cpu/nest.h"

void operand_strides(const operand *o, int64_t stride[TENSOR_MAX_RANK])
{
    int64_t step = o->row_stride;
    for (int i = o->shape.rank - 1; i >= 0; i--) {
        const bool last = i == o->shape.rank - 1;
        stride[i] = last ? 1 : step;
        step *= last ? 1 : o->shape.dim[i];
    }
}

static bool joinable(const nest *n, int outer)
{
    for (int k = 0; k < n->n_operands; k++) {
        if (n->stride[k][outer] != n->stride[k][outer + 1] * n->dim[outer + 1])
            return false;
    }
    return true;
}

/* Makes one of loops `outer` and the next, with the latter's steps. */
static void join(nest *n, int outer)
{
    n->dim[outer + 1] *= n->dim[outer];
    for (int i = outer; i < n->rank - 1; i++) {
        n->dim[i] = n->dim[i + 1];
        for (int k = 0; k < n->n_operands; k++)
            n->stride[k][i] = n->stride[k][i + 1];
    }
    n->rank--;
}

/* Whether loop `i` could be the innermost one: every operand stays or goes to the next element. */
static bool steps_by_one(const nest *n, int i)
{
    for (int k = 0; k < n->n_operands; k++) {
        if (n->stride[k][i] != 0 && n->stride[k][i] != 1)
            return false;
    }
    return true;
}

void nest_join(nest *n, int64_t longest)
{
    if (n->rank == 0) {
        n->rank = 1;
        n->dim[0] = 1;
    }
    for (int i = n->rank - 2; i >= 0; i--) {
        const bool innermost = i == n->rank - 2;
        const bool short_enough = !innermost || n->dim[i] * n->dim[i + 1] <= longest;
        if (n->dim[i] == 1 || (joinable(n, i) && short_enough)) {
            join(n, i);
        } else if (innermost && n->dim[i + 1] == 1 && steps_by_one(n, i)) {
            for (int k = 0; k < n->n_operands; k++)
                n->stride[k][i + 1] = n->stride[k][i];
            join(n, i);
        }
    }
}

int64_t nest_rows(const nest *n)
{
    int64_t rows = 1;
    for (int i = 0; i < n->rank - 1; i++)
        rows *= n->dim[i];
    return rows;
}

void nest_row(const nest *n, int64_t row, int64_t offset[NEST_MAX_OPERANDS])
{
    for (int k = 0; k < n->n_operands; k++)
        offset[k] = 0;
    for (int i = n->rank - 2; i >= 0; i--) {
        const int64_t at = row % n->dim[i];
        row /= n->dim[i];
        for (int k = 0; k < n->n_operands; k++)
            offset[k] += at * n->stride[k][i];
    }
}
