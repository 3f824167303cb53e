#include "format/safetensors.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"
#include "format/half.h"
#include "format/safetensors_types.h"

#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

enum { LENGTH_BYTES = 8 };
static const char metadata_name[] = "__metadata__";

struct safetensors {
    file_bytes file; /* empty when the bytes are the caller's */
    const char *name;
    const uint8_t *data; /* behind the header */
    size_t data_bytes;
    cJSON *header; /* owns names and metadata */
    safetensor *tensors;
    size_t n;
    char path[];
};

const safetensors_type *safetensors_type_find(const char *name)
{
    static const safetensors_type types[] = {
        {"BF16", 2, DTYPE_BF16},     {"BOOL", 1, DTYPE_COUNT}, {"F16", 2, DTYPE_F16},
        {"F32", 4, DTYPE_F32},       {"F64", 8, DTYPE_COUNT},  {"F8_E4M3", 1, DTYPE_COUNT},
        {"F8_E5M2", 1, DTYPE_COUNT}, {"I16", 2, DTYPE_COUNT},  {"I32", 4, DTYPE_I32},
        {"I64", 8, DTYPE_I64},       {"I8", 1, DTYPE_I8},      {"U16", 2, DTYPE_COUNT},
        {"U32", 4, DTYPE_COUNT},     {"U64", 8, DTYPE_COUNT},  {"U8", 1, DTYPE_U8},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    }
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

#define REFUSE(file, fmt, ...) roto_fail(ROTO_ERROR_FORMAT, "%s: " fmt, (file)->name, ##__VA_ARGS__)

static roto_status find_header(safetensors *f, const uint8_t *bytes, size_t n_bytes,
                               size_t *header_bytes)
{
    uint64_t length = 0;
    if (n_bytes < LENGTH_BYTES)
        return REFUSE(f, "%zu bytes are no safetensors file", n_bytes);
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > n_bytes - LENGTH_BYTES)
        return REFUSE(f,
                      "not a safetensors file, or cut off: its header would have %llu bytes, %zu "
                      "follow",
                      (unsigned long long)length, n_bytes - LENGTH_BYTES);
    if (length > SAFETENSORS_MAX_HEADER_BYTES)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: a header of %llu bytes; at most %d", f->name,
                         (unsigned long long)length, SAFETENSORS_MAX_HEADER_BYTES);
    if (length == 0 || bytes[LENGTH_BYTES] != '{')
        return REFUSE(f, "not a safetensors file: its header does not start with {");
    *header_bytes = (size_t)length;
    f->data = bytes + LENGTH_BYTES + length;
    f->data_bytes = n_bytes - LENGTH_BYTES - (size_t)length;
    return ROTO_OK;
}

/* A whole number in 0..limit. JSON's numbers are doubles, exact up to 2^53. */
static bool read_count(const cJSON *item, double limit, int64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= limit))
        return false;
    *out = (int64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static roto_status read_shape(const safetensors *f, const cJSON *list, safetensor *t,
                              size_t *n_elements)
{
    if (!cJSON_IsArray(list))
        return REFUSE(f, "tensor '%s' has no list named shape", t->name);
    *n_elements = 1;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (t->shape.rank == TENSOR_MAX_RANK)
            return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: tensor '%s' has more than %d dimensions",
                             f->name, t->name, TENSOR_MAX_RANK);
        int64_t *dim = &t->shape.dim[t->shape.rank++];
        if (!read_count(item, (double)SHAPE_MAX_ELEMENTS, dim) ||
            !size_mul(*n_elements, (size_t)*dim, n_elements))
            return REFUSE(f, "dimension %d of tensor '%s' is no sensible number", t->shape.rank - 1,
                          t->name);
    }
    return ROTO_OK;
}

