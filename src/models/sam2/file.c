#include "models/sam2/file.h"

#include "base/error.h"

#include <string.h>

roto_status sam2_config_of(const checkpoint *c, const sam2_tensors *tensors,
                           char config[SAM2_CONFIG_TEXT_BYTES])
{
    const char *own = checkpoint_metadata(c, "roto.config");
    if (!own)
        return sam2_recognise(tensors->items, tensors->n, config);
    if (strlen(own) >= SAM2_CONFIG_TEXT_BYTES)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: %zu bytes; at most %d are read",
                         strlen(own), SAM2_CONFIG_TEXT_BYTES - 1);
    strcpy(config, own);
    return ROTO_OK;
}

static roto_status read_model(const checkpoint *c, const sam2_tensors *tensors, sam2_model **out)
{
    char config[SAM2_CONFIG_TEXT_BYTES];
    ROTO_TRY(sam2_config_of(c, tensors, config));
    return sam2_model_new(config, (int64_t)strlen(config), tensors->items, tensors->n, out);
}

roto_status sam2_model_open(const char *path, sam2_model **out)
{
    *out = NULL;
    checkpoint *file = NULL;
    sam2_tensors tensors = {0};
    ROTO_TRY(checkpoint_open(path, &file));
    roto_status status = sam2_tensors_read(file, &tensors);
    if (status == ROTO_OK)
        status = read_model(file, &tensors, out);
    if (status != ROTO_OK) {
        sam2_tensors_free(&tensors);
        checkpoint_close(file);
        return roto_fail_context(status, "%s", path);
    }
    (*out)->file = file;
    (*out)->tensors = tensors;
    return ROTO_OK;
}
