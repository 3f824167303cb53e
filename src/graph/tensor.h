/* graph/tensor.h - element types and shapes. */
#ifndef GRAPH_TENSOR_H
#define GRAPH_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TENSOR_MAX_RANK = 6 };

typedef enum dtype {
    DTYPE_F32,
    DTYPE_BF16,
    DTYPE_F16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_COUNT
} dtype;

size_t dtype_bytes(dtype type);
const char *dtype_name(dtype type); /* "f32", "bf16", ... */

/* Rank 0 is a scalar. Every dimension is at least 1; the last one is contiguous in memory. */
typedef struct tensor_shape {
    int rank;
    int64_t dim[TENSOR_MAX_RANK];
} tensor_shape;

tensor_shape shape_make(int rank, const int64_t *dim);
#define SHAPE(...)                                                                                 \
    shape_make((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

bool shape_equal(const tensor_shape *a, const tensor_shape *b);

/* True when the rank is in range, every dimension is positive and the element count stays under
 * SHAPE_MAX_ELEMENTS, so that later products of dimensions cannot overflow. */
#define SHAPE_MAX_ELEMENTS ((int64_t)1 << 34)
bool shape_valid(const tensor_shape *shape);

int64_t shape_count(const tensor_shape *shape); /* number of elements */
int64_t shape_last(const tensor_shape *shape);  /* the last dimension, 1 for a scalar */
int64_t shape_rows(const tensor_shape *shape);  /* shape_count / shape_last */

/* NumPy's rule, aligned at the last dimension; false when the shapes do not broadcast. */
bool shape_broadcast(const tensor_shape *a, const tensor_shape *b, tensor_shape *out);

/* "[1, 416, 416, 3]" */
enum { SHAPE_TEXT_BYTES = 160 };
const char *shape_text(const tensor_shape *shape, char text[SHAPE_TEXT_BYTES]);

#endif
