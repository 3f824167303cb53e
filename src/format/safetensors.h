/* format/safetensors.h - named tensors in one file: a JSON header, then their bytes.
 *
 * The format is that of github.com/huggingface/safetensors: 8 bytes with the header's length, the
 * header, and a block of data that the tensors fill without gaps or overlaps. All of this is
 * checked on opening.
 */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "graph/tensor.h"

#include <roto/error.h>

enum { SAFETENSORS_MAX_HEADER_BYTES = 8 << 20 }; /* parsed, it takes up to 30 times as much */

typedef struct safetensor {
    const char *name;
    const char *type_name; /* as in the file: "F32", "BF16", "F8_E4M3", ... */
    dtype type;            /* DTYPE_COUNT for types that the engine does not compute with */
    tensor_shape shape;    /* dimensions may be 0 */
    const void *data;      /* at any address: copy elements out, or use safetensor_read_f32() */
    size_t bytes;
} safetensor;

typedef struct safetensors safetensors;

/* Maps the file, which must not change while it is open. */
roto_status safetensors_open(const char *path, safetensors **out);

/* The same in memory that stays the caller's and has to outlive *out; `name` is for messages. */
roto_status safetensors_open_bytes(const void *data, size_t bytes, const char *name,
                                   safetensors **out);
void safetensors_close(safetensors *file); /* NULL is fine */

/* Tensors sorted by name. */
size_t safetensors_count(const safetensors *file);
const safetensor *safetensors_at(const safetensors *file, size_t index);
const safetensor *safetensors_find(const safetensors *file, const char *name); /* or NULL */

/* The value of a key of the header's metadata, NULL when there is none. */
const char *safetensors_metadata(const safetensors *file, const char *key);

/* Copies shape_count elements as floats; F32, F16, BF16 and F64 alone. Values that are not finite
 * are refused, naming tensor and element. */
roto_status safetensor_read_f32(const safetensor *tensor, float *out);

typedef struct safetensors_note { /* of the metadata */
    const char *key, *value;
} safetensors_note;

/* Writes tensors (name, type, shape and data; the rest is ignored) in the order given. The file
 * appears under `path` only when it is complete. */
roto_status safetensors_write(const char *path, const safetensor *tensors, size_t n_tensors,
                              const safetensors_note *notes, size_t n_notes);

#endif
