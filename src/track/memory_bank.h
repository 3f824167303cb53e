/* track/memory_bank.h - what a tracked object remembers: a fixed number of slots, for ever.
 *
 * Prompted ("conditioning") frames are kept whole; of the frames tracked in between, the last one
 * and every stride-th before it give spatial memories (the rule of XMem and of SAM 2 at inference),
 * and each of the latest gives an object pointer. Frames come forward or in reverse. Memories and
 * pointers are on the device; which frame is where is known here.
 *
 * More may be kept than a frame sees, so that tracking can go on from any frame in any direction.
 */
#ifndef TRACK_MEMORY_BANK_H
#define TRACK_MEMORY_BANK_H

#include "backend/backend.h"
#include "track/segment_view.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MEMORY_BANK_MAX_CONDITIONING = 8,
    MEMORY_BANK_MAX_SPATIAL = 16,
    MEMORY_BANK_MAX_POINTERS = 64
};

typedef struct memory_bank_shape {
    int32_t memory_floats, pointer_floats, mask_floats; /* of one memory, pointer and mask */
    bool memory_bf16;                                   /* memories are kept as bfloat16 */
    int32_t num_maskmem;                                /* see sam2_config */
    int32_t temporal_stride;
    int32_t max_pointers;
    int32_t max_conditioning; /* 1..MEMORY_BANK_MAX_CONDITIONING, with the anchors */
    int32_t n_kept;           /* tracked frames that are kept, if more than the coming ones need */
    int32_t max_cond_frames;  /* of those, the nearest that a frame sees; 0: all */

    /* Not every stride-th tracked frame is seen but those judged worthy, see
     * memory_select_judge(). */
    bool selective;
    int32_t interval;    /* frames between two that are kept */
    int32_t max_recent;  /* that a frame sees, with the last one; 1..num_maskmem - 1 */
    int32_t max_anchors; /* tracked frames that are seen like prompted ones */
    int32_t n_cells;     /* of a memory, where cells can be left out; 0: they cannot */
} memory_bank_shape;

/* Elements of a buffer, from one on. */
typedef struct memory_place {
    buffer *in;
    size_t at;
} memory_place;

/* One frame of an object's past. */
typedef struct memory_slot {
    int64_t frame; /* -1: free */
    memory_place memory;
    bool recent, kept; /* where frames are selected: may be seen as the last one; as an earlier one
                        */
    bool pruned;
    uint8_t *cells; /* [n_cells] of a pruned memory: 1 for those that take part */
} memory_slot;

typedef struct pointer_slot {
    int64_t frame;
    memory_place pointer;
} pointer_slot;

typedef struct conditioning_slot {
    int64_t frame;
    memory_place memory, pointer; /* the memory in a buffer of its own, NULL until reserved */
    float *mask;                  /* logits as they were reported; NULL until reserved */
    segment_view view;            /* that the mask is of */
    float object_score, iou;
    bool anchor; /* nobody prompted the frame */
} conditioning_slot;

typedef struct memory_bank {
    memory_bank_shape shape;
    const backend_table *table;
    backend *backend;
    conditioning_slot conditioning[MEMORY_BANK_MAX_CONDITIONING]; /* n, by order of prompting */
    int32_t n_conditioning;
    memory_slot *recent;
    pointer_slot *pointers;
    int32_t n_recent, n_pointers;
    buffer *memories; /* of tracked frames; NULL before memory_bank_init() */
    buffer *all_pointers;
    uint8_t *cells; /* of all slots of tracked frames */
} memory_bank;

/* Borrows the backend. */
roto_status memory_bank_init(memory_bank *bank, const memory_bank_shape *shape,
                             const backend_table *table, backend *b);
void memory_bank_free(memory_bank *bank);  /* of zeroed memory: fine */
void memory_bank_clear(memory_bank *bank); /* forgets everything, keeps the memory */

/* Makes room for n more prompted frames (as far as there may be more), so that
 * memory_bank_condition() allocates nothing. */
roto_status memory_bank_reserve(memory_bank *bank, int32_t n);

/* The slot to fill for a prompted frame: its own if it was one before; a free one; or, when all are
 * taken, that of the frame farthest away, but never the first prompted one. What was remembered of
 * the frame as a tracked one is forgotten. Call memory_bank_reserve() before. */
conditioning_slot *memory_bank_condition(memory_bank *bank, int64_t frame);

/* The slots to fill for a tracked frame. Those that the coming frames in this direction (1 or -1),
 * or this one when it is corrected, do not need are given up. */
memory_slot *memory_bank_memory(memory_bank *bank, int64_t frame, int direction);
pointer_slot *memory_bank_pointer(memory_bank *bank, int64_t frame);

/* What a frame sees of the past. */
typedef struct memory_view {
    int32_t n_conditioning;
    const conditioning_slot *conditioning[MEMORY_BANK_MAX_CONDITIONING];
    /* recent[r]: of the (r + 1)-th memory back in time, NULL where there is none */
    const memory_slot *recent[MEMORY_BANK_MAX_SPATIAL];
    int32_t n_pointers; /* of tracked frames */
    struct {
        int32_t age; /* frames ago, from 1 */
        memory_place pointer;
    } pointers[MEMORY_BANK_MAX_POINTERS];
} memory_view;

/* `frame` itself is not part of its past. */
memory_view memory_bank_look(const memory_bank *bank, int64_t frame, int direction);

/* The prompted frame's slot, NULL when it is none. */
const conditioning_slot *memory_bank_find(const memory_bank *bank, int64_t frame);

/* ---- memory_select.c: where frames are selected by what was seen in them ----------------------
 */

/* What memory_bank_memory() and memory_bank_look() do then. */
memory_slot *memory_select_slot(memory_bank *bank, int64_t frame, int direction);
void memory_select_look(const memory_bank *bank, int64_t frame, int direction, memory_view *view);

/* Says of a frame that was just put into a slot whether it may be seen as the last one, and whether
 * it is worth keeping, which it is only `interval` frames from others. */
void memory_select_judge(memory_bank *bank, memory_slot *slot, bool recent, bool worthy);

/* The slot to fill for a tracked frame that is to be seen like a prompted one; the oldest such
 * frame makes room. NULL: the frame is a prompted one, or nothing is reserved. */
conditioning_slot *memory_select_anchor(memory_bank *bank, int64_t frame);

/* Leaves the `most` prompted frames (0: all) that SAM 2 chooses: the nearest before the frame, the
 * nearest after it, then the nearest of the others. */
void memory_select_nearest(memory_view *view, int64_t frame, int32_t most);

#endif
