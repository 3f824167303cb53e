#include "models/sam2/config.h"

#include "base/error.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 1 << 16, MAX_SIDE_PX = 1024, DEFAULT_MAX_HOLE_AREA = 8 };

typedef enum { TEXT, INT, FLOAT, BOOL } field_type;
typedef enum { OPTIONAL, REQUIRED } field_need;

typedef struct {
    const char *name;
    field_type type;
    field_need need;
    size_t offset;
    int count; /* of a list; 0 for a single value */
    double least, most;
} field;

#define AT(member) offsetof(sam2_config, member)

static const field fields[] = {
    {"name", TEXT, REQUIRED, AT(name), 0, 0, 0},
    {"image_size", INT, OPTIONAL, AT(image_size), 0, 64, MAX_SIDE_PX},
    {"image_pixels", INT, OPTIONAL, AT(image_pixels), 0, 64 * 64, MAX_SIDE_PX *MAX_SIDE_PX},
    {"image_multiple", INT, OPTIONAL, AT(image_multiple), 0, 32, 256},
    {"image_mean", FLOAT, REQUIRED, AT(image_mean), 3, 0, 1},
    {"image_std", FLOAT, REQUIRED, AT(image_std), 3, 0.01, 10},
    {"trunk", TEXT, REQUIRED, AT(trunk), 0, 0, 0},
    {"trunk_channels", INT, REQUIRED, AT(trunk_channels), SAM2_LEVELS, 1, 4096},
    {"trunk_blocks", INT, OPTIONAL, AT(trunk_blocks), SAM2_LEVELS, 1, 64},
    {"trunk_heads", INT, OPTIONAL, AT(trunk_heads), 0, 1, 64},
    {"trunk_windows", INT, OPTIONAL, AT(trunk_windows), SAM2_LEVELS, 1, 64},
    {"trunk_global_blocks", INT, OPTIONAL, AT(trunk_global_blocks), SAM2_GLOBAL_BLOCKS, 0, 255},
    {"trunk_pos_embed", INT, OPTIONAL, AT(trunk_pos_embed), 0, 1, 64},
    {"d_model", INT, REQUIRED, AT(d_model), 0, 32, 1024},
    {"memory_attention_layers", INT, REQUIRED, AT(memory_attention_layers), 0, 1, SAM2_MAX_LAYERS},
    {"memory_attention_heads", INT, REQUIRED, AT(memory_attention_heads), 0, 1, 1},
    {"memory_attention_ffn", INT, REQUIRED, AT(memory_attention_ffn), 0, 1, 8192},
    {"rope_theta", FLOAT, REQUIRED, AT(rope_theta), 0, 1, 1e7},
    {"mem_dim", INT, REQUIRED, AT(mem_dim), 0, 4, 1024},
    {"memory_mask_stride", INT, REQUIRED, AT(memory_mask_stride), 0, 1, 4},
    {"memory_fuser_layers", INT, REQUIRED, AT(memory_fuser_layers), 0, 1, SAM2_MAX_LAYERS},
    {"no_obj_embed_spatial", BOOL, OPTIONAL, AT(no_obj_embed_spatial), 0, 0, 1},
    {"perceiver_layers", INT, OPTIONAL, AT(perceiver_layers), 0, 0, SAM2_MAX_LAYERS},
    {"perceiver_latents", INT, OPTIONAL, AT(perceiver_latents), 0, 0, 4096},
    {"perceiver_latents_2d", INT, OPTIONAL, AT(perceiver_latents_2d), 0, 0, 4096},
    {"mask_sigmoid_scale", FLOAT, REQUIRED, AT(mask_sigmoid_scale), 0, -100, 100},
    {"mask_sigmoid_bias", FLOAT, REQUIRED, AT(mask_sigmoid_bias), 0, -100, 100},
    {"num_maskmem", INT, REQUIRED, AT(num_maskmem), 0, 2, 16},
    {"memory_temporal_stride", INT, REQUIRED, AT(memory_temporal_stride), 0, 1, 64},
    {"max_obj_ptrs", INT, REQUIRED, AT(max_obj_ptrs), 0, 2, 64},
    {"pointer_time", BOOL, OPTIONAL, AT(pointer_time), 0, 0, 1},
    {"memory_bf16", BOOL, OPTIONAL, AT(memory_bf16), 0, 0, 1},
    {"mask_in_channels", INT, REQUIRED, AT(mask_in_channels), 0, 4, 1024},
    {"decoder_layers", INT, REQUIRED, AT(decoder_layers), 0, 1, SAM2_MAX_LAYERS},
    {"decoder_heads", INT, REQUIRED, AT(decoder_heads), 0, 1, 64},
    {"decoder_mlp", INT, REQUIRED, AT(decoder_mlp), 0, 1, 8192},
    {"decoder_downsample", INT, REQUIRED, AT(decoder_downsample), 0, 1, 16},
    {"num_multimask", INT, REQUIRED, AT(num_multimask), 0, 3, 3},
    {"iou_head_layers", INT, REQUIRED, AT(iou_head_layers), 0, 2, 4},
    {"iou_head_hidden", INT, REQUIRED, AT(iou_head_hidden), 0, 1, 4096},
    {"stability_delta", FLOAT, REQUIRED, AT(stability_delta), 0, 0, 100},
    {"stability_threshold", FLOAT, REQUIRED, AT(stability_threshold), 0, 0, 1},
    {"max_hole_area", INT, OPTIONAL, AT(max_hole_area), 0, 0, 1 << 20},
};
enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]) };

