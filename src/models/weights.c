#include "models/weights.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256, REPORT_BYTES = 900, REPORT_MAX_NAMES = 12 };

struct weights {
    memory_arena *arena;
    const named_tensor **by_name; /* sorted */
    bool *taken;                  /* parallel to by_name */
    int n;
    int64_t n_parameters;
    int n_problems;
    bool out_of_memory;
    char report[REPORT_BYTES];
};

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const named_tensor *const *)a)->name, (*(const named_tensor *const *)b)->name);
}

roto_status weights_new(const named_tensor *tensors, int n_tensors, weights **out)
{
    *out = NULL;
    roto_status status = ROTO_ERROR_MEMORY;
    weights *w = memory_new_array(1, sizeof(*w));
    if (!w)
        return status;
    w->arena = memory_arena_new();
    w->by_name = memory_new_array((size_t)n_tensors, sizeof(*w->by_name));
    w->taken = memory_new_array((size_t)n_tensors, sizeof(*w->taken));
    if (!w->arena || !w->by_name || !w->taken)
        goto fail;
    w->n = n_tensors;
    for (int i = 0; i < n_tensors; i++)
        w->by_name[i] = &tensors[i];
    qsort(w->by_name, (size_t)n_tensors, sizeof(*w->by_name), compare_names);
    for (int i = 1; i < n_tensors; i++) {
        if (compare_names(&w->by_name[i - 1], &w->by_name[i]) == 0) {
            status =
                roto_fail(ROTO_ERROR_FORMAT, "the tensor '%s' is there twice", w->by_name[i]->name);
            goto fail;
        }
    }
    *out = w;
    return ROTO_OK;
fail:
    weights_free(w);
    return status;
}

void weights_free(weights *w)
{
    if (!w)
        return;
    memory_arena_free(w->arena);
    free(w->by_name);
    free(w->taken);
    free(w);
}

static void note_problem(weights *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void note_problem(weights *w, const char *fmt, ...)
{
    size_t used = strlen(w->report);
    if (w->n_problems++ >= REPORT_MAX_NAMES || used + 1 >= sizeof(w->report))
        return;
    used += (size_t)snprintf(w->report + used, sizeof(w->report) - used, "%s", used ? "; " : "");
    if (used + 1 >= sizeof(w->report))
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->report + used, sizeof(w->report) - used, fmt, args);
    va_end(args);
}

static int find(const weights *w, const char *prefix, const char *name, char full[NAME_BYTES])
{
    snprintf(full, NAME_BYTES, "%s%s%s", prefix, *prefix ? "." : "", name);
    const named_tensor wanted = {.name = full};
    const named_tensor *key = &wanted;
    const named_tensor **found =
        bsearch(&key, w->by_name, (size_t)w->n, sizeof(*w->by_name), compare_names);
    return found ? (int)(found - w->by_name) : -1;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* IEEE 754 binary16: 5 exponent bits with bias 15, 10 fraction bits. */
static float from_f16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu,
                   fraction = half & 0x3ffu;
    if (exponent == 0x1f)
        return from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24, exact in f32 */
        const float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

static float element(const named_tensor *t, int64_t i)
{
    if (t->type == DTYPE_F32) {
        float value;
        memcpy(&value, (const char *)t->data + i * 4, sizeof(value));
        return value;
    }
    uint16_t half;
    memcpy(&half, (const char *)t->data + i * 2, sizeof(half));
    return t->type == DTYPE_F16 ? from_f16(half) : from_bits((uint32_t)half << 16);
}

/* Where element (a, b, y, x) of a published convolution weight goes. */
static int64_t place(weight_layout layout, const tensor_shape *s, int64_t i)
{
    if (layout == WEIGHT_AS_IS)
        return i;
    const int64_t x = i % s->dim[3], y = i / s->dim[3] % s->dim[2],
                  b = i / s->dim[3] / s->dim[2] % s->dim[1],
                  a = i / s->dim[3] / s->dim[2] / s->dim[1];
    const bool transpose = layout == WEIGHT_CONV_TRANSPOSE;
    const int64_t out = transpose ? b : a, in = transpose ? a : b,
                  n_in = transpose ? s->dim[0] : s->dim[1];
    return ((out * s->dim[2] + y) * s->dim[3] + x) * n_in + in;
}

float *weights_derive(weights *w, int64_t count)
{
    float *values = memory_arena_alloc(w->arena, (size_t)count * sizeof(float));
    w->out_of_memory = w->out_of_memory || !values;
    return values;
}

const float *weights_get(weights *w, const char *prefix, const char *name, weight_layout layout,
                         tensor_shape shape)
{
    float *values = weights_derive(w, shape_count(&shape));
    if (!values)
        return NULL;
    char full[NAME_BYTES], found_text[SHAPE_TEXT_BYTES], wanted_text[SHAPE_TEXT_BYTES];
    const int index = find(w, prefix, name, full);
    if (index < 0) {
        note_problem(w, "'%s' %s is missing", full, shape_text(&shape, wanted_text));
        return values;
    }
    const named_tensor *t = w->by_name[index];
    w->taken[index] = true;
    if (!shape_equal(&t->shape, &shape)) {
        note_problem(w, "'%s' has shape %s instead of %s", full, shape_text(&t->shape, found_text),
                     shape_text(&shape, wanted_text));
        return values;
    }
    if (t->type != DTYPE_F32 && t->type != DTYPE_F16 && t->type != DTYPE_BF16) {
        note_problem(w, "'%s' is %s instead of f32, f16 or bf16", full, dtype_name(t->type));
        return values;
    }
    const int64_t n = shape_count(&shape);
    for (int64_t i = 0; i < n; i++) {
        const float value = element(t, i);
        if (!isfinite(value)) {
            note_problem(w, "'%s' holds a NaN or an infinity at element %lld", full, (long long)i);
            return values;
        }
        values[place(layout, &shape, i)] = value;
    }
    w->n_parameters += n;
    return values;
}

roto_status weights_check(weights *w)
{
    for (int i = 0; i < w->n; i++) {
        if (!w->taken[i])
            note_problem(w, "'%s' is not part of this model", w->by_name[i]->name);
    }
    w->n = 0;
    if (w->out_of_memory)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for the weights");
    if (w->n_problems > REPORT_MAX_NAMES)
        return roto_fail(ROTO_ERROR_FORMAT, "%d tensors do not fit: %s; and %d more", w->n_problems,
                         w->report, w->n_problems - REPORT_MAX_NAMES);
    if (w->n_problems > 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%d tensor%s fit: %s", w->n_problems,
                         w->n_problems == 1 ? " does not" : "s do not", w->report);
    return ROTO_OK;
}

int64_t weights_n_parameters(const weights *w)
{
    return w->n_parameters;
}
