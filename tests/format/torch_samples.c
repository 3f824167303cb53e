#include "torch_samples.h"

#include "support/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

static void put(sample *s, const void *data, size_t bytes)
{
    s->data = realloc(s->data, s->bytes + bytes + 1);
    assert_non_null(s->data);
    if (bytes)
        memcpy(s->data + s->bytes, data, bytes);
    s->bytes += bytes;
}

static void put_text(sample *s, const char *text)
{
    put(s, text, strlen(text));
}

static void put_number(sample *s, uint64_t value, int bytes)
{
    uint8_t le[8];
    for (int i = 0; i < bytes; i++)
        le[i] = (uint8_t)(value >> 8 * i);
    put(s, le, (size_t)bytes);
}

static sample exact(sample *s)
{
    sample e = {.data = malloc(s->bytes ? s->bytes : 1), .bytes = s->bytes};
    assert_non_null(e.data);
    memcpy(e.data, s->data, s->bytes);
    free(s->data);
    return e;
}

/* From the compression method to the size of the content, alike in both of an entry's headers. */
static void put_facts(sample *s, const sample_file *f, bool wide)
{
    put_number(s, (uint64_t)f->method, 2);
    put_number(s, 0, 8); /* time, date, checksum */
    put_number(s, wide ? 0xffffffffu : f->bytes, 4);
    put_number(s, wide ? 0xffffffffu : f->bytes, 4);
    put_number(s, strlen(f->name), 2);
}

sample sample_zip(const sample_file *files, size_t n, bool wide)
{
    sample s = {0};
    size_t places[16];
    assert_true(n <= 16);
    for (size_t i = 0; i < n; i++) {
        places[i] = s.bytes;
        put_text(&s, "PK\3\4");
        put_number(&s, 20, 4); /* version, flags */
        put_facts(&s, &files[i], false);
        put_number(&s, 4, 2); /* padding, as torch.save() has it */
        put_text(&s, files[i].name);
        put_number(&s, 0x4246, 4);
        put(&s, files[i].data, files[i].bytes);
    }
    const size_t directory = s.bytes;
    for (size_t i = 0; i < n; i++) {
        put_text(&s, "PK\1\2");
        put_number(&s, 20, 6); /* versions, flags */
        put_facts(&s, &files[i], wide);
        put_number(&s, wide ? 28 : 0, 4); /* extra fields, comment */
        put_number(&s, 0, 8);             /* disk, attributes */
        put_number(&s, wide ? 0xffffffffu : places[i], 4);
        put_text(&s, files[i].name);
        if (wide) {
            put_number(&s, 1 | 24 << 16, 4);
            put_number(&s, files[i].bytes, 8);
            put_number(&s, files[i].bytes, 8);
            put_number(&s, places[i], 8);
        }
    }
    const size_t end = s.bytes;
    if (wide) {
        put_text(&s, "PK\6\6");
        put_number(&s, 44, 8);
        put_number(&s, 45 | 45 << 16, 4);
        put_number(&s, 0, 8);
        put_number(&s, n, 8);
        put_number(&s, n, 8);
        put_number(&s, end - directory, 8);
        put_number(&s, directory, 8);
        put_text(&s, "PK\6\7");
        put_number(&s, 0, 4);
        put_number(&s, end, 8);
        put_number(&s, 1, 4);
    }
    put_text(&s, "PK\5\6");
    put_number(&s, 0, 4);
    put_number(&s, wide ? 0xffff : n, 2);
    put_number(&s, wide ? 0xffff : n, 2);
    put_number(&s, wide ? 0xffffffffu : end - directory, 4);
    put_number(&s, wide ? 0xffffffffu : directory, 4);
    put_number(&s, 0, 2);
    return exact(&s);
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void put_string(sample *s, const char *text)
{
    put_text(s, "X");
    put_number(s, strlen(text), 4);
    put_text(s, text);
}

sample sample_pickle(sample_tensor t)
{
    sample s = {0};
    put_text(&s, "\x80\2}");
    put_string(&s, "w");
    put_text(&s, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_string(&s, "storage");
    put_text(&s, or_else(t.storage_type, "ctorch\nFloatStorage\n"));
    put_string(&s, or_else(t.key, "0"));
    put_string(&s, "cpu");
    put_text(&s, or_else(t.count, "K\6"));
    put_text(&s, "tQ");
    put_text(&s, or_else(t.offset, "\x8a")); /* LONG1 of no bytes is 0 */
    if (!t.offset)
        put_number(&s, 0, 1);
    put_text(&s, or_else(t.sizes, "K\2K\3\x86"));
    put_text(&s, or_else(t.strides, "K\3K\1\x86"));
    put_text(&s, "\x89"
                 "ccollections\nOrderedDict\n)RtRs.");
    return exact(&s);
}

sample sample_archive(const void *pickle, size_t pickle_bytes)
{
    static const float values[6] = {0, 0.5f, 1, 1.5f, 2, 2.5f};
    const sample_file files[] = {
        {"a/data.pkl", pickle, pickle_bytes, 0},
        {"a/byteorder", "little", 6, 0},
        {"a/data/0", values, sizeof(values), 0},
        {"a/version", "3\n", 2, 0},
    };
    return sample_zip(files, 4, false);
}