static roto_status read_text(const field *f, const cJSON *item, sam2_config *out)
{
    if (!cJSON_IsString(item) || !item->valuestring[0] ||
        strlen(item->valuestring) >= SAM2_NAME_BYTES)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: '%s' has to be a text of 1 to %d bytes",
                         f->name, SAM2_NAME_BYTES - 1);
    strcpy((char *)out + f->offset, item->valuestring);
    return ROTO_OK;
}

static roto_status read_value(const field *f, const cJSON *item, int index, sam2_config *out)
{
    char *to = (char *)out + f->offset;
    if (f->type == BOOL) {
        if (!cJSON_IsBool(item))
            return roto_fail(ROTO_ERROR_FORMAT, "model config: '%s' has to be true or false",
                             f->name);
        *(bool *)to = cJSON_IsTrue(item);
        return ROTO_OK;
    }
    const double value = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
    const bool whole = f->type != INT || value == floor(value);
    if (!(value >= f->least && value <= f->most) || !whole)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: '%s' has to be %s in %g..%g", f->name,
                         f->type == INT ? "a whole number" : "a number", f->least, f->most);
    if (f->type == INT)
        ((int32_t *)to)[index] = (int32_t)value;
    else
        ((float *)to)[index] = (float)value;
    return ROTO_OK;
}

static roto_status read_field(const field *f, const cJSON *item, sam2_config *out)
{
    if (f->type == TEXT)
        return read_text(f, item, out);
    if (f->count == 0)
        return read_value(f, item, 0, out);
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != f->count)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: '%s' has to be a list of %d values",
                         f->name, f->count);
    for (int i = 0; i < f->count; i++)
        ROTO_TRY(read_value(f, cJSON_GetArrayItem(item, i), i, out));
    return ROTO_OK;
}

static roto_status read_fields(const cJSON *root, sam2_config *out)
{
    bool seen[N_FIELDS] = {false}, seen_family = false;
    if (!cJSON_IsObject(root))
        return roto_fail(ROTO_ERROR_FORMAT, "model config: it has to be a JSON object");
    for (const cJSON *item = root->child; item; item = item->next) {
        if (strcmp(item->string, "family") == 0) {
            if (seen_family || !cJSON_IsString(item) || strcmp(item->valuestring, "sam2") != 0)
                return roto_fail(ROTO_ERROR_UNSUPPORTED,
                                 "model config: 'family' has to be \"sam2\", once");
            seen_family = true;
            continue;
        }
        int i = 0;
        while (i < N_FIELDS && strcmp(fields[i].name, item->string) != 0)
            i++;
        if (i == N_FIELDS)
            return roto_fail(ROTO_ERROR_FORMAT, "model config: unknown field '%.64s'",
                             item->string);
        if (seen[i])
            return roto_fail(ROTO_ERROR_FORMAT, "model config: '%s' is there twice",
                             fields[i].name);
        seen[i] = true;
        ROTO_TRY(read_field(&fields[i], item, out));
    }
    if (!seen_family)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: 'family' is missing");
    for (int i = 0; i < N_FIELDS; i++) {
        if (fields[i].need == REQUIRED && !seen[i])
            return roto_fail(ROTO_ERROR_FORMAT, "model config: '%s' is missing", fields[i].name);
    }
    return ROTO_OK;
}

