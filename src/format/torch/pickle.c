#include "format/torch/pickle.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/torch/pickle_names.h"

#include <stdlib.h>
#include <string.h>

enum { PROTOCOL = 2 };

/* Values that all pickles share, made first. Reference 0 means none. */
enum { REF_NONE = 1, REF_FALSE, REF_TRUE, REF_EMPTY_TUPLE };

typedef struct refs {
    pickle_ref *items;
    size_t n, capacity;
} refs;

typedef struct machine {
    const uint8_t *data;
    size_t bytes, at, operation_at;
    const char *file;
    pickle *out;
    refs stack, memo;
    refs marks; /* heights of the stack */
} machine;

#define REFUSE(m, fmt, ...)                                                                        \
    roto_fail(ROTO_ERROR_FORMAT, "%s: its pickle at byte %zu: " fmt, (m)->file, (m)->operation_at, \
              ##__VA_ARGS__)

/* ---- reading ----------------------------------------------------------------------------------
 */

static roto_status take(machine *m, size_t bytes, const uint8_t **out)
{
    if (bytes > m->bytes - m->at)
        return REFUSE(m, "cut off");
    *out = m->data + m->at;
    m->at += bytes;
    return ROTO_OK;
}

static roto_status take_number(machine *m, int bytes, uint64_t *out)
{
    const uint8_t *from = NULL;
    ROTO_TRY(take(m, (size_t)bytes, &from));
    *out = 0;
    for (int i = bytes - 1; i >= 0; i--)
        *out = *out << 8 | from[i];
    return ROTO_OK;
}

static roto_status take_line(machine *m, const char **text, size_t *bytes)
{
    const uint8_t *end = memchr(m->data + m->at, '\n', m->bytes - m->at);
    if (!end)
        return REFUSE(m, "cut off");
    *text = (const char *)m->data + m->at;
    *bytes = (size_t)(end - m->data) - m->at;
    m->at += *bytes + 1;
    return ROTO_OK;
}

/* ---- the stack --------------------------------------------------------------------------------
 */

static roto_status refs_push(refs *r, pickle_ref ref)
{
    if (!memory_grow((void **)&r->items, &r->capacity, r->n + 1, sizeof(*r->items)))
        return ROTO_ERROR_MEMORY;
    r->items[r->n++] = ref;
    return ROTO_OK;
}

static roto_status add(machine *m, pickle_value value, pickle_ref *ref)
{
    pickle *p = m->out;
    if (!memory_grow((void **)&p->values, &p->capacity, p->n + 1, sizeof(*p->values)))
        return ROTO_ERROR_MEMORY;
    *ref = (pickle_ref)p->n;
    p->values[p->n++] = value;
    return ROTO_OK;
}

static roto_status push_value(machine *m, pickle_value value)
{
    pickle_ref ref = 0;
    ROTO_TRY(add(m, value, &ref));
    return refs_push(&m->stack, ref);
}

static roto_status push_integer(machine *m, int64_t value)
{
    return push_value(m, (pickle_value){.kind = PICKLE_INT, .as.integer = value});
}

/* Height that the stack may not sink below: what is under a mark belongs to somebody else. */
static size_t floor_of(const machine *m)
{
    return m->marks.n ? m->marks.items[m->marks.n - 1] : 0;
}

static roto_status need(const machine *m, size_t n)
{
    return m->stack.n - floor_of(m) >= n ? ROTO_OK : REFUSE(m, "its stack runs empty");
}

static roto_status pop(machine *m, pickle_ref *ref)
{
    ROTO_TRY(need(m, 1));
    *ref = m->stack.items[--m->stack.n];
    return ROTO_OK;
}

/* The items above the last mark, which goes; they stay behind the stack's end. */
static roto_status pop_mark(machine *m, const pickle_ref **items, size_t *n)
{
    if (m->marks.n == 0)
        return REFUSE(m, "a mark is missing");
    const size_t height = m->marks.items[--m->marks.n];
    *n = m->stack.n - height;
    *items = *n ? m->stack.items + height : NULL; /* an empty stack may have no memory */
    m->stack.n = height;
    return ROTO_OK;
}

static roto_status top(machine *m, pickle_kind kind, const char *what, pickle_value **out)
{
    ROTO_TRY(need(m, 1));
    *out = &m->out->values[m->stack.items[m->stack.n - 1]];
    return (*out)->kind == kind ? ROTO_OK : REFUSE(m, "%s is missing", what);
}

/* ---- containers -------------------------------------------------------------------------------
 */

static roto_status append(machine *m, pickle_value *to, const pickle_ref *items, size_t n)
{
    const size_t per_item = to->kind == PICKLE_DICT ? 2 : 1, used = to->n * per_item;
    size_t capacity = to->capacity;
    if (n % per_item)
        return REFUSE(m, "a key without a value");
    if (!memory_grow((void **)&to->as.items, &capacity, used + n, sizeof(*items)))
        return ROTO_ERROR_MEMORY;
    if (n)
        memcpy(to->as.items + used, items, n * sizeof(*items));
    to->capacity = (uint32_t)capacity;
    to->n += (uint32_t)(n / per_item);
    return ROTO_OK;
}

/* A value with a copy of `items`. */
static roto_status push_sequence(machine *m, pickle_kind kind, const pickle_ref *items, size_t n)
{
    pickle_value value = {.kind = kind, .n = (uint32_t)n, .capacity = (uint32_t)n};
    value.as.items = memory_new_array(n, sizeof(*items));
    if (!value.as.items)
        return ROTO_ERROR_MEMORY;
    if (n)
        memcpy(value.as.items, items, n * sizeof(*items));
    const roto_status status = push_value(m, value);
    if (status != ROTO_OK)
        free(value.as.items);
    return status;
}

static roto_status tuple_of(machine *m, size_t n)
{
    ROTO_TRY(need(m, n));
    m->stack.n -= n;
    return push_sequence(m, PICKLE_TUPLE, m->stack.items + m->stack.n, n);
}

static roto_status tuple_to_mark(machine *m)
{
    const pickle_ref *items = NULL;
    size_t n = 0;
    ROTO_TRY(pop_mark(m, &items, &n));
    return push_sequence(m, PICKLE_TUPLE, items, n);
}

static roto_status append_to_mark(machine *m, pickle_kind kind, const char *what)
{
    const pickle_ref *items = NULL;
    size_t n = 0;
    pickle_value *to = NULL;
    ROTO_TRY(pop_mark(m, &items, &n));
    ROTO_TRY(top(m, kind, what, &to));
    return append(m, to, items, n);
}

static roto_status append_some(machine *m, size_t n, pickle_kind kind, const char *what)
{
    pickle_value *to = NULL;
    ROTO_TRY(need(m, n));
    m->stack.n -= n;
    ROTO_TRY(top(m, kind, what, &to));
    return append(m, to, m->stack.items + m->stack.n, n);
}

/* ---- the memo: values by number ---------------------------------------------------------------
 */

static roto_status memo_put(machine *m, uint64_t index)
{
    ROTO_TRY(need(m, 1));
    if (index >= m->bytes) /* each is written by an operation of its own */
        return REFUSE(m, "value %llu of its memo is out of range", (unsigned long long)index);
    if (!memory_grow((void **)&m->memo.items, &m->memo.capacity, (size_t)index + 1,
                     sizeof(*m->memo.items)))
        return ROTO_ERROR_MEMORY;
    m->memo.items[index] = m->stack.items[m->stack.n - 1];
    return ROTO_OK;
}

static roto_status memo_get(machine *m, uint64_t index)
{
    if (index >= m->memo.capacity || m->memo.items[index] == 0)
        return REFUSE(m, "value %llu of its memo is missing", (unsigned long long)index);
    return refs_push(&m->stack, m->memo.items[index]);
}

/* ---- functions and their calls ----------------------------------------------------------------
 */

#define CUT(bytes) (int)((bytes) < 80 ? (bytes) : 80)

static roto_status push_function(machine *m)
{
    const char *module = NULL, *name = NULL;
    size_t module_bytes = 0, name_bytes = 0;
    ROTO_TRY(take_line(m, &module, &module_bytes));
    ROTO_TRY(take_line(m, &name, &name_bytes));
    const pickle_known *known = pickle_find_function(module, module_bytes, name, name_bytes);
    if (!known)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: its pickle at byte %zu asks for %.*s.%.*s, which plain tensors do "
                         "not need; nothing of it was run. Save a state_dict() alone",
                         m->file, m->operation_at, CUT(module_bytes), module, CUT(name_bytes),
                         name);
    pickle_value value = {.kind = PICKLE_FUNCTION, .function = known->function};
    value.as.text = known->type;
    value.n = known->type ? (uint32_t)strlen(known->type) : 0;
    return push_value(m, value);
}

