#include "format/safetensors.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/atomic_file.h"

#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

static const char *const type_names[DTYPE_COUNT] = {
    [DTYPE_F32] = "F32", [DTYPE_BF16] = "BF16", [DTYPE_F16] = "F16", [DTYPE_I8] = "I8",
    [DTYPE_U8] = "U8",   [DTYPE_I32] = "I32",   [DTYPE_I64] = "I64",
};

static roto_status tensor_bytes(const safetensor *t, size_t *out)
{
    *out = 1;
    bool fits =
        (unsigned)t->type < DTYPE_COUNT && t->shape.rank >= 0 && t->shape.rank <= TENSOR_MAX_RANK;
    for (int i = 0; fits && i < t->shape.rank; i++)
        fits = t->shape.dim[i] >= 0 && size_mul(*out, (size_t)t->shape.dim[i], out);
    if (!fits || !size_mul(*out, dtype_bytes(t->type), out) || (*out && !t->data))
        return roto_fail(ROTO_ERROR_ARGUMENT, "tensor '%s' has a wrong type, shape or no data",
                         t->name ? t->name : "");
    return ROTO_OK;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static roto_status check_names(const safetensor *tensors, size_t n)
{
    const char **names = memory_new_array(n, sizeof(*names));
    if (!names)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_OK;
    for (size_t i = 0; i < n && status == ROTO_OK; i++) {
        names[i] = tensors[i].name;
        if (!names[i] || strcmp(names[i], "__metadata__") == 0)
            status = roto_fail(ROTO_ERROR_ARGUMENT, "tensor %zu has no usable name", i);
    }
    if (status == ROTO_OK && n)
        qsort(names, n, sizeof(*names), compare_texts);
    for (size_t i = 1; i < n && status == ROTO_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            status = roto_fail(ROTO_ERROR_ARGUMENT, "the tensor '%s' is there twice", names[i]);
    }
    free(names);
    return status;
}

/* What cJSON calls below return; false once memory has run out. */
static bool put_tensor(cJSON *header, const safetensor *t, size_t begin, size_t bytes)
{
    cJSON *entry = cJSON_AddObjectToObject(header, t->name);
    cJSON *shape = entry && cJSON_AddStringToObject(entry, "dtype", type_names[t->type])
                       ? cJSON_AddArrayToObject(entry, "shape")
                       : NULL;
    bool ok = shape != NULL;
    for (int i = 0; ok && i < t->shape.rank; i++)
        ok = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape.dim[i]));
    cJSON *offsets = ok ? cJSON_AddArrayToObject(entry, "data_offsets") : NULL;
    return offsets && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + bytes)));
}

static roto_status make_header(const safetensor *tensors, size_t n, const safetensors_note *notes,
                               size_t n_notes, char **out)
{
    cJSON *header = cJSON_CreateObject();
    cJSON *metadata = header && n_notes ? cJSON_AddObjectToObject(header, "__metadata__") : NULL;
    bool ok = header && (metadata || !n_notes);
    for (size_t i = 0; ok && i < n_notes; i++)
        ok = cJSON_AddStringToObject(metadata, notes[i].key, notes[i].value) != NULL;
    size_t at = 0;
    roto_status status = ROTO_OK;
    for (size_t i = 0; ok && status == ROTO_OK && i < n; i++) {
        size_t bytes = 0;
        status = tensor_bytes(&tensors[i], &bytes);
        ok = status != ROTO_OK || put_tensor(header, &tensors[i], at, bytes);
        if (!size_add(at, bytes, &at))
            status = roto_fail(ROTO_ERROR_ARGUMENT, "the tensors are too large for a file");
    }
    *out = ok && status == ROTO_OK ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    if (status != ROTO_OK)
        return status;
    return *out ? ROTO_OK : roto_fail(ROTO_ERROR_MEMORY, "out of memory");
}

static roto_status write_all(atomic_file *file, const char *header, const safetensor *tensors,
                             size_t n)
{
    static const char spaces[8] = "        ";
    const size_t length = strlen(header), padding = (8 - length % 8) % 8;
    uint8_t prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)((uint64_t)(length + padding) >> 8 * i);
    ROTO_TRY(atomic_file_write(file, prefix, sizeof(prefix)));
    ROTO_TRY(atomic_file_write(file, header, length));
    ROTO_TRY(atomic_file_write(file, spaces, padding));
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        ROTO_TRY(tensor_bytes(&tensors[i], &bytes));
        ROTO_TRY(atomic_file_write(file, tensors[i].data, bytes));
    }
    return ROTO_OK;
}

roto_status safetensors_write(const char *path, const safetensor *tensors, size_t n_tensors,
                              const safetensors_note *notes, size_t n_notes)
{
    char *header = NULL;
    atomic_file *file = NULL;
    ROTO_TRY(check_names(tensors, n_tensors));
    roto_status status = make_header(tensors, n_tensors, notes, n_notes, &header);
    if (status == ROTO_OK && strlen(header) + 8 > SAFETENSORS_MAX_HEADER_BYTES)
        status =
            roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: the header would have %zu bytes; at most %d",
                      path, strlen(header), SAFETENSORS_MAX_HEADER_BYTES);
    if (status == ROTO_OK)
        status = atomic_file_open(path, &file);
    if (status == ROTO_OK)
        status = write_all(file, header, tensors, n_tensors);
    cJSON_free(header);
    if (status == ROTO_OK)
        return atomic_file_commit(file);
    atomic_file_discard(file);
    return status;
}
