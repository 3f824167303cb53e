#include "backend/cuda/module/site.h"

void operand_strides(const dev_operand *o, int64_t stride[TENSOR_MAX_RANK])
{
    const int rank = o->shape.rank;
    int64_t step = o->row_stride;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = i == rank - 1 ? 1 : step;
        if (i < rank - 1)
            step *= o->shape.dim[i];
    }
}

bool operand_aligned(const dev_operand *o, int elements)
{
    const uintptr_t bytes = (uintptr_t)elements * (o->at.is_bf16 ? 2 : 4);
    return (uintptr_t)o->at.data % bytes == 0 && o->row_stride % elements == 0;
}

/* Strides of an operand along the output's dimensions, 0 where it repeats. */
static void broadcast_strides(const dev_operand *o, const tensor_shape *out,
                              int64_t stride[TENSOR_MAX_RANK])
{
    int64_t own[TENSOR_MAX_RANK] = {0};
    operand_strides(o, own);
    for (int i = 0; i < out->rank; i++) {
        const int k = i - (out->rank - o->shape.rank);
        stride[i] = k < 0 || o->shape.dim[k] == 1 ? 0 : own[k];
    }
}

/* Joins neighbouring loops that every operand steps through like one, and drops those of one turn.
 */
static void join(dev_nest *n)
{
    int rank = 0;
    for (int i = 0; i < n->rank; i++) {
        if (n->dim[i] == 1)
            continue;
        bool joined = rank > 0;
        for (int k = 0; k < 3 && joined; k++)
            joined = n->stride[k][rank - 1] == n->stride[k][i] * n->dim[i];
        if (joined) {
            n->dim[rank - 1] *= n->dim[i];
        } else {
            n->dim[rank] = n->dim[i];
            rank++;
        }
        for (int k = 0; k < 3; k++)
            n->stride[k][rank - 1] = n->stride[k][i];
    }
    if (rank == 0) {
        n->dim[0] = 1;
        for (int k = 0; k < 3; k++)
            n->stride[k][0] = 0;
        rank = 1;
    }
    n->rank = rank;
}

static bool can_vectorise(const dev_nest *n, const dev_operand *const operands[3])
{
    const int inner = n->rank - 1;
    if (n->dim[inner] % 4 != 0 || n->stride[0][inner] != 1)
        return false;
    for (int k = 0; k < 3; k++) {
        const dev_operand *o = operands[k];
        if (!o || n->stride[k][inner] == 0)
            continue;
        if (n->stride[k][inner] != 1 || (uintptr_t)o->at.data % (o->at.is_bf16 ? 8 : 16) != 0)
            return false;
        for (int i = 0; i < inner; i++) {
            if (n->stride[k][i] % 4 != 0)
                return false;
        }
    }
    return true;
}

void nest_make(const dev_operand *out, const dev_operand *a, const dev_operand *b, dev_nest *nest)
{
    const dev_operand *const operands[3] = {out, a, b};
    *nest = (dev_nest){.rank = out->shape.rank, .vector = 1};
    for (int i = 0; i < out->shape.rank; i++)
        nest->dim[i] = (int32_t)out->shape.dim[i];
    for (int k = 0; k < 3; k++) {
        if (operands[k])
            broadcast_strides(operands[k], &out->shape, nest->stride[k]);
    }
    join(nest);
    if (can_vectorise(nest, operands)) {
        const int inner = nest->rank - 1;
        nest->vector = 4;
        nest->dim[inner] /= 4;
        for (int k = 0; k < 3; k++)
            nest->stride[k][inner] *= 4;
    }
    nest->count = 1;
    for (int i = 0; i < nest->rank; i++)
        nest->count *= nest->dim[i];
}
