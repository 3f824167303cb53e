/* track/segment_exchange.h - what the host and the device hand to each other in a frame, a row an
 * object.
 *
 * The host writes its side of a frame's rows once a frame and reads the device's after waiting for
 * it once; the wait of the next frame lies between a row's copy and its next use. */
#ifndef TRACK_SEGMENT_EXCHANGE_H
#define TRACK_SEGMENT_EXCHANGE_H

#include "backend/backend.h"

#include <stdint.h>

typedef struct segment_row { /* floats of each part of a row */
    size_t valid, pointer_positions, mask, pointers;
} segment_row;

typedef struct segment_exchange {
    const backend_table *table;
    backend *backend;
    segment_row row;
    int32_t n_rows;

    /* From the host: an object's window of memories, the mask to remember, 1 for out of sight. */
    buffer *valid, *pointer_positions, *mask, *absent;
    /* From the decoder: SAM2_N_MASKS masks with their IoUs, and the object's score. */
    buffer *masks, *ious, *scores;
    buffer *pointers; /* of the same masks; stay on the device */
} segment_exchange;

/* Borrows the backend. */
segment_exchange segment_exchange_make(const backend_table *table, backend *b,
                                       const segment_row *row);
void segment_exchange_free(segment_exchange *x); /* zeroed: fine */

/* Makes room for n objects. Waits, and loses all rows, where there was less. */
roto_status segment_exchange_reserve(segment_exchange *x, int32_t n);

#endif
