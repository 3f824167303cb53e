/* The format is described in NumPy's documentation (numpy.lib.format): a magic string, a version,
 * the length of a header that is a Python dictionary in text, and the elements. */
#include "format/npy.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/atomic_file.h"
#include "format/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 6, MAX_HEADER_BYTES = 65536, HEADER_ALIGN_BYTES = 64 };
static const uint8_t magic[MAGIC_BYTES] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

typedef struct type_rule {
    const char *descr;
    dtype type;
} type_rule;

static const type_rule type_rules[] = {
    {"<f4", DTYPE_F32}, {"<i8", DTYPE_I64}, {"|u1", DTYPE_U8}, {"u1", DTYPE_U8}};

/* The header's text being read; `at` never passes `end`. */
typedef struct cursor {
    const char *at, *end;
    const char *name;
} cursor;

static roto_status refuse(const cursor *c, const char *what)
{
    return roto_fail(ROTO_ERROR_FORMAT, "%s: its header %s", c->name, what);
}

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
        c->at++;
}

static bool take(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* A quoted text without escapes. */
static bool take_text(cursor *c, char *out, size_t capacity)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    const char quote = *c->at++;
    size_t n = 0;
    for (; c->at < c->end && *c->at != quote; c->at++) {
        if (n + 1 == capacity || *c->at == '\\')
            return false;
        out[n++] = *c->at;
    }
    out[n] = 0;
    return take(c, quote);
}

static bool take_word(cursor *c, const char *word)
{
    skip_space(c);
    const size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

static bool take_dimension(cursor *c, int64_t *out)
{
    skip_space(c);
    *out = 0;
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (*out > SHAPE_MAX_ELEMENTS)
            return false;
        *out = *out * 10 + (*c->at - '0');
    }
    return c->at > start;
}

static roto_status take_shape(cursor *c, tensor_shape *shape)
{
    if (!take(c, '('))
        return refuse(c, "has no shape");
    shape->rank = 0;
    while (!take(c, ')')) {
        if (shape->rank == TENSOR_MAX_RANK)
            return refuse(c, "has a shape of more than 6 dimensions");
        if (!take_dimension(c, &shape->dim[shape->rank++]))
            return refuse(c, "has a shape with a dimension that is no sensible number");
        if (!take(c, ',') && (c->at == c->end || *c->at != ')'))
            return refuse(c, "has a shape that does not end");
    }
    return ROTO_OK;
}

static roto_status take_type(cursor *c, dtype *type)
{
    char descr[16];
    if (!take_text(c, descr, sizeof(descr)))
        return refuse(c, "has no type, or one of several fields");
    for (size_t i = 0; i < sizeof(type_rules) / sizeof(type_rules[0]); i++) {
        if (strcmp(descr, type_rules[i].descr) == 0) {
            *type = type_rules[i].type;
            return ROTO_OK;
        }
    }
    return roto_fail(ROTO_ERROR_UNSUPPORTED,
                     "%s: elements of type '%s'; float32, int64 and uint8 can be read", c->name,
                     descr);
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with keys in any order. */
static roto_status parse_header(cursor *c, npy_array *out)
{
    bool has_type = false, has_order = false, has_shape = false;
    if (!take(c, '{'))
        return refuse(c, "is no dictionary");
    while (!take(c, '}')) {
        char key[16];
        if (!take_text(c, key, sizeof(key)) || !take(c, ':'))
            return refuse(c, "is no dictionary of descr, fortran_order and shape");
        if (strcmp(key, "descr") == 0 && !has_type) {
            ROTO_TRY(take_type(c, &out->type));
            has_type = true;
        } else if (strcmp(key, "fortran_order") == 0 && !has_order) {
            if (take_word(c, "True"))
                return roto_fail(ROTO_ERROR_UNSUPPORTED,
                                 "%s: the array is in Fortran order; save it with "
                                 "numpy.ascontiguousarray",
                                 c->name);
            if (!take_word(c, "False"))
                return refuse(c, "has a fortran_order that is neither True nor False");
            has_order = true;
        } else if (strcmp(key, "shape") == 0 && !has_shape) {
            ROTO_TRY(take_shape(c, &out->shape));
            has_shape = true;
        } else {
            return refuse(c, "has an unknown or repeated key");
        }
        if (!take(c, ',') && (c->at == c->end || *c->at != '}'))
            return refuse(c, "does not end");
    }
    skip_space(c);
    if (!has_type || !has_order || !has_shape || c->at != c->end)
        return refuse(c, "is incomplete, or goes on after its end");
    return ROTO_OK;
}

static bool count_bytes(dtype type, const tensor_shape *shape, size_t *out)
{
    *out = dtype_bytes(type);
    bool fits = true;
    for (int i = 0; fits && i < shape->rank; i++)
        fits = shape->dim[i] >= 0 && size_mul(*out, (size_t)shape->dim[i], out);
    return fits;
}

roto_status npy_parse(const void *bytes, size_t n_bytes, const char *name, npy_array *out)
{
    const uint8_t *b = bytes;
    *out = (npy_array){0};
    if (n_bytes < MAGIC_BYTES + 4 || memcmp(b, magic, MAGIC_BYTES) != 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: not a NumPy array file", name);
    /* Versions 2 and 3 have four bytes of length, 1 has two. */
    const int version = b[MAGIC_BYTES];
    const size_t prefix = MAGIC_BYTES + (version == 1 ? 4 : 6);
    if (version < 1 || version > 3 || n_bytes < prefix)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: version %d of the format, or cut off", name,
                         version);
    size_t length = (size_t)b[8] | (size_t)b[9] << 8;
    if (version > 1)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > n_bytes - prefix || length > MAX_HEADER_BYTES)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: a header of %zu bytes where %zu follow", name,
                         length, n_bytes - prefix);
    cursor c = {(const char *)b + prefix, (const char *)b + prefix + length, name};
    ROTO_TRY(parse_header(&c, out));
    size_t need;
    const size_t have = n_bytes - prefix - length;
    if (!count_bytes(out->type, &out->shape, &need) || need != have)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: %zu bytes of data do not fit its shape", name,
                         have);
    out->data = memory_new_aligned(need ? need : 1);
    if (!out->data)
        return ROTO_ERROR_MEMORY;
    memcpy(out->data, b + prefix + length, need);
    return ROTO_OK;
}

