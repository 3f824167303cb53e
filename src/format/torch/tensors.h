/* format/torch/tensors.h - the tensors that a parsed pickle names, found in the archive. */
#ifndef FORMAT_TORCH_TENSORS_H
#define FORMAT_TORCH_TENSORS_H

#include "base/memory.h"
#include "format/safetensors.h"
#include "format/torch/pickle.h"
#include "format/torch/zip.h"

typedef struct torch_archive {
    const char *file; /* for messages */
    zip_archive zip;
    const char *folder; /* of all its files, without the slash */
    size_t folder_bytes;
    size_t copy_bytes_left; /* of tensors that are not contiguous */
} torch_archive;

/* "FOLDER/NAME" in the archive, or NULL. */
const zip_entry *torch_archive_find(const torch_archive *a, const char *name, size_t name_bytes);

/* Finds the dictionary of tensors; sorts them by name into *out, which lives in `arena` as do names
 * and copies. */
roto_status torch_tensors_read(torch_archive *a, const pickle *p, memory_arena *arena,
                               safetensor **out, size_t *n);

#endif
