/* models/sam2/two_way_transformer.h - tokens attend to the image and the image to the tokens
 * (Kirillov et al. 2023, figure 14). */
#ifndef MODELS_SAM2_TWO_WAY_TRANSFORMER_H
#define MODELS_SAM2_TWO_WAY_TRANSFORMER_H

#include "models/sam2/attention.h"
#include "models/sam2/config.h"

typedef struct two_way_layer {
    attention_weights self_attn, token_to_image, image_to_token;
    norm_weights norm1, norm2, norm3, norm4;
    mlp_weights mlp;
} two_way_layer;

typedef struct two_way_weights {
    two_way_layer layers[SAM2_MAX_LAYERS];
    int n_layers, n_heads;
    attention_weights final_token_to_image;
    norm_weights norm_final;
} two_way_weights;

two_way_weights two_way_bind(weights *w, const sam2_config *config);

/* tokens [batch, n, d_model], image [batch, h * w, d_model] and its position encoding [1, h * w,
 * d_model]; valid [batch, n] or TENSOR_NONE says which tokens the others see. Both are replaced by
 * what comes out. */
void two_way_build(graph *g, const two_way_weights *t, tensor_id image_pe, tensor_id valid,
                   tensor_id *tokens, tensor_id *image);

#endif
