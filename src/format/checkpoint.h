/* format/checkpoint.h - the named tensors of a model, whatever files they come in: one safetensors
 * file, several with an index, or PyTorch's .pt. */
#ifndef FORMAT_CHECKPOINT_H
#define FORMAT_CHECKPOINT_H

#include "format/safetensors.h"

typedef struct checkpoint checkpoint;

/* `path`: a safetensors file, a file of torch.save() (whatever it is called), an index of several
 * safetensors files (*.json), or a folder with model.safetensors or model.safetensors.index.json in
 * it. Files are mapped, not read, and must not change while they are open. */
roto_status checkpoint_open(const char *path, checkpoint **out);
void checkpoint_close(checkpoint *c); /* NULL is fine */

/* Tensors sorted by name. */
size_t checkpoint_count(const checkpoint *c);
const safetensor *checkpoint_at(const checkpoint *c, size_t index);
const safetensor *checkpoint_find(const checkpoint *c, const char *name); /* or NULL */

/* As safetensors_metadata(); files of other kinds have none. */
const char *checkpoint_metadata(const checkpoint *c, const char *key);

/* "safetensors", "3 safetensors files" or "PyTorch", valid while it is open. */
const char *checkpoint_kind(const checkpoint *c);

#endif
