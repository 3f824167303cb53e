/* format/atomic_file.h - a file that appears under its name only when it is complete.
 *
 * Bytes go to a temporary name in the same folder, which atomic_file_commit() renames. What is not
 * a regular file (a device, a FIFO) is written to directly, so that /dev/null stays what it is.
 */
#ifndef FORMAT_ATOMIC_FILE_H
#define FORMAT_ATOMIC_FILE_H

#include <roto/error.h>
#include <stddef.h>

typedef struct atomic_file atomic_file;

roto_status atomic_file_open(const char *path, atomic_file **out);
roto_status atomic_file_write(atomic_file *file, const void *data, size_t bytes);

/* Finishes, renames and frees; on failure nothing is left under either name. */
roto_status atomic_file_commit(atomic_file *file);

/* Removes the temporary file and frees; NULL is fine. */
void atomic_file_discard(atomic_file *file);

#endif
