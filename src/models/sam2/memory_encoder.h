/* models/sam2/memory_encoder.h - turns a frame's features and a mask into a memory. */
#ifndef MODELS_SAM2_MEMORY_ENCODER_H
#define MODELS_SAM2_MEMORY_ENCODER_H

#include "models/layers.h"
#include "models/sam2/config.h"
#include "models/sam2/perceiver.h"

/* ConvNeXt's block (Liu et al. 2022). Its layer scale is folded into `narrow`. */
typedef struct fuser_block {
    conv_weights depthwise;
    norm_weights norm;
    linear_weights widen, narrow;
} fuser_block;

typedef struct memory_encoder_weights {
    conv_weights mask_convs[SAM2_MAX_DOWNSAMPLER_LAYERS];
    norm_weights mask_norms[SAM2_MAX_DOWNSAMPLER_LAYERS];
    int n_mask_convs;
    linear_weights mask_out;
    linear_weights pix_feat_proj;
    fuser_block fuser[SAM2_MAX_LAYERS];
    int n_fuser;
    linear_weights out_proj;
    perceiver_weights perceiver;
} memory_encoder_weights;

memory_encoder_weights memory_encoder_bind(weights *w, const sam2_config *config);

/* The part that sees the frame alone: [1, h, w, d_model]. */
tensor_id memory_encoder_frame_build(graph *g, const memory_encoder_weights *m,
                                     tensor_id vision_features);

/* frame_features: the above; mask_logits [batch, mask_h, mask_w, 1]. A mask that is to enter as 0
 * or 1 has logits that are very small or large. Returns [batch, memory tokens, mem_dim]. */
tensor_id memory_encoder_build(graph *g, const memory_encoder_weights *m, const sam2_config *config,
                               const sam2_size *size, tensor_id frame_features,
                               tensor_id mask_logits, int64_t batch);

#endif
