#include "track/memory_window.h"

#include "base/memory.h"
#include "format/half.h"
#include "models/sam2/position.h"

#include <stdlib.h>
#include <string.h>

struct memory_window {
    const sam2_model *model;
    int64_t n_tokens, mem_dim;
    float *places;  /* [num_maskmem][n_tokens, mem_dim]: place and time of a spatial memory */
    float *ages;    /* [max_obj_ptrs][mem_dim]: time of a pointer, by frames ago */
    float *scratch; /* [d_model + mem_dim] */
};

/* A pointer's age in units of the longest list, as on a stream without an end, through the model's
 * projection. */
static void encode_age(const memory_window *w, int64_t age, float *scratch, float *out)
{
    const sam2_config *c = &w->model->config;
    const linear_weights *l = &w->model->obj_ptr_tpos_proj;
    position_time(scratch, (double)age / (double)(c->max_obj_ptrs - 1), c->d_model);
    for (int64_t i = 0; i < l->n; i++) {
        float sum = l->bias[i];
        for (int64_t j = 0; j < l->k; j++)
            sum += l->weight[i * l->k + j] * scratch[j];
        out[i] = sum;
    }
}

roto_status memory_window_new(const sam2_model *model, const sam2_size *size, memory_window **out)
{
    *out = NULL;
    memory_window *w = memory_new_array(1, sizeof(*w));
    if (!w)
        return ROTO_ERROR_MEMORY;
    const sam2_config *c = &model->config;
    w->model = model;
    w->n_tokens = sam2_memory_tokens(c, size);
    w->mem_dim = c->mem_dim;
    const int64_t floats = w->n_tokens * w->mem_dim;
    w->places = memory_new_array((size_t)(c->num_maskmem * floats), sizeof(float));
    w->ages = memory_new_array((size_t)(c->max_obj_ptrs * c->mem_dim), sizeof(float));
    w->scratch = memory_new_array((size_t)(c->d_model + c->mem_dim), sizeof(float));
    if (!w->places || !w->ages || !w->scratch) {
        memory_window_free(w);
        return ROTO_ERROR_MEMORY;
    }
    for (int32_t row = 0; row < c->num_maskmem; row++) {
        float *place = w->places + row * floats;
        sam2_memory_places(c, size, place);
        for (int64_t i = 0; i < floats; i++)
            place[i] += model->maskmem_tpos_enc[row * w->mem_dim + i % w->mem_dim];
    }
    for (int32_t age = 0; age < c->max_obj_ptrs; age++)
        encode_age(w, age, w->scratch, w->ages + age * c->mem_dim);
    *out = w;
    return ROTO_OK;
}

void memory_window_free(memory_window *w)
{
    if (!w)
        return;
    free(w->places);
    free(w->ages);
    free(w->scratch);
    free(w);
}

typedef struct cursor {
    float *memory, *keys, *valid;
} cursor;

static void put_nothing(cursor *at, int64_t n_tokens, int64_t mem_dim)
{
    memset(at->memory, 0, (size_t)(n_tokens * mem_dim) * sizeof(float));
    memset(at->keys, 0, (size_t)(n_tokens * mem_dim) * sizeof(float));
    memset(at->valid, 0, (size_t)n_tokens * sizeof(float));
    at->memory += n_tokens * mem_dim;
    at->keys += n_tokens * mem_dim;
    at->valid += n_tokens;
}

/* `row` of the temporal encodings: 0 for the last frame, num_maskmem - 1 for prompted ones. */
static void put_spatial(const memory_window *w, cursor *at, const void *memory, int32_t row)
{
    const int64_t n = w->n_tokens * w->mem_dim;
    const float *place = w->places + row * n;
    const uint16_t *halves = memory;
    if (w->model->config.memory_bf16)
        for (int64_t i = 0; i < n; i++)
            at->memory[i] = float_from_bf16(halves[i]);
    else
        memcpy(at->memory, memory, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
        at->keys[i] = at->memory[i] + place[i];
    for (int64_t i = 0; i < w->n_tokens; i++)
        at->valid[i] = 1;
    at->memory += n;
    at->keys += n;
    at->valid += w->n_tokens;
}

/* A pointer is wider than a memory and becomes several tokens of the same age. */
static void put_pointer(const memory_window *w, cursor *at, const float *pointer, const float *age)
{
    const int64_t n = w->model->config.d_model;
    for (int64_t i = 0; i < n; i++) {
        at->memory[i] = pointer[i];
        at->keys[i] = pointer[i] + age[i % w->mem_dim];
    }
    for (int64_t i = 0; i < n / w->mem_dim; i++)
        at->valid[i] = 1;
    at->memory += n;
    at->keys += n;
    at->valid += n / w->mem_dim;
}

void memory_window_write(const memory_window *w, const memory_view *view, int64_t frame,
                         int direction, int32_t n_conditioning, float *memory, float *keys,
                         float *valid)
{
    const sam2_config *c = &w->model->config;
    cursor at = {memory, keys, valid};
    for (int32_t i = 0; i < n_conditioning; i++) {
        if (i < view->n_conditioning)
            put_spatial(w, &at, view->conditioning[i]->memory, c->num_maskmem - 1);
        else
            put_nothing(&at, w->n_tokens, w->mem_dim);
    }
    for (int32_t back = c->num_maskmem - 1; back >= 1; back--) {
        if (view->recent[back - 1])
            put_spatial(w, &at, view->recent[back - 1]->memory, back - 1);
        else
            put_nothing(&at, w->n_tokens, w->mem_dim);
    }
    int64_t n_free = sam2_window_pointers(c, n_conditioning);
    for (int32_t i = 0; i < view->n_conditioning; i++) {
        const int64_t age = direction * (frame - view->conditioning[i]->frame);
        if (age < 0) /* pointers come from the past alone */
            continue;
        encode_age(w, age, w->scratch, w->scratch + c->d_model);
        put_pointer(w, &at, view->conditioning[i]->pointer, w->scratch + c->d_model);
        n_free--;
    }
    for (int32_t i = 0; i < view->n_pointers; i++, n_free--)
        put_pointer(w, &at, view->pointers[i].pointer,
                    w->ages + view->pointers[i].age * c->mem_dim);
    if (n_free > 0)
        put_nothing(&at, n_free * sam2_pointer_tokens(c), w->mem_dim);
}
