/* format/safetensors_types.h - the element types that the format knows. */
#ifndef FORMAT_SAFETENSORS_TYPES_H
#define FORMAT_SAFETENSORS_TYPES_H

#include "graph/tensor.h"

typedef struct safetensors_type {
    const char *name;
    size_t bytes;
    dtype type; /* DTYPE_COUNT: none of ours */
} safetensors_type;

const safetensors_type *safetensors_type_find(const char *name); /* NULL when unknown */

#endif
