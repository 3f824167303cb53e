/* models/antialias.h - the triangle filter with which PIL and PyTorch resize when antialiasing: as
 * wide as the step between output samples, and never narrower than an input sample. */
#ifndef MODELS_ANTIALIAS_H
#define MODELS_ANTIALIAS_H

#include <roto/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct antialias_axis {
    int32_t n_in, n_out, max_taps;
    int32_t *first, *count; /* [n_out]: input samples that an output sample is made of */
    float *weights;         /* [n_out, max_taps], each row sums to 1, 0 beyond its count */
    bool avx2;              /* what this processor has */
} antialias_axis;

roto_status antialias_axis_init(antialias_axis *axis, int32_t n_in, int32_t n_out);
void antialias_axis_free(antialias_axis *axis); /* of zeroed memory: fine */

/* Output row `y` of interleaved bytes [y->n_in, x->n_in, channels], rows stride_bytes apart, as
 * floats [x->n_out, channels] in the bytes' range. column: scratch of x->n_in * channels floats. */
void antialias_row(const antialias_axis *x, const antialias_axis *y, const uint8_t *plane,
                   ptrdiff_t stride_bytes, int32_t channels, int32_t row, float *column,
                   float *out);

/* The same for floats [y->n_in, x->n_in]. */
void antialias_row_f32(const antialias_axis *x, const antialias_axis *y, const float *plane,
                       int32_t row, float *column, float *out);

#endif
