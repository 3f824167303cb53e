#include "format/torch/file.h"

#include "base/error.h"
#include "format/file.h"
#include "format/torch/tensors.h"

#include <stdlib.h>
#include <string.h>

struct torch_file {
    file_bytes file; /* empty when the bytes are the caller's */
    memory_arena *arena;
    torch_archive archive;
    safetensor *tensors;
    size_t n;
};

static bool is_zip(const uint8_t *data, size_t bytes)
{
    return bytes >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* Before version 1.6: pickles one after another, the first of them a magic number. */
static bool is_legacy(const uint8_t *data, size_t bytes)
{
    static const uint8_t magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                    0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    return bytes >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

bool torch_file_is(const uint8_t *data, size_t bytes)
{
    return is_zip(data, bytes) || is_legacy(data, bytes);
}

/* All files lie in one folder, which torch.save() names after the file. */
static roto_status find_folder(torch_archive *a)
{
    static const char pickle_name[] = "/data.pkl";
    const size_t length = sizeof(pickle_name) - 1;
    for (size_t i = 0; i < a->zip.n; i++) {
        const zip_entry *e = &a->zip.entries[i];
        if (e->name_bytes > length && !memchr(e->name, '/', e->name_bytes - length) &&
            memcmp(e->name + e->name_bytes - length, pickle_name, length) == 0) {
            a->folder = e->name;
            a->folder_bytes = e->name_bytes - length;
            return ROTO_OK;
        }
    }
    return roto_fail(ROTO_ERROR_FORMAT,
                     "%s: a ZIP archive, but not of torch.save(): it has no data.pkl", a->file);
}

static const zip_entry *find(const torch_archive *a, const char *name)
{
    return torch_archive_find(a, name, strlen(name));
}

static roto_status check_kind(const torch_archive *a)
{
    if (find(a, "constants.pkl"))
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: a TorchScript program; save its state_dict() with torch.save()",
                         a->file);
    /* Files of PyTorch before 2.1 have no such entry, and are as good as always little-endian. */
    const zip_entry *order = find(a, "byteorder");
    if (order && (!order->data || order->bytes != 6 || memcmp(order->data, "little", 6) != 0))
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: its byte order is not little-endian; save it on another machine",
                         a->file);
    return ROTO_OK;
}

static roto_status read_archive(torch_file *f, const uint8_t *data, size_t bytes)
{
    torch_archive *a = &f->archive;
    if (is_legacy(data, bytes))
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: written in PyTorch's format of before version 1.6; load it with "
                         "PyTorch and save it again",
                         a->file);
    if (!is_zip(data, bytes))
        return roto_fail(ROTO_ERROR_FORMAT, "%s: not a file of torch.save()", a->file);
    ROTO_TRY(zip_open(data, bytes, a->file, &a->zip));
    ROTO_TRY(find_folder(a));
    ROTO_TRY(check_kind(a));
    const zip_entry *e = find(a, "data.pkl");
    if (!e->data)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: its data.pkl is compressed (method %d)",
                         a->file, e->method);
    ROTO_TRY(zip_check(&a->zip, e, a->file));
    pickle p;
    ROTO_TRY(pickle_parse(e->data, e->bytes, a->file, &p));
    a->copy_bytes_left = bytes;
    const roto_status status = torch_tensors_read(a, &p, f->arena, &f->tensors, &f->n);
    pickle_free(&p);
    return status;
}

static roto_status new_with_name(const char *name, torch_file **out)
{
    torch_file *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->arena = memory_arena_new();
    f->archive.file = f->arena ? memory_arena_string(f->arena, name) : NULL;
    if (!f->archive.file) {
        torch_file_close(f);
        return ROTO_ERROR_MEMORY;
    }
    *out = f;
    return ROTO_OK;
}

static roto_status open_read(torch_file *f, const void *data, size_t bytes, torch_file **out)
{
    const roto_status status = read_archive(f, data, bytes);
    if (status == ROTO_OK)
        *out = f;
    else
        torch_file_close(f);
    return status;
}

roto_status torch_file_open_bytes(const void *data, size_t bytes, const char *name,
                                  torch_file **out)
{
    *out = NULL;
    torch_file *f;
    ROTO_TRY(new_with_name(name, &f));
    return open_read(f, data, bytes, out);
}

roto_status torch_file_open(const char *path, torch_file **out)
{
    *out = NULL;
    torch_file *f;
    ROTO_TRY(new_with_name(path, &f));
    const roto_status status = file_map(path, SIZE_MAX, &f->file);
    if (status != ROTO_OK) {
        torch_file_close(f);
        return status;
    }
    return open_read(f, f->file.data, f->file.bytes, out);
}

void torch_file_close(torch_file *file)
{
    if (!file)
        return;
    zip_close(&file->archive.zip);
    if (file->file.data)
        file_release(&file->file);
    memory_arena_free(file->arena);
    free(file);
}

size_t torch_file_count(const torch_file *file)
{
    return file->n;
}

const safetensor *torch_file_at(const torch_file *file, size_t index)
{
    return &file->tensors[index];
}
