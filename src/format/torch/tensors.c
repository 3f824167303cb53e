#include "format/torch/tensors.h"

#include "base/error.h"
#include "format/safetensors_types.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_KEY_BYTES = 64, MAX_NAME_BYTES = 255 };

typedef struct named_value {
    const pickle_value *name, *value;
} named_value;

typedef struct reader {
    torch_archive *archive;
    const pickle *pickle;
    memory_arena *arena;
    const char *name; /* of the tensor that is being read */
} reader;

#define REFUSE(r, fmt, ...)                                                                        \
    roto_fail(ROTO_ERROR_FORMAT, "%s: tensor '%s' " fmt, (r)->archive->file, (r)->name,            \
              ##__VA_ARGS__)

static const pickle_value *item(const reader *r, const pickle_value *v, uint32_t index)
{
    return pickle_at(r->pickle, v->as.items[index]);
}

const zip_entry *torch_archive_find(const torch_archive *a, const char *name, size_t name_bytes)
{
    char path[1024];
    if (a->folder_bytes + 1 + name_bytes > sizeof(path))
        return NULL;
    memcpy(path, a->folder, a->folder_bytes);
    path[a->folder_bytes] = '/';
    memcpy(path + a->folder_bytes + 1, name, name_bytes);
    return zip_find(&a->zip, path, a->folder_bytes + 1 + name_bytes);
}

/* ---- one tensor -------------------------------------------------------------------------------
 */

typedef struct storage {
    const uint8_t *data;
    const safetensors_type *type;
    size_t n; /* elements */
} storage;

static roto_status find_storage(const reader *r, const pickle_value *v, storage *out)
{
    if (v->kind != PICKLE_STORAGE)
        return REFUSE(r, "has no storage");
    const pickle_value *type = item(r, v, STORAGE_TYPE), *key = item(r, v, STORAGE_KEY),
                       *count = item(r, v, STORAGE_COUNT);
    if (type->kind != PICKLE_FUNCTION || type->function != PICKLE_STORAGE_TYPE)
        return REFUSE(r, "has a storage without a type");
    if (key->kind != PICKLE_TEXT || key->n == 0 || key->n > MAX_KEY_BYTES)
        return REFUSE(r, "has a storage without a usable key");
    out->type = safetensors_type_find(type->as.text);
    char path[5 + MAX_KEY_BYTES] = "data/";
    memcpy(path + 5, key->as.text, key->n);
    const zip_entry *e = torch_archive_find(r->archive, path, 5 + key->n);
    if (!e)
        return REFUSE(r, "misses its storage: the archive has no %.*s", (int)(5 + key->n), path);
    if (!e->data)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: the storage %.*s of tensor '%s' is compressed (method %d); "
                         "torch.save() stores it as it is",
                         r->archive->file, (int)(5 + key->n), path, r->name, e->method);
    ROTO_TRY(zip_check(&r->archive->zip, e, r->archive->file));
    size_t bytes = 0;
    if (count->kind != PICKLE_INT || count->as.integer < 0 ||
        !size_mul((size_t)count->as.integer, out->type->bytes, &bytes) || bytes != e->bytes)
        return REFUSE(r, "has a storage of %zu bytes instead of %lld %s values", e->bytes,
                      count->kind == PICKLE_INT ? (long long)count->as.integer : -1LL,
                      out->type->name);
    out->data = e->data;
    out->n = (size_t)count->as.integer;
    return ROTO_OK;
}

/* Where elements lie in a storage. */
typedef struct places {
    tensor_shape shape;
    size_t strides[TENSOR_MAX_RANK], offset, count;
} places;

static bool read_size(const pickle_value *v, int64_t *out)
{
    *out = v->kind == PICKLE_INT ? v->as.integer : -1;
    return *out >= 0 && *out <= SHAPE_MAX_ELEMENTS;
}

