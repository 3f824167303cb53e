/* models/sam2/file.h - a model from a safetensors file with its config in the metadata. */
#ifndef MODELS_SAM2_FILE_H
#define MODELS_SAM2_FILE_H

#include "models/sam2/model.h"

/* Messages begin with the path. */
roto_status sam2_model_open(const char *path, sam2_model **out);

#endif
