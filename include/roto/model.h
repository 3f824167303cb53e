/* roto/model.h - files of weights. */
#ifndef ROTO_MODEL_H
#define ROTO_MODEL_H

#include <roto/error.h>
#include <roto/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum roto_weights_type {
    ROTO_WEIGHTS_AS_THEY_ARE = 0,
    ROTO_WEIGHTS_F32 = 1,
    ROTO_WEIGHTS_F16 = 2, /* rounded to nearest; refused when a value is beyond 65504 */
    ROTO_WEIGHTS_BF16 = 3 /* rounded to nearest */
} roto_weights_type;

/* Writes a segmenter's model, in whatever files roto_segmenter_open() takes it, as one safetensors
 * file with its config in the metadata under "roto.config" and the official names. Only matrices
 * and convolutions change their type; biases, norms and embeddings are small and keep theirs. The
 * whole model is checked first; the file appears under out_path only when it is complete. Needs
 * memory for the tensors whose type changes. */
ROTO_API roto_status roto_model_convert(const char *in_path, const char *out_path,
                                        roto_weights_type type);

#ifdef __cplusplus
}
#endif
#endif
