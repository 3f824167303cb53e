/* models/sam2/published_names.h - one tensor, several names. The official checkpoints' are the ones
 * that models ask for. */
#ifndef MODELS_SAM2_PUBLISHED_NAMES_H
#define MODELS_SAM2_PUBLISHED_NAMES_H

#include <stdbool.h>

enum { SAM2_TENSOR_NAME_BYTES = 256 };

/* The official name of a tensor that is called `name` in Hugging Face's transformers (Sam2Model,
 * Sam2VideoModel, EdgeTamModel, EdgeTamVideoModel); false when there is none. */
bool sam2_official_name(const char *name, char out[SAM2_TENSOR_NAME_BYTES]);

#endif
