/* models/sam2/recognise.h - which published model a checkpoint is of, told by its tensors. */
#ifndef MODELS_SAM2_RECOGNISE_H
#define MODELS_SAM2_RECOGNISE_H

#include "models/weights.h"

enum { SAM2_CONFIG_TEXT_BYTES = 2048 };

/* Writes the model's config (config.h) as JSON. Tensors have their official names. */
roto_status sam2_recognise(const named_tensor *tensors, int n, char config[SAM2_CONFIG_TEXT_BYTES]);

#endif
