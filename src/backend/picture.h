/* backend/picture.h - a window of a picture, as bytes in a buffer, made a network's input where the
 * network runs: resized with a filter, converted to RGB and normalised.
 *
 * Along either axis a sample of the output is a weighted sum of some of the window's. Sums over
 * rows come first, in the order of the taps and with fused multiply-adds; then those over columns.
 */
#ifndef BACKEND_PICTURE_H
#define BACKEND_PICTURE_H

#include "backend/backend.h"

enum { PICTURE_MAX_PLANES = 3 };

/* Sample i is the sum over k < count[i] of weights[i * max_taps + k] * in[first[i] + k]. Three
 * arrays that lie in a buffer of 32-bit words from word `at` on, one after the other: first[n_out]
 * and count[n_out] as int32_t, weights[n_out * max_taps], 0 beyond a count. first[i] and first[i] +
 * count[i] never fall. */
typedef struct picture_axis {
    size_t at;
    int32_t n_in, n_out, max_taps;
    /* 8: where eight samples i & ~7 .. i | 7 exist and can read max_taps, columns of planes of one
     * channel are summed as eight sums of every eighth tap, joined in pairs, as vectors do it. 1:
     * as other planes are. */
    int32_t lanes;
} picture_axis;

/* Interleaved bytes [y.n_in, x.n_in, channels]; n_out are the view's width and height. */
typedef struct picture_plane {
    size_t at; /* byte where the window's first sample is */
    size_t stride_bytes;
    int32_t channels; /* 1..3 */
    picture_axis x, y;
} picture_plane;

typedef struct picture_view {
    const buffer *bytes, *tables; /* of BUFFER_DEVICE */
    int32_t n_planes;
    picture_plane planes[PICTURE_MAX_PLANES];
    /* Not: one plane, of red, green and blue or of grey. Else luma and chroma, in one plane of two
     * channels or in two: R = luma (Y + luma_offset) + red_v (V - 128) and so on, in 0..255. */
    bool is_yuv;
    float luma, luma_offset, red_v, green_u, green_v, blue_u;
    float gain[3], offset[3]; /* what is written is gain * R + offset, and so on */
    buffer *out;              /* [height, width, 3] floats from its start, of BUFFER_DEVICE */
    int32_t width, height;
} picture_view;

/* For backends: ROTO_ERROR_INTERNAL when a view would leave its buffers (but for what tables say).
 */
roto_status picture_view_check(const picture_view *view, const backend *b);

#endif
