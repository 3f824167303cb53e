/* models/sam2/file.h - a model from the files that people have. */
#ifndef MODELS_SAM2_FILE_H
#define MODELS_SAM2_FILE_H

#include "models/sam2/model.h"
#include "models/sam2/recognise.h"

/* Any checkpoint (format/checkpoint.h) with a config under the metadata key "roto.config", or of a
 * published model, which is recognised. Messages begin with the path. The model's memory is the
 * mapped file, which must not change while it is open. */
roto_status sam2_model_open(const char *path, sam2_model **out);

/* The config of a checkpoint: its own, or that of the published model that it is. */
roto_status sam2_config_of(const checkpoint *c, const sam2_tensors *tensors,
                           char config[SAM2_CONFIG_TEXT_BYTES]);

#endif
