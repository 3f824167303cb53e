/* models/sam2/mask_decoder.h - masks, their quality, whether the object is there, and its pointer
 * (section 4 and appendix D of the SAM 2 paper). */
#ifndef MODELS_SAM2_MASK_DECODER_H
#define MODELS_SAM2_MASK_DECODER_H

#include "models/layers.h"
#include "models/sam2/prompt_encoder.h"
#include "models/sam2/two_way_transformer.h"

enum {
    SAM2_N_MASKS = 4, /* one for clear prompts, then three for ambiguous ones */
    SAM2_N_OUTPUT_TOKENS = 2 + SAM2_N_MASKS /* object score, IoU, masks */
};

typedef struct mask_decoder_weights {
    const float *obj_score_token, *iou_token, *mask_tokens; /* [1, d], [1, d], [4, d] */
    two_way_weights transformer;
    conv_weights upscale1, upscale2; /* transposed, 2x2 with stride 2 */
    norm_weights upscale_norm;
    mlp_weights hypernetworks[SAM2_N_MASKS];
    mlp_weights iou_head, obj_score_head, obj_ptr_proj;
} mask_decoder_weights;

/* Without conv_s0 and conv_s1, which neck.h holds. */
mask_decoder_weights mask_decoder_bind(weights *w, const sam2_config *config);

typedef struct mask_decoder_inputs {
    tensor_id features;    /* [batch or 1, h, w, d_model], conditioned on memory */
    tensor_id high_res_s0; /* [1, 4 h, 4 w, d_model / 8] */
    tensor_id high_res_s1; /* [1, 2 h, 2 w, d_model / 4] */
    tensor_id dense;       /* [batch or 1, h or 1, w or 1, d_model] */
    tensor_id sparse;      /* [batch, n, d_model]; TENSOR_NONE for a frame without prompts */
    tensor_id valid;       /* [batch, SAM2_N_OUTPUT_TOKENS + n]; TENSOR_NONE with sparse */
} mask_decoder_inputs;

typedef struct mask_decoder_outputs {
    tensor_id masks;        /* logits [batch, SAM2_N_MASKS, mask_h * mask_w] */
    tensor_id ious;         /* predicted, 0..1, [batch, SAM2_N_MASKS] */
    tensor_id object_score; /* logit [batch, 1] */
    tensor_id pointers;     /* of each mask, [batch, SAM2_N_MASKS, d_model] */
} mask_decoder_outputs;

mask_decoder_outputs mask_decoder_build(graph *g, const mask_decoder_weights *m,
                                        const prompt_encoder_weights *p, const sam2_config *config,
                                        const sam2_size *size, const mask_decoder_inputs *in,
                                        int64_t batch);

#endif
