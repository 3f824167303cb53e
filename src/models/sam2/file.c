#include "models/sam2/file.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 1 << 16 };

static roto_status read_model(const safetensors *file, sam2_model **out)
{
    const char *config = safetensors_metadata(file, "roto.config");
    const size_t n = safetensors_count(file);
    if (!config)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "the metadata has no \"roto.config\", so that this is no model of roto's");
    if (n > MAX_TENSORS)
        return roto_fail(ROTO_ERROR_FORMAT, "%zu tensors; a model has at most %d", n, MAX_TENSORS);
    named_tensor *tensors = memory_new_array(n, sizeof(*tensors));
    if (!tensors)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_OK;
    for (size_t i = 0; i < n && status == ROTO_OK; i++) {
        const safetensor *t = safetensors_at(file, i);
        if (t->type == DTYPE_COUNT)
            status = roto_fail(ROTO_ERROR_UNSUPPORTED, "'%s' is %s instead of F32, F16 or BF16",
                               t->name, t->type_name);
        tensors[i] =
            (named_tensor){.name = t->name, .type = t->type, .shape = t->shape, .data = t->data};
    }
    if (status == ROTO_OK)
        status = sam2_model_new(config, (int64_t)strlen(config), tensors, (int)n, out);
    free(tensors);
    return status;
}

roto_status sam2_model_open(const char *path, sam2_model **out)
{
    *out = NULL;
    safetensors *file = NULL;
    ROTO_TRY(safetensors_open(path, &file));
    const roto_status status = read_model(file, out);
    safetensors_close(file);
    return status == ROTO_OK ? ROTO_OK : roto_fail_context(status, "%s", path);
}
