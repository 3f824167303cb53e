/* models/yolo/resample.h - bilinear resizing of 8-bit planes, one output row at a time.
 *
 * Half-pixel centres, 11-bit weights, no antialiasing, with the roundings of OpenCV's INTER_LINEAR
 * for bytes, on which YOLO models are trained: the same bytes come out.
 */
#ifndef MODELS_YOLO_RESAMPLE_H
#define MODELS_YOLO_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* Where each output position takes its two samples, and their weights (sum 2048). */
typedef struct resample_axis {
    int32_t n; /* outputs */
    int32_t *first, *second;
    int16_t *first_weight, *second_weight;
} resample_axis;

/* Fills the axis's arrays (room for n_out each): out of `n_in` samples, `step` input samples an
 * output; `fold` puts the weight of samples beyond the edge on the edge itself, as OpenCV does for
 * columns and not for rows. */
void resample_axis_set(resample_axis *axis, int32_t n_in, int32_t n_out, double step, int fold);

typedef struct resampler {
    const uint8_t *data;
    ptrdiff_t stride_bytes;
    int32_t channels;  /* interleaved, 1..3 */
    int32_t n_columns; /* input samples of a row */
    const resample_axis *x, *y;
    int16_t *rows[2]; /* horizontally resized rows; RESAMPLE_SLACK more than x->n * channels */
    int32_t row_of[2];
} resampler;

enum { RESAMPLE_SLACK = 8 };

/* Output row `y`, x->n * channels bytes. Rows are best asked for in order. */
void resample_row(resampler *r, int32_t y, uint8_t *out);

#endif
