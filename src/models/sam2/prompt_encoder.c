#include "models/sam2/prompt_encoder.h"

#include "models/sam2/position.h"

#include <string.h>

prompt_encoder_weights prompt_encoder_bind(weights *w, const sam2_config *config)
{
    static const char *const prefix = "sam_prompt_encoder";
    const int64_t d = config->d_model, hidden = config->mask_in_channels;
    prompt_encoder_weights p = {.d_model = config->d_model};
    p.gaussian = weights_get(w, prefix, "pe_layer.positional_encoding_gaussian_matrix",
                             WEIGHT_AS_IS, SHAPE(2, d / 2));
    for (int i = 0; i < POINT_N_LABELS; i++) {
        const tensor_prefix name = tensor_prefix_make("point_embeddings.%d.weight", i);
        p.point_embed[i] = weights_get(w, prefix, name.text, WEIGHT_AS_IS, SHAPE(1, d));
    }
    p.not_a_point_embed =
        weights_get(w, prefix, "not_a_point_embed.weight", WEIGHT_AS_IS, SHAPE(1, d));
    p.no_mask_embed = weights_get(w, prefix, "no_mask_embed.weight", WEIGHT_AS_IS, SHAPE(1, d));
    p.mask_convs[0] = conv_bind(w, "sam_prompt_encoder.mask_downscaling.0", hidden / 4, 1, 2);
    p.mask_norms[0] =
        norm_bind(w, "sam_prompt_encoder.mask_downscaling.1", hidden / 4, LAYER_NORM_2D_EPSILON);
    p.mask_convs[1] = conv_bind(w, "sam_prompt_encoder.mask_downscaling.3", hidden, hidden / 4, 2);
    p.mask_norms[1] =
        norm_bind(w, "sam_prompt_encoder.mask_downscaling.4", hidden, LAYER_NORM_2D_EPSILON);
    p.mask_out = conv1x1_bind(w, "sam_prompt_encoder.mask_downscaling.6", d, hidden);
    return p;
}

void prompt_encoder_points(const prompt_encoder_weights *p, const sam2_size *size,
                           const prompt_point *points, int32_t n_points, int32_t n_tokens,
                           float *out)
{
    const int32_t d = p->d_model;
    for (int32_t i = 0; i < n_tokens; i++, out += d) {
        if (i >= n_points || points[i].label == POINT_PADDING) {
            memcpy(out, p->not_a_point_embed, (size_t)d * sizeof(float));
            continue;
        }
        position_fourier(out, p->gaussian, d, ((double)points[i].x + 0.5) / size->image_w,
                         ((double)points[i].y + 0.5) / size->image_h);
        for (int32_t c = 0; c < d; c++)
            out[c] += p->point_embed[points[i].label][c];
    }
}

tensor_id prompt_encoder_no_mask_build(graph *g, const prompt_encoder_weights *p)
{
    return graph_constant_borrow(g, "no_mask_embed", DTYPE_F32, SHAPE(1, 1, 1, p->d_model),
                                 p->no_mask_embed);
}

tensor_id prompt_encoder_masks_build(graph *g, const prompt_encoder_weights *p,
                                     tensor_id mask_logits, tensor_id has_mask)
{
    graph_scope(g, "prompt_encoder.");
    const conv2d_attr half = conv2d_square(2, 0, 1);
    tensor_id x = mask_logits;
    for (int i = 0; i < 2; i++) {
        x = norm_apply(g, &p->mask_norms[i], conv_apply(g, &p->mask_convs[i], x, &half));
        x = graph_unary(g, UNARY_GELU, x);
    }
    x = graph_binary(g, BINARY_MUL, linear_apply(g, &p->mask_out, x), has_mask);
    const tensor_id has_none = graph_binary(g, BINARY_SUB, graph_scalar(g, 1), has_mask);
    return add(g, x, graph_binary(g, BINARY_MUL, prompt_encoder_no_mask_build(g, p), has_none));
}