roto_status npy_read(const char *path, npy_array *out)
{
    *out = (npy_array){0};
    file_bytes file;
    ROTO_TRY(file_map(path, SIZE_MAX, &file));
    roto_status status = npy_parse(file.data, file.bytes, path, out);
    file_release(&file);
    return status;
}

void npy_free(npy_array *array)
{
    free(array->data);
    *array = (npy_array){0};
}

roto_status npy_write(const char *path, dtype type, const tensor_shape *shape, const void *data)
{
    char header[512], dims[TENSOR_MAX_RANK * 24] = "";
    size_t bytes, used = 0;
    const char *descr = NULL;
    for (size_t i = 0; i < sizeof(type_rules) / sizeof(type_rules[0]) && !descr; i++)
        descr = type_rules[i].type == type ? type_rules[i].descr : NULL;
    if (!descr || shape->rank < 0 || shape->rank > TENSOR_MAX_RANK ||
        !count_bytes(type, shape, &bytes) || (bytes && !data))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "%s: only valid arrays of float32, int64 and uint8 can be written", path);
    for (int i = 0; i < shape->rank; i++)
        used += (size_t)snprintf(dims + used, sizeof(dims) - used, "%lld%s",
                                 (long long)shape->dim[i], i + 1 < shape->rank ? ", " : ",");
    const int prefix = MAGIC_BYTES + 4;
    const int text =
        snprintf(header + prefix, sizeof(header) - (size_t)prefix,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims);
    /* Spaces up to a newline, so that the data is aligned in the file. */
    const int length =
        (prefix + text + HEADER_ALIGN_BYTES) / HEADER_ALIGN_BYTES * HEADER_ALIGN_BYTES - prefix;
    memset(header + prefix + text, ' ', (size_t)(length - text));
    header[prefix + length - 1] = '\n';
    memcpy(header, magic, MAGIC_BYTES);
    header[MAGIC_BYTES] = 1;
    header[MAGIC_BYTES + 1] = 0;
    header[MAGIC_BYTES + 2] = (char)(length & 255);
    header[MAGIC_BYTES + 3] = (char)(length >> 8);
    atomic_file *file = NULL;
    ROTO_TRY(atomic_file_open(path, &file));
    roto_status status = atomic_file_write(file, header, (size_t)(prefix + length));
    if (status == ROTO_OK)
        status = atomic_file_write(file, data, bytes);
    if (status == ROTO_OK)
        return atomic_file_commit(file);
    atomic_file_discard(file);
    return status;
}
