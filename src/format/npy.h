/* format/npy.h - NumPy's array files: one array, row-major, little endian. */
#ifndef FORMAT_NPY_H
#define FORMAT_NPY_H

#include "graph/tensor.h"

#include <roto/error.h>

typedef struct npy_array {
    dtype type;         /* DTYPE_F32, DTYPE_I64 or DTYPE_U8 */
    tensor_shape shape; /* dimensions may be 0 */
    void *data;         /* shape_count elements, owned */
} npy_array;

/* Arrays of other types, in Fortran order or with more than TENSOR_MAX_RANK dimensions are refused.
 * Free with npy_free(). */
roto_status npy_read(const char *path, npy_array *out);
roto_status npy_parse(const void *bytes, size_t n_bytes, const char *name, npy_array *out);
void npy_free(npy_array *array); /* a zeroed one is fine */

/* The file appears under `path` only when it is complete. */
roto_status npy_write(const char *path, dtype type, const tensor_shape *shape, const void *data);

#endif
