/* format/torch/pickle.h - the values in a pickle, as far as files of tensors need them.
 *
 * A pickle is a program for a stack machine (Python's pickletools.py describes it) that may call
 * any function of any Python module. Here nothing is ever called: of the machine's operations only
 * those are known that build numbers, texts, tuples, lists and dictionaries; of functions only
 * those in pickle_function, whose calls become values. Everything else is refused by name.
 */
#ifndef FORMAT_TORCH_PICKLE_H
#define FORMAT_TORCH_PICKLE_H

#include <roto/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parsing takes up to 100 times the pickle's size, so that it is limited. The one of SAM 2.1 large
 * has 160 kB. */
enum { PICKLE_MAX_BYTES = 8 << 20 };

typedef enum pickle_kind {
    PICKLE_UNSET,
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_FUNCTION,
    PICKLE_STORAGE, /* a reference to data outside: items of its tuple */
    PICKLE_TENSOR   /* a call of torch._utils._rebuild_tensor_v2: items are the arguments */
} pickle_kind;

typedef enum pickle_function {
    PICKLE_ORDERED_DICT,
    PICKLE_REBUILD_TENSOR,
    PICKLE_REBUILD_PARAMETER,
    PICKLE_STORAGE_TYPE /* text: its name in safetensors */
} pickle_function;

/* Items of a storage, of which old files have one more, and of a tensor, which may have metadata
 * behind them. */
enum {
    STORAGE_WORD,
    STORAGE_TYPE,
    STORAGE_KEY,
    STORAGE_DEVICE,
    STORAGE_COUNT,
    PICKLE_STORAGE_ITEMS
};
enum {
    TENSOR_STORAGE,
    TENSOR_OFFSET,
    TENSOR_SIZES,
    TENSOR_STRIDES,
    TENSOR_REQUIRES_GRAD,
    TENSOR_HOOKS,
    PICKLE_TENSOR_ITEMS
};

typedef uint32_t pickle_ref; /* index of a value */

typedef struct pickle_value {
    pickle_kind kind : 8;
    pickle_function function : 8;
    uint32_t n;        /* bytes of a text, items of a tuple or list, pairs of a dictionary */
    uint32_t capacity; /* of items, in refs */
    union {
        int64_t integer; /* also a bool */
        double real;
        const char *text;  /* not NUL-terminated; in the pickle, or constant */
        pickle_ref *items; /* of a dictionary: key, value, key, value, ... */
    } as;
} pickle_value;

typedef struct pickle {
    pickle_value *values;
    size_t n, capacity;
    pickle_ref root;
} pickle;

/* `data` has to outlive *out; `file` is for messages. Values may refer to each other in circles. */
roto_status pickle_parse(const uint8_t *data, size_t bytes, const char *file, pickle *out);
void pickle_free(pickle *p); /* a zeroed or freed one is fine */

static inline const pickle_value *pickle_at(const pickle *p, pickle_ref ref)
{
    return &p->values[ref];
}

bool pickle_is_text(const pickle_value *v, const char *text);

/* The value under a key of a dictionary, the last one when there are several; NULL when there is
 * none, or `dict` is something else. */
const pickle_value *pickle_find(const pickle *p, const pickle_value *dict, const char *key);

#endif
