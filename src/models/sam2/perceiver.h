/* models/sam2/perceiver.h - EdgeTAM's 2-D spatial perceiver (Zhou et al. 2025, "EdgeTAM: On-Device
 * Track Anything Model"): a memory's cells become few latents. Global latents attend to all cells,
 * 2-D ones to the cells of their own window, so that they keep a place. Both go through the same
 * layers (Jaegle et al. 2021, "Perceiver"). */
#ifndef MODELS_SAM2_PERCEIVER_H
#define MODELS_SAM2_PERCEIVER_H

#include "models/layers.h"
#include "models/sam2/config.h"

typedef struct perceiver_feed_forward {
    norm_weights norm;
    linear_weights widen, narrow;
} perceiver_feed_forward;

typedef struct perceiver_layer {
    norm_weights norm_cells, norm_latents, norm_self;
    linear_weights q, k, v, out;
    linear_weights self_q, self_k, self_v, self_out;
    perceiver_feed_forward ff, self_ff;
} perceiver_layer;

typedef struct perceiver_weights {
    const float *latents;    /* [perceiver_latents, mem_dim] */
    const float *latents_2d; /* [perceiver_latents_2d, mem_dim], a square row by row */
    perceiver_layer layers[SAM2_MAX_LAYERS];
    int n_layers; /* 0: there is no perceiver */
    norm_weights norm;
} perceiver_weights;

perceiver_weights perceiver_bind(weights *w, const sam2_config *config);

/* memory [batch, h * w, mem_dim] becomes [batch, perceiver_latents + perceiver_latents_2d,
 * mem_dim]. */
tensor_id perceiver_build(graph *g, const perceiver_weights *p, const sam2_config *config,
                          const sam2_size *size, tensor_id memory, int64_t batch);

#endif
