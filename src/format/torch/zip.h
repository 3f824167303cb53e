/* format/torch/zip.h - the files in a ZIP archive whose content is stored, not compressed.
 *
 * PKWARE's APPNOTE.TXT 6.3 with the 64-bit extension: as much of it as archives of PyTorch use. */
#ifndef FORMAT_TORCH_ZIP_H
#define FORMAT_TORCH_ZIP_H

#include <roto/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zip_entry {
    const char *name; /* not NUL-terminated; points into the archive */
    size_t name_bytes;
    const uint8_t *data; /* NULL when it is compressed or encrypted */
    size_t bytes;        /* of the content */
    int method;          /* 0: stored */
    uint32_t checksum;   /* CRC-32 of the content; 0 where PyTorch was told to compute none */
    bool checked;        /* the content has it */
} zip_entry;

typedef struct zip_archive {
    zip_entry *entries; /* sorted by name, no two alike */
    size_t n;
} zip_archive;

/* Lists an archive in memory, which stays the caller's. Entries are checked to lie inside the
 * archive, and to be what their own headers say; their contents by zip_check(). `file` is for
 * messages. Takes 48 bytes of memory an entry, which has at least 76 in the archive. */
roto_status zip_open(const uint8_t *archive, size_t bytes, const char *file, zip_archive *out);
void zip_close(zip_archive *archive); /* a zeroed or closed one is fine */

const zip_entry *zip_find(const zip_archive *archive, const char *name,
                          size_t name_bytes); /* or NULL */

/* Fails when the content of a stored entry, one of zip_find()'s, does not have its checksum. Reads
 * it once, however often it is asked. */
roto_status zip_check(zip_archive *archive, const zip_entry *e, const char *file);

#endif
