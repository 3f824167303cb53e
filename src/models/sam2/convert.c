#include "base/error.h"
#include "format/half.h"
#include "models/sam2/file.h"

#include <roto/model.h>

#include <string.h>

static bool is_matrix(const named_tensor *t)
{
    static const char ending[] = ".weight";
    const size_t n = strlen(t->name), k = sizeof(ending) - 1;
    /* Embeddings have one row and end alike. */
    return t->shape.rank >= 2 && t->shape.dim[0] > 1 && n >= k &&
           strcmp(t->name + n - k, ending) == 0 && !strstr(t->name, "mask_tokens");
}

static float read_element(const named_tensor *t, int64_t i)
{
    float value;
    uint16_t half;
    if (t->type == DTYPE_F32) {
        memcpy(&value, (const char *)t->data + i * 4, sizeof(value));
        return value;
    }
    memcpy(&half, (const char *)t->data + i * 2, sizeof(half));
    return t->type == DTYPE_F16 ? float_from_half(half) : float_from_bf16(half);
}

static roto_status change_type(const named_tensor *from, dtype type, memory_arena *arena,
                               safetensor *to)
{
    const int64_t n = shape_count(&from->shape);
    void *data = memory_arena_alloc(arena, (size_t)n * dtype_bytes(type));
    if (!data)
        return ROTO_ERROR_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        const float value = read_element(from, i);
        if (type == DTYPE_F32)
            ((float *)data)[i] = value;
        else
            ((uint16_t *)data)[i] =
                type == DTYPE_F16 ? half_from_float(value) : bf16_from_float(value);
        const bool fits = type == DTYPE_F16    ? isfinite(float_from_half(((uint16_t *)data)[i]))
                          : type == DTYPE_BF16 ? isfinite(float_from_bf16(((uint16_t *)data)[i]))
                                               : true;
        if (!fits)
            return roto_fail(ROTO_ERROR_UNSUPPORTED,
                             "tensor '%s' holds %g at element %lld, which %s cannot", from->name,
                             (double)value, (long long)i, dtype_name(type));
    }
    to->type = type;
    to->data = data;
    return ROTO_OK;
}

/* Refuses what is no whole model, with a list of what does not fit. */
static roto_status check_model(const sam2_tensors *tensors, const char *config)
{
    sam2_model *model = NULL;
    const roto_status status =
        sam2_model_new(config, (int64_t)strlen(config), tensors->items, tensors->n, &model);
    sam2_model_free(model);
    return status;
}

static roto_status write_converted(const checkpoint *c, const sam2_tensors *tensors,
                                   const char *path, dtype type)
{
    char config[SAM2_CONFIG_TEXT_BYTES];
    ROTO_TRY(sam2_config_of(c, tensors, config));
    ROTO_TRY(check_model(tensors, config));
    safetensor *out = memory_arena_alloc(tensors->arena, (size_t)tensors->n * sizeof(*out));
    if (!out)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i < tensors->n; i++) {
        const named_tensor *t = &tensors->items[i];
        out[i] = (safetensor){.name = t->name, .type = t->type, .shape = t->shape, .data = t->data};
        if (type != DTYPE_COUNT && type != t->type && is_matrix(t))
            ROTO_TRY(change_type(t, type, tensors->arena, &out[i]));
    }
    const safetensors_note note = {"roto.config", config};
    return safetensors_write(path, out, (size_t)tensors->n, &note, 1);
}

roto_status roto_model_convert(const char *in_path, const char *out_path, roto_weights_type type)
{
    static const dtype types[] = {[ROTO_WEIGHTS_AS_THEY_ARE] = DTYPE_COUNT,
                                  [ROTO_WEIGHTS_F32] = DTYPE_F32,
                                  [ROTO_WEIGHTS_F16] = DTYPE_F16,
                                  [ROTO_WEIGHTS_BF16] = DTYPE_BF16};
    if (!in_path || !out_path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "model: a path is NULL");
    if ((unsigned)type >= sizeof(types) / sizeof(types[0]))
        return roto_fail(ROTO_ERROR_ARGUMENT, "model: unknown type of weights %d", (int)type);
    checkpoint *c = NULL;
    sam2_tensors tensors = {0};
    ROTO_TRY(checkpoint_open(in_path, &c));
    roto_status status = sam2_tensors_read(c, &tensors);
    if (status == ROTO_OK)
        status = write_converted(c, &tensors, out_path, types[type]);
    sam2_tensors_free(&tensors);
    checkpoint_close(c);
    return status == ROTO_OK || status == ROTO_ERROR_IO ? status
                                                        : roto_fail_context(status, "%s", in_path);
}
