/* models/sam2/tensors.h - a checkpoint's tensors under their official names. */
#ifndef MODELS_SAM2_TENSORS_H
#define MODELS_SAM2_TENSORS_H

#include "base/memory.h"
#include "format/checkpoint.h"
#include "models/weights.h"

typedef struct sam2_tensors {
    named_tensor *items;
    int n;
    memory_arena *arena;
} sam2_tensors;

/* Sorted by name. Tensors under names of Hugging Face are renamed, cut and joined
 * (published_names.h); what has no official name keeps its own. Batch norms' counters, which only
 * training reads, are left out. The tensors' data belongs to the checkpoint, which has to stay
 * open, but for EdgeTAM's joined keys and values. */
roto_status sam2_tensors_read(const checkpoint *c, sam2_tensors *out);
void sam2_tensors_free(sam2_tensors *tensors); /* a zeroed or freed one is fine */

#endif
