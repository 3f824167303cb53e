/* models/sam2/memory_attention.h - conditions a frame's features on an object's memories (section 4
 * of the SAM 2 paper).
 *
 * Two identities make it cheaper than it is written there, exactly:
 * - The first layer's self-attention sees the frame alone, so that it is computed once a frame for
 *   all objects, up to the queries of its cross-attention.
 * - Attention weights of a row sum to 1 and values carry no rotation, so that P (M W + b) =
 *   (P M) W + b: the weights are applied to the memories as they are (64 channels), and the value
 *   projection, folded with the output projection, to the few results. */
#ifndef MODELS_SAM2_MEMORY_ATTENTION_H
#define MODELS_SAM2_MEMORY_ATTENTION_H

#include "models/layers.h"
#include "models/sam2/config.h"

typedef struct memory_attention_layer {
    norm_weights norm1, norm2, norm3;
    linear_weights self_q, self_k, self_out;    /* self_out: value and output projection */
    linear_weights cross_q, cross_k, cross_out; /* cross_k, cross_out read memories */
    linear_weights linear1, linear2;
} memory_attention_layer;

typedef struct memory_attention_weights {
    memory_attention_layer layers[SAM2_MAX_LAYERS];
    int n_layers;
    norm_weights norm;
} memory_attention_weights;

memory_attention_weights memory_attention_bind(weights *w, const sam2_config *config);

/* What a frame has in common for all objects, [1, h * w, d_model] each. */
typedef struct memory_attention_frame {
    tensor_id x; /* features behind the first layer's self-attention */
    tensor_id q; /* queries of the first layer's cross-attention */
} memory_attention_frame;

memory_attention_frame memory_attention_frame_build(graph *g, const memory_attention_weights *m,
                                                    const sam2_config *config,
                                                    const sam2_size *size,
                                                    tensor_id vision_features);

/* A batch of objects over a window of memories. memory [batch, tokens, mem_dim]: n_spatial memories
 * of sam2_memory_tokens tokens, then pointer tokens; positions: what is added for their keys; valid
 * [batch, tokens]: 1 or 0. Returns the conditioned features [batch, h, w, d_model]. */
typedef struct memory_attention_inputs {
    memory_attention_frame frame;
    tensor_id memory, positions, valid;
} memory_attention_inputs;

tensor_id memory_attention_build(graph *g, const memory_attention_weights *m,
                                 const sam2_config *config, const sam2_size *size,
                                 const memory_attention_inputs *in, int64_t batch,
                                 int64_t n_spatial);

#endif
