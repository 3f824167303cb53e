/* models/weights.h - the named tensors of a checkpoint, bound one by one by a model, with one
 * report of everything that does not fit. */
#ifndef MODELS_WEIGHTS_H
#define MODELS_WEIGHTS_H

#include "graph/tensor.h"

#include <roto/error.h>

/* A tensor as a file has it: row-major, little-endian. Owns nothing. */
typedef struct named_tensor {
    const char *name;
    dtype type;
    tensor_shape shape;
    const void *data;
} named_tensor;

typedef struct weights weights;

/* Borrows `tensors` until weights_check(), and their data until weights_free(). A name that comes
 * twice is ROTO_ERROR_FORMAT. */
roto_status weights_new(const named_tensor *tensors, int n_tensors, weights **out);
void weights_free(weights *w); /* NULL is fine */

/* How a published (PyTorch) tensor becomes one that graph.h's operators take. */
typedef enum weight_layout {
    WEIGHT_AS_IS,
    WEIGHT_CONV,          /* [out, in, kh, kw] to [out, kh, kw, in] */
    WEIGHT_CONV_TRANSPOSE /* [in, out, kh, kw] to [out, kh, kw, in] */
} weight_layout;

/* The tensor called PREFIX.NAME (or NAME with an empty prefix) in f32; `shape` is the published
 * one. What is f32 as it should be is not copied, so that a mapped file is the memory that it
 * takes; all else (f16, bf16, another layout, an address that is no multiple of 4) is owned by `w`.
 * When the tensor is missing, has another shape or type, or holds a NaN or an infinity, that is
 * noted for weights_check() and zeros come back, so that a model binds without looking; NULL only
 * when memory ran out. */
const float *weights_get(weights *w, const char *prefix, const char *name, weight_layout layout,
                         tensor_shape shape);

/* `count` floats owned by `w`, zeroed, for values that a model derives; NULL when memory ran out.
 */
float *weights_derive(weights *w, int64_t count);

/* ROTO_OK when every tensor that was asked for was there and every tensor that was there was asked
 * for; otherwise ROTO_ERROR_FORMAT listing them by name. Forgets the borrowed tensors. */
roto_status weights_check(weights *w);

int64_t weights_n_parameters(const weights *w); /* elements of all tensors bound so far */

#endif
