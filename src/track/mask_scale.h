/* track/mask_scale.h - masks from the model's size to the frame's. */
#ifndef TRACK_MASK_SCALE_H
#define TRACK_MASK_SCALE_H

#include <roto/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enlarges logits bilinearly, with half-pixel centres as PyTorch's interpolate does, and thresholds
 * or compares them on the way, a row at a time. */
typedef struct mask_scaler mask_scaler;

roto_status mask_scaler_new(int32_t mask_w, int32_t mask_h, int32_t frame_w, int32_t frame_h,
                            mask_scaler **out);
void mask_scaler_free(mask_scaler *s); /* NULL is fine */

/* mask [frame_h, frame_w] bytes, rows stride_bytes apart: `value` where the logit is positive, else
 * 0. logits [mask_h, mask_w]. */
void mask_scaler_write(mask_scaler *s, const float *logits, uint8_t value, uint8_t *mask,
                       ptrdiff_t stride_bytes);

/* Edges in pixels of the frame, x1 and y1 behind the last. */
typedef struct mask_edges {
    int32_t x0, y0, x1, y1;
} mask_edges;

/* Those of what mask_scaler_write() would write; false when that is nothing. Several threads may
 * ask at once. */
bool mask_scaler_box(const mask_scaler *s, const float *logits, mask_edges *out);

/* How many of the enlarged logits above -offset are above offset, 0..1; 0 when there are none. */
float mask_scaler_stability(mask_scaler *s, const float *logits, float offset);

/* Edges that nothing of it lies outside of, for little work; all 0 when there is nothing. */
mask_edges mask_scaler_reach(const mask_scaler *s, const float *logits);

/* Starts a map [frame_h, frame_w] of ids, rows `stride` elements apart, all 0; then each mask takes
 * the pixels where its logit is positive and higher than those of the masks before it. */
roto_status mask_scaler_start_map(mask_scaler *s, uint16_t *map, ptrdiff_t stride);
void mask_scaler_add_to_map(mask_scaler *s, const float *logits, uint16_t id);

/* matte [frame_h, frame_w] bytes, rows stride_bytes apart: 255 times the logistic function of the
 * highest of n logits, logits [n, mask_h, mask_w]. Allocates when n is larger than before. */
roto_status mask_scaler_matte(mask_scaler *s, const float *logits, int32_t n, uint8_t *matte,
                              ptrdiff_t stride_bytes);

#endif
