/* models/sam2/position.h - the position encodings of SAM 2, all constants or tiny. */
#ifndef MODELS_SAM2_POSITION_H
#define MODELS_SAM2_POSITION_H

#include <stdint.h>

/* Sine encoding of a grid's cells (Carion et al. 2020, DETR, normalised to 2 pi per axis): the
 * first half of the channels encodes the row, the second the column. out [h * w, channels] */
void position_sine_grid(float *out, int32_t h, int32_t w, int32_t channels);

/* Axial rotary table (Heo et al. 2024, RoPE-ViT): the first half of a head's pairs turns with the
 * column, the second with the row. out [h * w, head_dim / 2, 2] of (cos, sin) */
void position_rope_axial(float *out, int32_t h, int32_t w, int32_t head_dim, float theta);

/* Random Fourier features (Tancik et al. 2020) of a point in [0, 1] x [0, 1]: sines, then cosines.
 * gaussian [2, channels / 2], out [channels] */
void position_fourier(float *out, const float *gaussian, int32_t channels, double x, double y);

/* The same for the centres of a grid's cells. out [h * w, channels] */
void position_fourier_grid(float *out, const float *gaussian, int32_t channels, int32_t h,
                           int32_t w);

/* A learned embedding of a picture's cells (Bolya et al. 2023): a coarse one that is stretched over
 * the grid, bicubically as PyTorch does it, plus one of a window that is repeated over it. */
typedef struct windowed_embedding {
    const float *coarse; /* [coarse_size, coarse_size, channels] */
    const float *window; /* [window_size, window_size, channels] */
    int32_t coarse_size, window_size, channels;
} windowed_embedding;

/* out [h * w, channels] */
void position_windowed_grid(float *out, const windowed_embedding *e, int64_t h, int64_t w);

/* Sine encoding of a time (Vaswani et al. 2017): sines, then cosines. out [channels] */
void position_time(float *out, double time, int32_t channels);

#endif