static roto_status call(machine *m)
{
    pickle_ref arguments_ref = 0, function_ref = 0;
    ROTO_TRY(pop(m, &arguments_ref));
    ROTO_TRY(pop(m, &function_ref));
    const pickle_value function = m->out->values[function_ref],
                       arguments = m->out->values[arguments_ref];
    if (function.kind != PICKLE_FUNCTION || arguments.kind != PICKLE_TUPLE)
        return REFUSE(m, "it calls something that is no function");
    switch (function.function) {
    case PICKLE_ORDERED_DICT:
        if (arguments.n == 0)
            return push_value(m, (pickle_value){.kind = PICKLE_DICT});
        break;
    case PICKLE_REBUILD_TENSOR:
        if (arguments.n < PICKLE_TENSOR_ITEMS || arguments.n > PICKLE_TENSOR_ITEMS + 1)
            break;
        return push_sequence(m, PICKLE_TENSOR, arguments.as.items, arguments.n);
    case PICKLE_REBUILD_PARAMETER: /* (tensor, requires_grad, hooks) */
        if (arguments.n == 3)
            return refs_push(&m->stack, arguments.as.items[0]);
        break;
    case PICKLE_STORAGE_TYPE:
        break;
    }
    return REFUSE(m, "a call with unexpected arguments");
}

