#include "models/sam2/tensors.h"

#include "base/error.h"
#include "models/sam2/published_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 1 << 16, N_POINT_EMBEDDINGS = 4 };

static const char point_embed[] = "prompt_encoder.point_embed.weight",
                  positions[] = "prompt_encoder.shared_embedding.positional_embedding",
                  same_positions[] = "shared_image_embedding.positional_embedding",
                  key_projection[] = ".k_proj.weight", value_projection[] = ".v_proj.weight";

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

static bool is_hugging_face(const checkpoint *c)
{
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        if (starts_with(checkpoint_at(c, i)->name, "vision_encoder."))
            return true;
    }
    return false;
}

static roto_status put(sam2_tensors *to, const char *name, const safetensor *t)
{
    const char *copy = memory_arena_string(to->arena, name);
    if (!copy)
        return ROTO_ERROR_MEMORY;
    to->items[to->n++] =
        (named_tensor){.name = copy, .type = t->type, .shape = t->shape, .data = t->data};
    return ROTO_OK;
}

/* ---- Hugging Face's layouts -------------------------------------------------------------------
 */

/* [4, d] to four of [1, d]. */
static roto_status put_points(sam2_tensors *to, const safetensor *t)
{
    if (t->shape.rank != 2 || t->shape.dim[0] != N_POINT_EMBEDDINGS)
        return put(to, t->name, t);
    safetensor row = *t;
    row.shape.dim[0] = 1;
    for (int i = 0; i < N_POINT_EMBEDDINGS; i++) {
        char name[SAM2_TENSOR_NAME_BYTES];
        snprintf(name, sizeof(name), "sam_prompt_encoder.point_embeddings.%d.weight", i);
        row.data = (const char *)t->data + (size_t)i * t->bytes / N_POINT_EMBEDDINGS;
        ROTO_TRY(put(to, name, &row));
    }
    return ROTO_OK;
}

/* The perceiver's projections to keys and values come together; NULL when the other is missing. */
static const safetensor *find_partner(const checkpoint *c, const safetensor *t, const char *ending,
                                      const char *other)
{
    char name[SAM2_TENSOR_NAME_BYTES];
    const size_t stem = strlen(t->name) - strlen(ending);
    if (stem + strlen(other) >= sizeof(name))
        return NULL;
    memcpy(name, t->name, stem);
    strcpy(name + stem, other);
    const safetensor *found = checkpoint_find(c, name);
    const bool alike = found && found->type == t->type && t->shape.rank == 2 &&
                       shape_equal(&found->shape, &t->shape);
    return alike ? found : NULL;
}

/* Rows of keys, then rows of values. */
static roto_status put_joined(sam2_tensors *to, const safetensor *keys, const safetensor *values)
{
    static const char end_of_cross[] = ".cross_attention.k_proj.weight",
                      end_of_self[] = ".self_attention.k_proj.weight";
    const bool cross = ends_with(keys->name, end_of_cross);
    const int stem = (int)(strlen(keys->name) - strlen(cross ? end_of_cross : end_of_self));
    char name[SAM2_TENSOR_NAME_BYTES];
    snprintf(name, sizeof(name), "%.*s.%s.to_kv.weight", stem, keys->name,
             cross ? "attn" : "self_attn");
    char *data = memory_arena_alloc(to->arena, keys->bytes + values->bytes);
    if (!data)
        return ROTO_ERROR_MEMORY;
    memcpy(data, keys->data, keys->bytes);
    memcpy(data + keys->bytes, values->data, values->bytes);
    safetensor joined = *keys;
    joined.shape.dim[0] *= 2;
    joined.data = data;
    return put(to, name, &joined);
}

static roto_status put_hugging_face(sam2_tensors *to, const checkpoint *c, const safetensor *t)
{
    char official[SAM2_TENSOR_NAME_BYTES];
    if (strcmp(t->name, point_embed) == 0)
        return put_points(to, t);
    if (strcmp(t->name, same_positions) == 0)
        return checkpoint_find(c, positions)
                   ? ROTO_OK
                   : put(to, sam2_official_name(positions, official) ? official : t->name, t);
    if (starts_with(t->name, "spatial_perceiver.layers.")) {
        const bool keys = ends_with(t->name, "_attention.k_proj.weight"),
                   values = ends_with(t->name, "_attention.v_proj.weight");
        const safetensor *partner = keys     ? find_partner(c, t, key_projection, value_projection)
                                    : values ? find_partner(c, t, value_projection, key_projection)
                                             : NULL;
        if (partner)
            return keys ? put_joined(to, t, partner) : ROTO_OK;
    }
    return put(to, sam2_official_name(t->name, official) ? official : t->name, t);
}

/* ---- all --------------------------------------------------------------------------------------
 */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const named_tensor *)a)->name, ((const named_tensor *)b)->name);
}

static roto_status read_all(const checkpoint *c, sam2_tensors *out)
{
    const bool hugging_face = is_hugging_face(c);
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const safetensor *t = checkpoint_at(c, i);
        if (ends_with(t->name, ".num_batches_tracked"))
            continue;
        if (t->type == DTYPE_COUNT)
            return roto_fail(ROTO_ERROR_UNSUPPORTED, "'%s' is %s instead of F32, F16 or BF16",
                             t->name, t->type_name);
        ROTO_TRY(hugging_face ? put_hugging_face(out, c, t) : put(out, t->name, t));
    }
    return ROTO_OK;
}

roto_status sam2_tensors_read(const checkpoint *c, sam2_tensors *out)
{
    *out = (sam2_tensors){0};
    const size_t n = checkpoint_count(c);
    if (n > MAX_TENSORS)
        return roto_fail(ROTO_ERROR_FORMAT, "%zu tensors; a model has at most %d", n, MAX_TENSORS);
    out->arena = memory_arena_new();
    if (!out->arena)
        return ROTO_ERROR_MEMORY;
    out->items = memory_arena_alloc(out->arena, (n + N_POINT_EMBEDDINGS) * sizeof(*out->items));
    const roto_status status = out->items ? read_all(c, out) : ROTO_ERROR_MEMORY;
    if (status != ROTO_OK)
        sam2_tensors_free(out);
    else if (out->n)
        qsort(out->items, (size_t)out->n, sizeof(*out->items), compare_names);
    return status;
}

void sam2_tensors_free(sam2_tensors *tensors)
{
    memory_arena_free(tensors->arena);
    *tensors = (sam2_tensors){0};
}