static roto_status read_tensor(safetensors *f, const cJSON *item, safetensor *t)
{
    t->name = item->string;
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(item, "dtype"),
                *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsString(type))
        return REFUSE(f, "tensor '%s' has no dtype", t->name);
    const safetensors_type *known = safetensors_type_find(type->valuestring);
    if (!known)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: tensor '%s' has the unknown type '%.32s'",
                         f->name, t->name, type->valuestring);
    t->type_name = known->name;
    t->type = known->type;
    size_t n = 0, need = 0;
    int64_t begin, end;
    ROTO_TRY(read_shape(f, cJSON_GetObjectItemCaseSensitive(item, "shape"), t, &n));
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !read_count(offsets->child, (double)f->data_bytes, &begin) ||
        !read_count(offsets->child->next, (double)f->data_bytes, &end) || begin > end)
        return REFUSE(f, "the data_offsets of tensor '%s' are not two rising places in %zu bytes",
                      t->name, f->data_bytes);
    if (!size_mul(n, known->bytes, &need) || need != (size_t)(end - begin))
        return REFUSE(f, "tensor '%s' has %lld bytes; its shape and type need %zu", t->name,
                      (long long)(end - begin), need);
    t->data = f->data + begin;
    t->bytes = need;
    return ROTO_OK;
}

static int compare_places(const void *a, const void *b)
{
    const safetensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const safetensor *)a)->name, ((const safetensor *)b)->name);
}

/* The tensors have to fill the data from its first byte to its last. */
static roto_status check_places(safetensors *f)
{
    qsort(f->tensors, f->n, sizeof(*f->tensors), compare_places);
    const uint8_t *at = f->data;
    for (size_t i = 0; i < f->n; i++) {
        const safetensor *t = &f->tensors[i];
        if ((const uint8_t *)t->data != at)
            return REFUSE(f, "tensor '%s' %s", t->name,
                          (const uint8_t *)t->data < at ? "overlaps another one"
                                                        : "leaves a gap in front of it");
        at += t->bytes;
    }
    if (at != f->data + f->data_bytes)
        return REFUSE(f, "%zu bytes behind the last tensor belong to none",
                      (size_t)(f->data + f->data_bytes - at));
    return ROTO_OK;
}

static roto_status check_metadata(const safetensors *f, const cJSON *metadata)
{
    if (!cJSON_IsObject(metadata))
        return REFUSE(f, "its metadata is no JSON object");
    for (const cJSON *item = metadata->child; item; item = item->next) {
        if (!cJSON_IsString(item))
            return REFUSE(f, "the metadata '%s' is no text", item->string);
    }
    return ROTO_OK;
}

static roto_status parse_header(safetensors *f, const char *text, size_t bytes)
{
    const char *end = NULL;
    f->header = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    if (!f->header || !cJSON_IsObject(f->header))
        return REFUSE(f, "its header is not valid JSON at byte %td", end ? end - text : 0);
    for (; end < text + bytes; end++) {
        if (*end != ' ' && *end != 0)
            return REFUSE(f, "its header goes on after the JSON object");
    }
    size_t n = 0;
    for (const cJSON *item = f->header->child; item; item = item->next)
        n++;
    f->tensors = memory_new_array(n, sizeof(*f->tensors));
    if (!f->tensors)
        return ROTO_ERROR_MEMORY;
    bool has_metadata = false;
    for (const cJSON *item = f->header->child; item; item = item->next) {
        if (strcmp(item->string, metadata_name) == 0) {
            if (has_metadata)
                return REFUSE(f, "its metadata is there twice");
            has_metadata = true;
            ROTO_TRY(check_metadata(f, item));
        } else if (!cJSON_IsObject(item)) {
            return REFUSE(f, "the entry '%s' is no JSON object", item->string);
        } else {
            ROTO_TRY(read_tensor(f, item, &f->tensors[f->n++]));
        }
    }
    if (f->n)
        ROTO_TRY(check_places(f));
    else if (f->data_bytes)
        return REFUSE(f, "it has %zu bytes of data and no tensor", f->data_bytes);
    qsort(f->tensors, f->n, sizeof(*f->tensors), compare_names);
    for (size_t i = 1; i < f->n; i++) {
        if (strcmp(f->tensors[i - 1].name, f->tensors[i].name) == 0)
            return REFUSE(f, "the tensor '%s' is there twice", f->tensors[i].name);
    }
    return ROTO_OK;
}