static roto_status storage(machine *m)
{
    pickle_ref ref = 0;
    ROTO_TRY(pop(m, &ref));
    const pickle_value id = m->out->values[ref];
    if (id.kind != PICKLE_TUPLE || id.n < PICKLE_STORAGE_ITEMS || id.n > PICKLE_STORAGE_ITEMS + 1 ||
        !pickle_is_text(&m->out->values[id.as.items[0]], "storage"))
        return REFUSE(m, "a reference to something that is no storage");
    return push_sequence(m, PICKLE_STORAGE, id.as.items, id.n);
}

/* Attributes of an object: dictionaries have "_metadata", of no use here. */
static roto_status build(machine *m)
{
    pickle_ref state = 0;
    pickle_value *to = NULL;
    ROTO_TRY(pop(m, &state));
    return top(m, PICKLE_DICT, "the dictionary for attributes", &to);
}

/* ---- operations -------------------------------------------------------------------------------
 */

static roto_status push_text(machine *m, int length_bytes)
{
    uint64_t length = 0;
    const uint8_t *text = NULL;
    ROTO_TRY(take_number(m, length_bytes, &length));
    ROTO_TRY(take(m, (size_t)length, &text));
    pickle_value value = {.kind = PICKLE_TEXT, .n = (uint32_t)length};
    value.as.text = (const char *)text;
    return push_value(m, value);
}

/* Two's complement of any length; those beyond 64 bits are no size of anything. */
static roto_status push_long(machine *m)
{
    uint64_t length = 0, value = 0;
    const uint8_t *from = NULL;
    ROTO_TRY(take_number(m, 1, &length));
    ROTO_TRY(take(m, (size_t)length, &from));
    if (length > sizeof(value))
        return REFUSE(m, "a number of %llu bytes", (unsigned long long)length);
    if (length && from[length - 1] & 0x80)
        value = UINT64_MAX;
    for (size_t i = (size_t)length; i-- > 0;)
        value = value << 8 | from[i];
    return push_integer(m, (int64_t)value);
}

static roto_status push_float(machine *m)
{
    const uint8_t *from = NULL; /* big-endian, unlike all else */
    uint64_t bits = 0;
    ROTO_TRY(take(m, sizeof(bits), &from));
    for (size_t i = 0; i < sizeof(bits); i++)
        bits = bits << 8 | from[i];
    pickle_value value = {.kind = PICKLE_FLOAT};
    memcpy(&value.as.real, &bits, sizeof(bits));
    return push_value(m, value);
}

static roto_status check_protocol(machine *m)
{
    uint64_t protocol = 0;
    ROTO_TRY(take_number(m, 1, &protocol));
    if (protocol == PROTOCOL)
        return ROTO_OK;
    return roto_fail(ROTO_ERROR_UNSUPPORTED,
                     "%s: its pickle has protocol %llu; %d is needed, the default of torch.save()",
                     m->file, (unsigned long long)protocol, PROTOCOL);
}

