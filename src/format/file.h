/* format/file.h - whole files as bytes, and writes that either finish or say why not. */
#ifndef FORMAT_FILE_H
#define FORMAT_FILE_H

#include <roto/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The content of a file, never empty. `data` is read-only when the file is mapped. */
typedef struct file_bytes {
    const uint8_t *data;
    size_t bytes;
    bool mapped;
} file_bytes;

/* Reads a regular file of 1..max_bytes bytes into memory: for small files and for those that others
 * may be rewriting, since a mapped file that shrinks ends the process with SIGBUS. */
roto_status file_read(const char *path, size_t max_bytes, file_bytes *out);

/* Maps one instead: pages come in on first use and cost no copy. For large files at rest. */
roto_status file_map(const char *path, size_t max_bytes, file_bytes *out);

void file_release(file_bytes *file); /* a zeroed or released one is fine */

/* Writes everything, through interruptions and short writes. Returns 0 or the errno of the failure;
 * *written (may be NULL) says how much arrived. A broken pipe and the file size limit come back as
 * EPIPE and EFBIG: their signals never reach the program. */
int file_write_all(int fd, const void *data, size_t bytes, size_t *written);

#endif
