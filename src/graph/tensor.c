#include "graph/tensor.h"

#include <stdio.h>
#include <string.h>

size_t dtype_bytes(dtype type)
{
    static const size_t bytes[DTYPE_COUNT] = {
        [DTYPE_F32] = 4, [DTYPE_BF16] = 2, [DTYPE_F16] = 2, [DTYPE_I8] = 1,
        [DTYPE_U8] = 1,  [DTYPE_I32] = 4,  [DTYPE_I64] = 8,
    };
    return bytes[type];
}

const char *dtype_name(dtype type)
{
    static const char *const names[DTYPE_COUNT] = {
        [DTYPE_F32] = "f32", [DTYPE_BF16] = "bf16", [DTYPE_F16] = "f16", [DTYPE_I8] = "i8",
        [DTYPE_U8] = "u8",   [DTYPE_I32] = "i32",   [DTYPE_I64] = "i64",
    };
    return names[type];
}

tensor_shape shape_make(int rank, const int64_t *dim)
{
    tensor_shape shape = {.rank = rank};
    for (int i = 0; i < rank && i < TENSOR_MAX_RANK; i++)
        shape.dim[i] = dim[i];
    return shape;
}

bool shape_equal(const tensor_shape *a, const tensor_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(a->dim[0])) == 0;
}

bool shape_valid(const tensor_shape *shape)
{
    if (shape->rank < 0 || shape->rank > TENSOR_MAX_RANK)
        return false;
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1 || __builtin_mul_overflow(count, shape->dim[i], &count) ||
            count > SHAPE_MAX_ELEMENTS)
            return false;
    }
    return true;
}

int64_t shape_count(const tensor_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

int64_t shape_last(const tensor_shape *shape)
{
    return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

int64_t shape_rows(const tensor_shape *shape)
{
    return shape_count(shape) / shape_last(shape);
}

bool shape_broadcast(const tensor_shape *a, const tensor_shape *b, tensor_shape *out)
{
    tensor_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= result.rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1)
            return false;
        result.dim[result.rank - i] = da == 1 ? db : da;
    }
    *out = result;
    return true;
}

const char *shape_text(const tensor_shape *shape, char text[SHAPE_TEXT_BYTES])
{
    size_t used = (size_t)snprintf(text, SHAPE_TEXT_BYTES, "[");
    for (int i = 0; i < shape->rank && i < TENSOR_MAX_RANK; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT_BYTES - used, "%s%lld", i ? ", " : "",
                                 (long long)shape->dim[i]);
    snprintf(text + used, SHAPE_TEXT_BYTES - used, "]");
    return text;
}
