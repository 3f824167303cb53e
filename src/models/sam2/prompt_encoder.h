/* models/sam2/prompt_encoder.h - points, boxes and masks as tokens and features (Kirillov et al.
 * 2023, "Segment Anything", section 3 and appendix A). */
#ifndef MODELS_SAM2_PROMPT_ENCODER_H
#define MODELS_SAM2_PROMPT_ENCODER_H

#include "models/layers.h"
#include "models/sam2/config.h"

typedef enum point_label {
    POINT_PADDING = -1,
    POINT_BACKGROUND = 0,
    POINT_FOREGROUND = 1,
    POINT_BOX_TOP_LEFT = 2, /* a box is its two corners */
    POINT_BOX_BOTTOM_RIGHT = 3,
    POINT_N_LABELS = 4
} point_label;

typedef struct prompt_encoder_weights {
    const float *gaussian; /* [2, d_model / 2] */
    const float *point_embed[POINT_N_LABELS];
    const float *not_a_point_embed, *no_mask_embed;
    conv_weights mask_convs[2]; /* a stride of 2 each */
    norm_weights mask_norms[2];
    linear_weights mask_out;
    int32_t d_model;
} prompt_encoder_weights;

prompt_encoder_weights prompt_encoder_bind(weights *w, const sam2_config *config);

/* A point in pixels of the model's input, as SAM counts them: x is the pixel's index, its centre
 * lies half a pixel further. */
typedef struct prompt_point {
    float x, y;
    point_label label;
} prompt_point;

/* The sparse embedding of one prompt, out [n_tokens, d_model], n_tokens > n_points: what the points
 * leave free are padding points. The official code adds one padding point to every prompt, and a
 * frame without any prompt has two. */
void prompt_encoder_points(const prompt_encoder_weights *p, const sam2_size *size,
                           const prompt_point *points, int32_t n_points, int32_t n_tokens,
                           float *out);

/* The dense embedding: mask_logits [batch, mask_h, mask_w, 1], has_mask [batch, 1, 1, 1] of 0 or 1.
 * Returns [batch, h, w, d_model]. */
tensor_id prompt_encoder_masks_build(graph *g, const prompt_encoder_weights *p,
                                     tensor_id mask_logits, tensor_id has_mask);

/* Without a mask it is the same everywhere: [1, 1, 1, d_model]. */
tensor_id prompt_encoder_no_mask_build(graph *g, const prompt_encoder_weights *p);

#endif
