/* track/memory_window.h - writes what an object remembers as the tokens of memory attention. */
#ifndef TRACK_MEMORY_WINDOW_H
#define TRACK_MEMORY_WINDOW_H

#include "models/sam2/model.h"
#include "track/memory_bank.h"

typedef struct memory_window memory_window;

/* Position encodings for a model at a size; borrows the model. */
roto_status memory_window_new(const sam2_model *model, const sam2_size *size, memory_window **out);
void memory_window_free(memory_window *w); /* NULL is fine */

/* Where and when the memories of a window with n_conditioning conditioning slots are, [memories,
 * memory tokens, mem_dim]: always the same, whatever the slots hold. */
void memory_window_places(const memory_window *w, int32_t n_conditioning, float *places);

/* Floats of a window's pointer positions. */
int64_t memory_window_pointer_floats(const memory_window *w, int32_t n_conditioning);

enum {
    MEMORY_WINDOW_MAX_COPIES =
        2 * MEMORY_BANK_MAX_CONDITIONING + MEMORY_BANK_MAX_SPATIAL + MEMORY_BANK_MAX_POINTERS
};

/* One object's tokens for a graph with n_conditioning conditioning slots, at least as many as the
 * view has: what to say of them, valid [tokens] and positions of pointers [pointer tokens,
 * mem_dim], and the copies, whose number is returned, that put them to `memory` [tokens, mem_dim].
 * Tokens that are not valid keep what was there. */
int32_t memory_window_write(const memory_window *w, const memory_view *view, int64_t frame,
                            int direction, int32_t n_conditioning, memory_place memory,
                            float *valid, float *pointer_positions,
                            buffer_copy copies[MEMORY_WINDOW_MAX_COPIES]);

#endif