static roto_status read_places(const reader *r, const pickle_value *tensor, places *p)
{
    const pickle_value *sizes = item(r, tensor, TENSOR_SIZES),
                       *strides = item(r, tensor, TENSOR_STRIDES);
    int64_t number;
    *p = (places){.count = 1};
    if (!read_size(item(r, tensor, TENSOR_OFFSET), &number))
        return REFUSE(r, "has no sensible offset in its storage");
    p->offset = (size_t)number;
    if (sizes->kind != PICKLE_TUPLE || strides->kind != PICKLE_TUPLE || sizes->n != strides->n)
        return REFUSE(r, "has no sizes and strides that go together");
    if (sizes->n > TENSOR_MAX_RANK)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: tensor '%s' has more than %d dimensions",
                         r->archive->file, r->name, TENSOR_MAX_RANK);
    p->shape.rank = (int)sizes->n;
    for (uint32_t i = 0; i < sizes->n; i++) {
        if (!read_size(item(r, sizes, i), &p->shape.dim[i]) ||
            !read_size(item(r, strides, i), &number) ||
            !size_mul(p->count, (size_t)p->shape.dim[i], &p->count))
            return REFUSE(r, "has no sensible size or stride in dimension %u", i);
        p->strides[i] = (size_t)number;
    }
    return ROTO_OK;
}

/* The last element has to lie inside the storage, in front of which none can lie. */
static roto_status check_end(const reader *r, const places *p, const storage *s)
{
    size_t last = p->offset;
    bool fits = true;
    for (int i = 0; i < p->shape.rank && fits; i++) {
        size_t reach = 0;
        fits = size_mul((size_t)p->shape.dim[i] - 1, p->strides[i], &reach) &&
               size_add(last, reach, &last);
    }
    if (!fits || last >= s->n)
        return REFUSE(r, "reaches beyond its storage of %zu values", s->n);
    return ROTO_OK;
}

typedef enum layout { CONTIGUOUS, PERMUTED, OVERLAPPING } layout;

/* PERMUTED: the dimensions in another order would be contiguous. */
static layout layout_of(const places *p)
{
    size_t expected = 1;
    bool used[TENSOR_MAX_RANK] = {false}, in_order = true;
    for (int step = 0; step < p->shape.rank; step++) {
        /* The next dimension from within: the last one left that continues what is there. */
        int next = -1;
        for (int i = p->shape.rank - 1; i >= 0 && next < 0; i--) {
            if (!used[i] && (p->shape.dim[i] == 1 || p->strides[i] == expected))
                next = i;
        }
        if (next < 0)
            return OVERLAPPING;
        in_order = in_order && next == p->shape.rank - 1 - step;
        used[next] = true;
        expected *= (size_t)p->shape.dim[next];
    }
    return in_order ? CONTIGUOUS : PERMUTED;
}

static void copy_permuted(uint8_t *to, const uint8_t *from, const places *p, size_t element_bytes)
{
    int64_t at[TENSOR_MAX_RANK] = {0};
    for (size_t i = 0; i < p->count; i++, to += element_bytes) {
        size_t place = 0;
        for (int k = 0; k < p->shape.rank; k++)
            place += (size_t)at[k] * p->strides[k];
        memcpy(to, from + place * element_bytes, element_bytes);
        for (int k = p->shape.rank - 1; k >= 0 && ++at[k] == p->shape.dim[k]; k--)
            at[k] = 0;
    }
}

static roto_status read_tensor(reader *r, const pickle_value *v, safetensor *t)
{
    storage s = {0};
    places p = {0};
    if (v->kind != PICKLE_TENSOR)
        return REFUSE(r, "is something else");
    ROTO_TRY(find_storage(r, item(r, v, TENSOR_STORAGE), &s));
    ROTO_TRY(read_places(r, v, &p));
    *t = (safetensor){.name = r->name,
                      .type_name = s.type->name,
                      .type = s.type->type,
                      .shape = p.shape,
                      .data = s.data,
                      .bytes = p.count * s.type->bytes};
    if (p.count == 0)
        return ROTO_OK;
    ROTO_TRY(check_end(r, &p, &s));
    const uint8_t *from = s.data + p.offset * s.type->bytes;
    const layout order = layout_of(&p);
    t->data = from;
    if (order == CONTIGUOUS)
        return ROTO_OK;
    if (order == OVERLAPPING)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: the strides of tensor '%s' leave gaps or overlap; save it after "
                         ".contiguous()",
                         r->archive->file, r->name);
    if (t->bytes > r->archive->copy_bytes_left)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: too many tensors that are not contiguous, such as '%s'; save them "
                         "after .contiguous()",
                         r->archive->file, r->name);
    r->archive->copy_bytes_left -= t->bytes;
    uint8_t *copy = memory_arena_alloc(r->arena, t->bytes);
    if (!copy)
        return ROTO_ERROR_MEMORY;
    copy_permuted(copy, from, &p, s.type->bytes);
    t->data = copy;
    return ROTO_OK;
}

