#include "format/torch/zip.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Signatures and sizes of the records, APPNOTE.TXT 4.3. */
#define LOCAL_SIGNATURE 0x04034b50u
#define CENTRAL_SIGNATURE 0x02014b50u
#define END_SIGNATURE 0x06054b50u
#define END64_SIGNATURE 0x06064b50u
#define LOCATOR64_SIGNATURE 0x07064b50u
enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    MAX_COMMENT_BYTES = 0xffff,
    EXTRA64_ID = 1,
    FLAG_ENCRYPTED = 1
};

typedef struct archive_bytes {
    const uint8_t *data;
    size_t bytes;
    const char *file;
} archive_bytes;

typedef struct directory { /* the list of all entries at the archive's end */
    uint64_t n, offset, bytes;
} directory;

#define REFUSE(a, fmt, ...) roto_fail(ROTO_ERROR_FORMAT, "%s: " fmt, (a)->file, ##__VA_ARGS__)

static uint64_t read_le(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static uint32_t u16(const uint8_t *at)
{
    return (uint32_t)read_le(at, 2);
}

static uint32_t u32(const uint8_t *at)
{
    return (uint32_t)read_le(at, 4);
}

/* The last end record, in front of nothing but its comment; NULL when there is none. */
static const uint8_t *find_end(const archive_bytes *a)
{
    if (a->bytes < END_BYTES)
        return NULL;
    size_t at = a->bytes - END_BYTES;
    const size_t first = at > MAX_COMMENT_BYTES ? at - MAX_COMMENT_BYTES : 0;
    for (;; at--) {
        const uint8_t *end = a->data + at;
        if (u32(end) == END_SIGNATURE && u16(end + 20) == a->bytes - at - END_BYTES)
            return end;
        if (at == first)
            return NULL;
    }
}

/* Replaces what did not fit into the end record by the values of its 64-bit form. */
static roto_status read_end64(const archive_bytes *a, size_t end_at, directory *d)
{
    if (end_at < LOCATOR64_BYTES)
        return ROTO_OK;
    const uint8_t *locator = a->data + end_at - LOCATOR64_BYTES;
    if (u32(locator) != LOCATOR64_SIGNATURE)
        return ROTO_OK;
    const uint64_t at = read_le(locator + 8, 8);
    if (end_at - LOCATOR64_BYTES < END64_BYTES || at > end_at - LOCATOR64_BYTES - END64_BYTES ||
        u32(a->data + at) != END64_SIGNATURE)
        return REFUSE(a, "damaged ZIP archive: no 64-bit end record at byte %llu",
                      (unsigned long long)at);
    const uint8_t *end64 = a->data + at;
    *d = (directory){.n = read_le(end64 + 32, 8),
                     .bytes = read_le(end64 + 40, 8),
                     .offset = read_le(end64 + 48, 8)};
    return ROTO_OK;
}

static roto_status find_directory(const archive_bytes *a, directory *d)
{
    const uint8_t *end = find_end(a);
    if (!end)
        return REFUSE(a, "not a ZIP archive, or cut off: it has no end record");
    const size_t end_at = (size_t)(end - a->data);
    *d = (directory){.n = u16(end + 10), .bytes = u32(end + 12), .offset = u32(end + 16)};
    ROTO_TRY(read_end64(a, end_at, d));
    if (d->offset > end_at || d->bytes > end_at - d->offset)
        return REFUSE(a,
                      "damaged ZIP archive: its directory of %llu bytes at byte %llu reaches "
                      "beyond its end record at byte %zu",
                      (unsigned long long)d->bytes, (unsigned long long)d->offset, end_at);
    if (d->n > d->bytes / CENTRAL_BYTES)
        return REFUSE(a, "damaged ZIP archive: a directory of %llu bytes cannot list %llu files",
                      (unsigned long long)d->bytes, (unsigned long long)d->n);
    return ROTO_OK;
}

typedef struct entry_place { /* as the directory has it, widened by its 64-bit extra field */
    uint64_t content, stored, header;
} entry_place;

static bool widen(uint64_t *value, const uint8_t **at, const uint8_t *end)
{
    if (*value != 0xffffffffu)
        return true;
    if (end - *at < 8)
        return false;
    *value = read_le(*at, 8);
    *at += 8;
    return true;
}

static bool widen_place(entry_place *p, const uint8_t *extra, size_t bytes)
{
    for (const uint8_t *end = extra + bytes; end - extra >= 4;) {
        const size_t length = u16(extra + 2);
        if (length > (size_t)(end - extra - 4))
            return false;
        const uint8_t *at = extra + 4, *field_end = at + length;
        if (u16(extra) == EXTRA64_ID)
            return widen(&p->content, &at, field_end) && widen(&p->stored, &at, field_end) &&
                   widen(&p->header, &at, field_end);
        extra = field_end;
    }
    return p->content != 0xffffffffu && p->stored != 0xffffffffu && p->header != 0xffffffffu;
}

/* Text of a name for messages, which is cut and may hold any bytes. */
#define NAME_OF(e) (int)((e)->name_bytes < 80 ? (e)->name_bytes : 80), (e)->name

/* `limit`: where the directory begins, which no content may reach. */
static roto_status locate(const archive_bytes *a, const entry_place *p, uint64_t limit,
                          zip_entry *e)
{
    if (limit < LOCAL_BYTES || p->header > limit - LOCAL_BYTES ||
        u32(a->data + p->header) != LOCAL_SIGNATURE)
        return REFUSE(a, "damaged ZIP archive: '%.*s' does not begin at byte %llu", NAME_OF(e),
                      (unsigned long long)p->header);
    const uint8_t *local = a->data + p->header;
    const uint64_t content_at = p->header + LOCAL_BYTES + u16(local + 26) + u16(local + 28);
    if (content_at > limit || p->stored > limit - content_at)
        return REFUSE(a,
                      "damaged ZIP archive: the %llu bytes of '%.*s' reach beyond the archive's "
                      "content",
                      (unsigned long long)p->stored, NAME_OF(e));
    if (u16(local + 26) != e->name_bytes ||
        memcmp(local + LOCAL_BYTES, e->name, e->name_bytes) != 0)
        return REFUSE(a, "damaged ZIP archive: '%.*s' has another name in its own header",
                      NAME_OF(e));
    const bool plain = e->method == 0 && !(u16(local + 6) & FLAG_ENCRYPTED);
    if (plain && p->stored != p->content)
        return REFUSE(a,
                      "damaged ZIP archive: '%.*s' is stored, but has %llu bytes instead of "
                      "%llu",
                      NAME_OF(e), (unsigned long long)p->stored, (unsigned long long)p->content);
    e->data = plain ? a->data + content_at : NULL;
    e->bytes = (size_t)p->content;
    return ROTO_OK;
}

static int compare_entries(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    const size_t n = x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
    const int order = memcmp(x->name, y->name, n);
    return order ? order : (x->name_bytes > y->name_bytes) - (x->name_bytes < y->name_bytes);
}

static roto_status read_directory(const archive_bytes *a, const directory *d, zip_archive *out)
{
    const uint8_t *at = a->data + d->offset, *end = at + d->bytes;
    for (; out->n < d->n; out->n++) {
        zip_entry *e = &out->entries[out->n];
        if (end - at < CENTRAL_BYTES || u32(at) != CENTRAL_SIGNATURE)
            return REFUSE(a, "damaged ZIP archive: its directory ends after %zu of %llu files",
                          out->n, (unsigned long long)d->n);
        const size_t name = u16(at + 28), extra = u16(at + 30), comment = u16(at + 32);
        if (name + extra + comment > (size_t)(end - at - CENTRAL_BYTES))
            return REFUSE(a, "damaged ZIP archive: entry %zu of its directory is cut off", out->n);
        entry_place place = {
            .content = u32(at + 24), .stored = u32(at + 20), .header = u32(at + 42)};
        *e = (zip_entry){.name = (const char *)at + CENTRAL_BYTES,
                         .name_bytes = name,
                         .method = (int)u16(at + 10),
                         .checksum = u32(at + 16)};
        if (!widen_place(&place, at + CENTRAL_BYTES + name, extra))
            return REFUSE(a, "damaged ZIP archive: the 64-bit field of '%.*s' is cut off",
                          NAME_OF(e));
        ROTO_TRY(locate(a, &place, d->offset, e));
        at += CENTRAL_BYTES + name + extra + comment;
    }
    qsort(out->entries, out->n, sizeof(*out->entries), compare_entries);
    for (size_t i = 1; i < out->n; i++) {
        if (compare_entries(&out->entries[i - 1], &out->entries[i]) == 0)
            return REFUSE(a, "the archive has two files called '%.*s'", NAME_OF(&out->entries[i]));
    }
    return ROTO_OK;
}

roto_status zip_open(const uint8_t *archive, size_t bytes, const char *file, zip_archive *out)
{
    *out = (zip_archive){0};
    const archive_bytes a = {.data = archive, .bytes = bytes, .file = file};
    directory d = {0};
    ROTO_TRY(find_directory(&a, &d));
    out->entries = memory_new_array((size_t)d.n, sizeof(*out->entries));
    if (!out->entries)
        return ROTO_ERROR_MEMORY;
    const roto_status status = read_directory(&a, &d, out);
    if (status != ROTO_OK)
        zip_close(out);
    return status;
}

void zip_close(zip_archive *archive)
{
    free(archive->entries);
    *archive = (zip_archive){0};
}

const zip_entry *zip_find(const zip_archive *archive, const char *name, size_t name_bytes)
{
    const zip_entry key = {.name = name, .name_bytes = name_bytes};
    return archive->n ? bsearch(&key, archive->entries, archive->n, sizeof(key), compare_entries)
                      : NULL;
}

roto_status zip_check(zip_archive *archive, const zip_entry *e, const char *file)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)archive, (void)e, (void)file; /* or nothing behind a changed byte would be reached */
#else
    if (e->checked || e->checksum == 0 || !e->data)
        return ROTO_OK;
    const uint32_t checksum = (uint32_t)crc32_z(0, e->data, e->bytes);
    if (checksum != e->checksum)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s: damaged ZIP archive: the checksum of '%.*s' is %08x instead of %08x; "
                         "copy or download the file again",
                         file, NAME_OF(e), checksum, e->checksum);
    archive->entries[e - archive->entries].checked = true;
#endif
    return ROTO_OK;
}
