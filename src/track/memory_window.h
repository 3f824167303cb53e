/* track/memory_window.h - writes what an object remembers as the tokens of memory attention. */
#ifndef TRACK_MEMORY_WINDOW_H
#define TRACK_MEMORY_WINDOW_H

#include "models/sam2/model.h"
#include "track/memory_bank.h"

typedef struct memory_window memory_window;

/* Position encodings for a model at a size; borrows the model. */
roto_status memory_window_new(const sam2_model *model, const sam2_size *size, memory_window **out);
void memory_window_free(memory_window *w); /* NULL is fine */

/* One object's tokens for a graph with n_conditioning conditioning slots, at least as many as the
 * view has: memory and keys (memory with positions added) [tokens, mem_dim], valid [tokens]. */
void memory_window_write(const memory_window *w, const memory_view *view, int64_t frame,
                         int direction, int32_t n_conditioning, float *memory, float *keys,
                         float *valid);

#endif
