/* format/torch/file.h - tensors in a file of PyTorch's torch.save(), version 1.6 and later.
 *
 * Such a file is a ZIP archive: NAME/data.pkl, a pickle (pickle.h) with a dictionary from names to
 * tensors, and NAME/data/KEY, the bytes of each tensor's storage. Nothing in it is executed.
 */
#ifndef FORMAT_TORCH_FILE_H
#define FORMAT_TORCH_FILE_H

#include "format/safetensors.h"

typedef struct torch_file torch_file;

/* True when the bytes begin as a file of torch.save() of any version does. */
bool torch_file_is(const uint8_t *data, size_t bytes);

/* Maps the file, which must not change while it is open. Its tensors are those of its dictionary,
 * or of the dictionary under "model" or "state_dict" in it. Checksums of
 * what they read are verified. Takes memory of up to 250 times the size of data.pkl, and up to the
 * file's own size for tensors that are not contiguous. */
roto_status torch_file_open(const char *path, torch_file **out);

/* The same in memory that stays the caller's and has to outlive *out; `name` is for messages. */
roto_status torch_file_open_bytes(const void *data, size_t bytes, const char *name,
                                  torch_file **out);
void torch_file_close(torch_file *file); /* NULL is fine */

/* Sorted by name, row-major; types by their names in safetensors. Several may share their data. */
size_t torch_file_count(const torch_file *file);
const safetensor *torch_file_at(const torch_file *file, size_t index);

#endif
