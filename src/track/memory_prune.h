/* track/memory_prune.h - which cells of a tracked memory take part in memory attention: those near
 * the object. What is far away says little about it, and every token costs time. A plain rule of
 * our own, not a published one. */
#ifndef TRACK_MEMORY_PRUNE_H
#define TRACK_MEMORY_PRUNE_H

#include <stdint.h>

/* cells [h, w]: 1 for those at most `margin` cells (sideways, up, down or diagonally) from one of
 * which some mask logit is positive; logits [4 h, 4 w]. All 1 when none is. Returns how many are.
 */
int32_t memory_prune(const float *logits, int32_t w, int32_t h, int32_t margin, uint8_t *cells);

#endif
