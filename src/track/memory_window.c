#include "track/memory_window.h"

#include "base/memory.h"
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

/* `row` of the temporal encodings: 0 for the last frame, num_maskmem - 1 for prompted ones. */
static float *put_place(const memory_window *w, int32_t row, float *to)
{
    const int64_t n = w->n_tokens * w->mem_dim;
    memcpy(to, w->places + row * n, (size_t)n * sizeof(float));
    return to + n;
}

void memory_window_places(const memory_window *w, int32_t n_conditioning, float *places)
{
    const int32_t last = w->model->config.num_maskmem - 1;
    for (int32_t i = 0; i < n_conditioning; i++)
        places = put_place(w, last, places);
    for (int32_t back = last; back >= 1; back--)
        places = put_place(w, back - 1, places);
}

int64_t memory_window_pointer_floats(const memory_window *w, int32_t n_conditioning)
{
    const sam2_config *c = &w->model->config;
    return sam2_window_pointers(c, n_conditioning) * sam2_pointer_tokens(c) * w->mem_dim;
}

typedef struct cursor {
    memory_place memory;
    float *valid, *positions;
    buffer_copy *copies;
    int32_t n_copies;
} cursor;

/* Tokens of a memory or a pointer, which is wider than a memory and becomes several tokens; from
 * NULL: none. */
static void put_tokens(cursor *at, const memory_place *from, int64_t n_tokens, int64_t mem_dim)
{
    const size_t n = (size_t)(n_tokens * mem_dim);
    if (from)
        at->copies[at->n_copies++] =
            (buffer_copy){at->memory.in, at->memory.at, from->in, from->at, n};
    for (int64_t i = 0; i < n_tokens; i++)
        at->valid[i] = from ? 1 : 0;
    at->memory.at += n;
    at->valid += n_tokens;
}

static void put_recent(const memory_window *w, cursor *at, const memory_slot *slot)
{
    float *valid = at->valid;
    put_tokens(at, slot ? &slot->memory : NULL, w->n_tokens, w->mem_dim);
    for (int64_t i = 0; slot && slot->pruned && i < w->n_tokens; i++)
        valid[i] = slot->cells[i];
}

static void put_pointer(const memory_window *w, cursor *at, const memory_place *pointer,
                        const float *age)
{
    const int64_t n_tokens = sam2_pointer_tokens(&w->model->config);
    put_tokens(at, pointer, n_tokens, w->mem_dim);
    for (int64_t i = 0; i < n_tokens; i++, at->positions += w->mem_dim)
        memcpy(at->positions, age, (size_t)w->mem_dim * sizeof(float));
}

int32_t memory_window_write(const memory_window *w, const memory_view *view, int64_t frame,
                            int direction, int32_t n_conditioning, memory_place memory,
                            float *valid, float *pointer_positions,
                            buffer_copy copies[MEMORY_WINDOW_MAX_COPIES])
{
    const sam2_config *c = &w->model->config;
    cursor at = {memory, valid, pointer_positions, copies, 0};
    for (int32_t i = 0; i < n_conditioning; i++)
        put_tokens(&at, i < view->n_conditioning ? &view->conditioning[i]->memory : NULL,
                   w->n_tokens, w->mem_dim);
    for (int32_t back = c->num_maskmem - 1; back >= 1; back--)
        put_recent(w, &at, view->recent[back - 1]);
    int64_t n_free = sam2_window_pointers(c, n_conditioning);
    for (int32_t i = 0; i < view->n_conditioning; i++) {
        const int64_t age = direction * (frame - view->conditioning[i]->frame);
        if (age < 0) /* pointers come from the past alone */
            continue;
        encode_age(w, age, w->scratch, w->scratch + c->d_model);
        put_pointer(w, &at, &view->conditioning[i]->pointer, w->scratch + c->d_model);
        n_free--;
    }
    for (int32_t i = 0; i < view->n_pointers; i++, n_free--)
        put_pointer(w, &at, &view->pointers[i].pointer,
                    w->ages + view->pointers[i].age * c->mem_dim);
    if (n_free > 0)
        put_tokens(&at, NULL, n_free * sam2_pointer_tokens(c), w->mem_dim);
    return at.n_copies;
}
