/* backend/cpu/simd/depthwise.h - convolutions that keep channels apart. */
#ifndef BACKEND_CPU_SIMD_DEPTHWISE_H
#define BACKEND_CPU_SIMD_DEPTHWISE_H

#include "graph/graph.h"

/* Neighbouring output pixels whose windows lie inside the input, or one pixel whose window was cut
 * to what lies inside. */
typedef struct depthwise_args {
    const float *in;                        /* the first tap of the first pixel */
    int64_t pixel_step, tap_step, row_step; /* elements to the next pixel, tap and row of taps */
    int64_t taps_h, taps_w;
    const float *weights;                 /* of the first tap; channels padded to whole vectors */
    int64_t weight_step, weight_row_step; /* elements to the next tap and row of taps */
    const float *bias;                    /* padded likewise */
    int64_t channels;
    int64_t n_pixels;
    unary_attr act; /* IDENTITY, RELU, CLAMP or SILU, applied in registers */
    float *out;
    int64_t out_stride;
} depthwise_args;

typedef struct depthwise_table {
    int lanes;
    void (*run)(const depthwise_args *args);
} depthwise_table;

extern const depthwise_table depthwise_table_generic, depthwise_table_avx2, depthwise_table_avx512;

#endif
