#include "models/weights.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/half.h"

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

static float element(const named_tensor *t, int64_t i)
{
    if (t->type == DTYPE_F32) {
        float value;
        memcpy(&value, (const char *)t->data + i * 4, sizeof(value));
        return value;
    }
    uint16_t half;
    memcpy(&half, (const char *)t->data + i * 2, sizeof(half));
    return t->type == DTYPE_F16 ? float_from_half(half) : float_from_bf16(half);
}

static void copy_values(const named_tensor *t, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = element(t, i);
}

/* [out, in, kh * kw] to [out, kh * kw, in], or with `transpose` from [in, out, kh * kw]. */
static void copy_convolution(const named_tensor *t, bool transpose, float *out)
{
    const tensor_shape *s = &t->shape;
    const int64_t n_out = s->dim[transpose ? 1 : 0], n_in = s->dim[transpose ? 0 : 1],
                  cells = s->dim[2] * s->dim[3], out_step = transpose ? cells : n_in * cells,
                  in_step = transpose ? n_out * cells : cells;
    for (int64_t o = 0; o < n_out; o++) {
        for (int64_t cell = 0; cell < cells; cell++) {
            for (int64_t i = 0; i < n_in; i++)
                *out++ = element(t, o * out_step + i * in_step + cell);
        }
    }
}

/* An exponent of ones is what infinities and NaNs have in common. */
static bool all_finite(const float *values, int64_t n)
{
    const uint32_t exponent = 0x7f800000u;
    uint32_t bad = 0; /* without an exit the loop can be vectorised */
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

float *weights_derive(weights *w, int64_t count)
{
    float *values = memory_arena_alloc(w->arena, (size_t)count * sizeof(float));
    w->out_of_memory = w->out_of_memory || !values;
    return values;
}

/* True when the file's bytes serve as they are. */
static bool is_ready(const named_tensor *t, weight_layout layout)
{
    const tensor_shape *s = &t->shape;
    const bool same_order = layout == WEIGHT_AS_IS || (layout == WEIGHT_CONV && s->dim[1] == 1) ||
                            (layout == WEIGHT_CONV && s->dim[2] * s->dim[3] == 1);
    return same_order && t->type == DTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0;
}

static const float *convert(weights *w, const named_tensor *t, weight_layout layout)
{
    if (is_ready(t, layout))
        return t->data;
    float *values = weights_derive(w, shape_count(&t->shape));
    if (values && layout == WEIGHT_AS_IS)
        copy_values(t, shape_count(&t->shape), values);
    else if (values)
        copy_convolution(t, layout == WEIGHT_CONV_TRANSPOSE, values);
    return values;
}

const float *weights_get(weights *w, const char *prefix, const char *name, weight_layout layout,
                         tensor_shape shape)
{
    char full[NAME_BYTES], found_text[SHAPE_TEXT_BYTES], wanted_text[SHAPE_TEXT_BYTES];
    const int index = find(w, prefix, name, full);
    const int64_t n = shape_count(&shape);
    if (index < 0) {
        note_problem(w, "'%s' %s is missing", full, shape_text(&shape, wanted_text));
        return weights_derive(w, n);
    }
    const named_tensor *t = w->by_name[index];
    w->taken[index] = true;
    if (!shape_equal(&t->shape, &shape)) {
        note_problem(w, "'%s' has shape %s instead of %s", full, shape_text(&t->shape, found_text),
                     shape_text(&shape, wanted_text));
        return weights_derive(w, n);
    }
    if (t->type != DTYPE_F32 && t->type != DTYPE_F16 && t->type != DTYPE_BF16) {
        note_problem(w, "'%s' is %s instead of f32, f16 or bf16", full, dtype_name(t->type));
        return weights_derive(w, n);
    }
    const float *values = convert(w, t, layout);
    if (values && !all_finite(values, n)) {
        int64_t bad = 0;
        while (isfinite(element(t, bad)))
            bad++;
        note_problem(w, "'%s' holds a NaN or an infinity at element %lld", full, (long long)bad);
        return weights_derive(w, n);
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
