/* models/sam2/constants.h - position encodings and embeddings as constants of a graph. */
#ifndef MODELS_SAM2_CONSTANTS_H
#define MODELS_SAM2_CONSTANTS_H

#include "graph/graph.h"
#include "models/sam2/config.h"
#include "models/sam2/position.h"

/* [1, h * w, channels], times `scale` */
tensor_id constant_sine_grid(graph *g, const sam2_size *size, int32_t channels, float scale);

/* [h * w, head_dim / 2, 2] */
tensor_id constant_rope(graph *g, const sam2_size *size, int32_t head_dim, float theta);

/* [memory tokens, d_model / 2, 2]: a perceiver's global latents have no place and are not turned,
 * its 2-D latents are the cells of a grid of their own. */
tensor_id constant_rope_latents(graph *g, const sam2_config *config);

/* [1, h * w, channels] */
tensor_id constant_fourier_grid(graph *g, const sam2_size *size, const float *gaussian,
                                int32_t channels);

/* [1, h, w, channels], see position.h */
tensor_id constant_windowed_grid(graph *g, const windowed_embedding *e, int64_t h, int64_t w);

/* Rows of learned vectors, [1, n_rows, channels]. */
tensor_id constant_tokens(graph *g, const float *const *rows, int n_rows, int64_t channels);

/* x [1, ...] repeated to [batch, ...]. */
tensor_id repeat_batch(graph *g, tensor_id x, int64_t batch);

#endif