/* ---- the dictionary ---------------------------------------------------------------------------
 */

static roto_status find_dictionary(const torch_archive *a, const pickle *p,
                                   const pickle_value **out)
{
    static const char *const keys[] = {"model", "state_dict"};
    *out = pickle_at(p, p->root);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const pickle_value *inner = pickle_find(p, *out, keys[i]);
        if (inner && inner->kind == PICKLE_DICT) {
            *out = inner;
            return ROTO_OK;
        }
    }
    if ((*out)->kind != PICKLE_DICT || (*out)->n == 0)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s: it holds no dictionary of tensors, neither by itself nor under "
                         "\"model\" or \"state_dict\"",
                         a->file);
    return ROTO_OK;
}

static int compare_named(const void *a, const void *b)
{
    const pickle_value *x = ((const named_value *)a)->name, *y = ((const named_value *)b)->name;
    const int order = memcmp(x->as.text, y->as.text, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static roto_status list_names(const torch_archive *a, const pickle *p, const pickle_value *dict,
                              named_value *named)
{
    for (uint32_t i = 0; i < dict->n; i++) {
        named[i] = (named_value){pickle_at(p, dict->as.items[2 * i]),
                                 pickle_at(p, dict->as.items[2 * i + 1])};
        const pickle_value *name = named[i].name;
        if (name->kind != PICKLE_TEXT || name->n == 0 || name->n > MAX_NAME_BYTES ||
            memchr(name->as.text, 0, name->n))
            return roto_fail(ROTO_ERROR_FORMAT,
                             "%s: key %u of its dictionary of tensors is no name of 1 to %d bytes",
                             a->file, i, MAX_NAME_BYTES);
    }
    if (dict->n)
        qsort(named, dict->n, sizeof(*named), compare_named);
    for (uint32_t i = 1; i < dict->n; i++) {
        if (compare_named(&named[i - 1], &named[i]) == 0)
            return roto_fail(ROTO_ERROR_FORMAT, "%s: the tensor '%.*s' is there twice", a->file,
                             (int)named[i].name->n, named[i].name->as.text);
    }
    return ROTO_OK;
}

static char *copy_name(memory_arena *arena, const pickle_value *name)
{
    char *copy = memory_arena_alloc(arena, (size_t)name->n + 1);
    if (copy)
        memcpy(copy, name->as.text, name->n);
    return copy;
}

roto_status torch_tensors_read(torch_archive *a, const pickle *p, memory_arena *arena,
                               safetensor **out, size_t *n)
{
    const pickle_value *dict;
    ROTO_TRY(find_dictionary(a, p, &dict));
    named_value *named = memory_new_array(dict->n, sizeof(*named));
    *out = memory_arena_alloc(arena, dict->n * sizeof(**out));
    roto_status status = named && *out ? list_names(a, p, dict, named) : ROTO_ERROR_MEMORY;
    for (uint32_t i = 0; i < dict->n && status == ROTO_OK; i++) {
        reader r = {.archive = a, .pickle = p, .arena = arena};
        r.name = copy_name(arena, named[i].name);
        status = r.name ? read_tensor(&r, named[i].value, &(*out)[i]) : ROTO_ERROR_MEMORY;
    }
    free(named);
    *n = dict->n;
    return status;
}