static roto_status new_with_name(const char *name, safetensors **out)
{
    const size_t length = strlen(name);
    safetensors *f = memory_new_array(1, sizeof(*f) + length + 1);
    if (!f)
        return ROTO_ERROR_MEMORY;
    memcpy(f->path, name, length);
    f->name = f->path;
    *out = f;
    return ROTO_OK;
}

static roto_status open_parsed(safetensors *f, const void *data, size_t bytes, safetensors **out)
{
    size_t header_bytes = 0;
    roto_status status = find_header(f, data, bytes, &header_bytes);
    if (status == ROTO_OK)
        status = parse_header(f, (const char *)data + LENGTH_BYTES, header_bytes);
    if (status != ROTO_OK) {
        safetensors_close(f);
        return status;
    }
    *out = f;
    return ROTO_OK;
}

roto_status safetensors_open_bytes(const void *data, size_t bytes, const char *name,
                                   safetensors **out)
{
    *out = NULL;
    safetensors *f;
    ROTO_TRY(new_with_name(name, &f));
    return open_parsed(f, data, bytes, out);
}

roto_status safetensors_open(const char *path, safetensors **out)
{
    *out = NULL;
    safetensors *f;
    ROTO_TRY(new_with_name(path, &f));
    roto_status status = file_map(path, SIZE_MAX, &f->file);
    if (status != ROTO_OK) {
        safetensors_close(f);
        return status;
    }
    return open_parsed(f, f->file.data, f->file.bytes, out);
}

void safetensors_close(safetensors *file)
{
    if (!file)
        return;
    if (file->file.data)
        file_release(&file->file);
    cJSON_Delete(file->header);
    free(file->tensors);
    free(file);
}

size_t safetensors_count(const safetensors *file)
{
    return file->n;
}

const safetensor *safetensors_at(const safetensors *file, size_t index)
{
    return &file->tensors[index];
}

const safetensor *safetensors_find(const safetensors *file, const char *name)
{
    const safetensor key = {.name = name};
    return bsearch(&key, file->tensors, file->n, sizeof(key), compare_names);
}

const char *safetensors_metadata(const safetensors *file, const char *key)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, metadata_name);
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, key));
}

roto_status safetensor_read_f32(const safetensor *tensor, float *out)
{
    const uint8_t *from = tensor->data;
    const safetensors_type *type = safetensors_type_find(tensor->type_name);
    const bool is_double = strcmp(tensor->type_name, "F64") == 0;
    if (!is_double && type->type != DTYPE_F32 && type->type != DTYPE_F16 &&
        type->type != DTYPE_BF16)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "tensor '%s' has the type %s; F32, F16, BF16 or F64 is needed",
                         tensor->name, tensor->type_name);
    for (size_t i = 0; i < tensor->bytes / type->bytes; i++, from += type->bytes) {
        uint16_t half;
        double wide;
        if (is_double) {
            memcpy(&wide, from, sizeof(wide));
            out[i] = (float)wide;
        } else if (type->type == DTYPE_F32) {
            memcpy(&out[i], from, sizeof(out[i]));
        } else {
            memcpy(&half, from, sizeof(half));
            out[i] = type->type == DTYPE_F16 ? float_from_half(half) : float_from_bf16(half);
        }
        if (!isfinite(out[i]))
            return roto_fail(ROTO_ERROR_FORMAT, "tensor '%s' holds %s at element %zu", tensor->name,
                             isnan(out[i]) ? "NaN" : "infinity", i);
    }
    return ROTO_OK;
}