/* Each 2-D latent has a window of its own, of whole cells. */
static roto_status check_perceiver(const sam2_config *c)
{
    if (c->perceiver_layers == 0)
        return ROTO_OK;
    const int32_t side = sam2_perceiver_side(c);
    if (c->perceiver_latents < 1 || side < 1 || side * side != c->perceiver_latents_2d)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'perceiver_latents' %d has to be 1 or more and "
                         "'perceiver_latents_2d' %d a square",
                         c->perceiver_latents, c->perceiver_latents_2d);
    if (c->image_size == 0 || c->image_size / SAM2_STRIDE % side)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'image_size' %d has to be there and a multiple of %d, so "
                         "that the perceiver's windows have whole cells",
                         c->image_size, side * SAM2_STRIDE);
    return ROTO_OK;
}

/* What the fields have to be to each other. */
static roto_status check_together(const sam2_config *c)
{
    const bool square = c->image_size != 0, shaped = c->image_pixels != 0 && c->image_multiple != 0;
    if (square == shaped || (c->image_pixels != 0) != (c->image_multiple != 0))
        return roto_fail(ROTO_ERROR_FORMAT, "model config: either 'image_size' or both of "
                                            "'image_pixels' and 'image_multiple'");
    if (c->image_size % 32 || c->image_multiple % 32)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: 'image_size' and 'image_multiple' have "
                                            "to be multiples of 32, the trunk's last stride");
    if (c->memory_mask_stride != 1 && c->memory_mask_stride != SAM2_MASK_STRIDE)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'memory_mask_stride' is %d and has to "
                         "be 1 or 4",
                         c->memory_mask_stride);
    if (c->d_model % 32)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'd_model' is %d and has to be a multiple "
                         "of 32",
                         c->d_model);
    if (c->mem_dim % 4 || c->d_model % c->mem_dim)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'mem_dim' is %d and has to divide "
                         "'d_model' %d and be a multiple of 4",
                         c->mem_dim, c->d_model);
    ROTO_TRY(check_perceiver(c));
    if (c->d_model % c->decoder_downsample || c->d_model / c->decoder_downsample % c->decoder_heads)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'd_model' %d over 'decoder_downsample' "
                         "%d has to be a multiple of 'decoder_heads' %d",
                         c->d_model, c->decoder_downsample, c->decoder_heads);
    if (c->mask_in_channels % 4)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'mask_in_channels' has to be a multiple of 4");
    return ROTO_OK;
}

roto_status sam2_config_parse(const char *text, int64_t text_bytes, sam2_config *out)
{
    *out = (sam2_config){
        .max_hole_area = DEFAULT_MAX_HOLE_AREA, .no_obj_embed_spatial = true, .pointer_time = true};
    if (text_bytes < 0 || text_bytes > MAX_TEXT_BYTES)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: %lld bytes; at most %d are read",
                         (long long)text_bytes, MAX_TEXT_BYTES);
    cJSON *root = cJSON_ParseWithLength(text, (size_t)text_bytes);
    if (!root)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: it is not JSON");
    roto_status status = read_fields(root, out);
    cJSON_Delete(root);
    if (status == ROTO_OK)
        status = check_together(out);
    return status;
}

/* The side that gives the wanted number of pixels at the frame's shape, to the nearest multiple. */
static int32_t fitted_side(const sam2_config *c, int32_t side, double scale)
{
    double steps = floor((double)side * scale / (double)c->image_multiple + 0.5);
    const double most = floor((double)MAX_SIDE_PX / (double)c->image_multiple);
    steps = steps < 1 ? 1 : steps > most ? most : steps;
    return (int32_t)steps * c->image_multiple;
}

sam2_size sam2_size_for(const sam2_config *c, int32_t frame_w, int32_t frame_h)
{
    sam2_size size = {.image_w = c->image_size, .image_h = c->image_size};
    if (c->image_size == 0) {
        const double scale = sqrt((double)c->image_pixels / ((double)frame_w * (double)frame_h));
        size.image_w = fitted_side(c, frame_w, scale);
        size.image_h = fitted_side(c, frame_h, scale);
    }
    size.w = size.image_w / SAM2_STRIDE;
    size.h = size.image_h / SAM2_STRIDE;
    size.mask_w = size.image_w / SAM2_MASK_STRIDE;
    size.mask_h = size.image_h / SAM2_MASK_STRIDE;
    return size;
}

int64_t sam2_memory_tokens(const sam2_config *c, const sam2_size *size)
{
    return c->perceiver_layers ? c->perceiver_latents + c->perceiver_latents_2d
                               : (int64_t)size->w * size->h;
}

int32_t sam2_perceiver_side(const sam2_config *c)
{
    return (int32_t)lround(sqrt((double)c->perceiver_latents_2d));
}

int32_t sam2_pointer_tokens(const sam2_config *c)
{
    return c->d_model / c->mem_dim;
}