static roto_status step(machine *m, uint8_t operation)
{
    uint64_t number = 0;
    pickle_ref ref = 0;
    const pickle_ref *items = NULL;
    size_t n = 0;
    switch (operation) {
    case 0x80: /* PROTO */
        return check_protocol(m);
    case '(': /* MARK */
        return refs_push(&m->marks, (pickle_ref)m->stack.n);
    case '0': /* POP */
        return pop(m, &ref);
    case '1': /* POP_MARK */
        return pop_mark(m, &items, &n);
    case 'N': /* NONE */
        return refs_push(&m->stack, REF_NONE);
    case 0x88: /* NEWTRUE */
        return refs_push(&m->stack, REF_TRUE);
    case 0x89: /* NEWFALSE */
        return refs_push(&m->stack, REF_FALSE);
    case 'J': /* BININT */
        ROTO_TRY(take_number(m, 4, &number));
        return push_integer(m, (int32_t)(uint32_t)number);
    case 'K': /* BININT1 */
        ROTO_TRY(take_number(m, 1, &number));
        return push_integer(m, (int64_t)number);
    case 'M': /* BININT2 */
        ROTO_TRY(take_number(m, 2, &number));
        return push_integer(m, (int64_t)number);
    case 0x8a: /* LONG1 */
        return push_long(m);
    case 'G': /* BINFLOAT */
        return push_float(m);
    case 'X': /* BINUNICODE */
    case 'T': /* BINSTRING, of Python 2 */
        return push_text(m, 4);
    case 'U': /* SHORT_BINSTRING, of Python 2 */
        return push_text(m, 1);
    case ')': /* EMPTY_TUPLE */
        return refs_push(&m->stack, REF_EMPTY_TUPLE);
    case 0x85: /* TUPLE1 */
    case 0x86: /* TUPLE2 */
    case 0x87: /* TUPLE3 */
        return tuple_of(m, operation - 0x84u);
    case 't': /* TUPLE */
        return tuple_to_mark(m);
    case ']': /* EMPTY_LIST */
        return push_value(m, (pickle_value){.kind = PICKLE_LIST});
    case 'a': /* APPEND */
        return append_some(m, 1, PICKLE_LIST, "a list");
    case 'e': /* APPENDS */
        return append_to_mark(m, PICKLE_LIST, "a list");
    case '}': /* EMPTY_DICT */
        return push_value(m, (pickle_value){.kind = PICKLE_DICT});
    case 's': /* SETITEM */
        return append_some(m, 2, PICKLE_DICT, "a dictionary");
    case 'u': /* SETITEMS */
        return append_to_mark(m, PICKLE_DICT, "a dictionary");
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */
        ROTO_TRY(take_number(m, operation == 'q' ? 1 : 4, &number));
        return memo_put(m, number);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */
        ROTO_TRY(take_number(m, operation == 'h' ? 1 : 4, &number));
        return memo_get(m, number);
    case 'c': /* GLOBAL */
        return push_function(m);
    case 'R': /* REDUCE */
        return call(m);
    case 'Q': /* BINPERSID */
        return storage(m);
    case 'b': /* BUILD */
        return build(m);
    default:
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: its pickle at byte %zu has the operation %s (0x%02x), which plain "
                         "tensors do not need; nothing of it was run. Save a state_dict() alone",
                         m->file, m->operation_at, pickle_operation_name(operation), operation);
    }
}

static roto_status run(machine *m)
{
    static const pickle_value shared[] = {
        {.kind = PICKLE_UNSET},
        [REF_NONE] = {.kind = PICKLE_NONE},
        [REF_FALSE] = {.kind = PICKLE_BOOL, .as.integer = 0},
        [REF_TRUE] = {.kind = PICKLE_BOOL, .as.integer = 1},
        [REF_EMPTY_TUPLE] = {.kind = PICKLE_TUPLE},
    };
    pickle_ref ref = 0;
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
        ROTO_TRY(add(m, shared[i], &ref));
    for (;;) {
        const uint8_t *operation = NULL;
        m->operation_at = m->at;
        ROTO_TRY(take(m, 1, &operation));
        if (*operation == '.') /* STOP */
            break;
        ROTO_TRY(step(m, *operation));
    }
    ROTO_TRY(pop(m, &m->out->root));
    return m->stack.n == 0 && m->marks.n == 0 ? ROTO_OK : REFUSE(m, "it leaves values behind");
}

roto_status pickle_parse(const uint8_t *data, size_t bytes, const char *file, pickle *out)
{
    *out = (pickle){0};
    if (bytes > PICKLE_MAX_BYTES)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: its pickle has %zu bytes; at most %d", file,
                         bytes, PICKLE_MAX_BYTES);
    machine m = {.data = data, .bytes = bytes, .file = file, .out = out};
    const roto_status status = run(&m);
    free(m.stack.items);
    free(m.marks.items);
    free(m.memo.items);
    if (status != ROTO_OK)
        pickle_free(out);
    return status;
}

static bool has_items(const pickle_value *v)
{
    return v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT ||
           v->kind == PICKLE_STORAGE || v->kind == PICKLE_TENSOR;
}

void pickle_free(pickle *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (has_items(&p->values[i]))
            free(p->values[i].as.items);
    }
    free(p->values);
    *p = (pickle){0};
}

bool pickle_is_text(const pickle_value *v, const char *text)
{
    return v->kind == PICKLE_TEXT && v->n == strlen(text) && memcmp(v->as.text, text, v->n) == 0;
}

const pickle_value *pickle_find(const pickle *p, const pickle_value *dict, const char *key)
{
    for (uint32_t i = dict->kind == PICKLE_DICT ? dict->n : 0; i-- > 0;) {
        if (pickle_is_text(pickle_at(p, dict->as.items[2 * i]), key))
            return pickle_at(p, dict->as.items[2 * i + 1]);
    }
    return NULL;
}
