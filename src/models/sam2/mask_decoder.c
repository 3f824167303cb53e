#include "models/sam2/mask_decoder.h"

#include "models/sam2/constants.h"

mask_decoder_weights mask_decoder_bind(weights *w, const sam2_config *config)
{
    static const char *const prefix = "sam_mask_decoder";
    const int64_t d = config->d_model;
    mask_decoder_weights m = {
        .obj_score_token =
            weights_get(w, prefix, "obj_score_token.weight", WEIGHT_AS_IS, SHAPE(1, d)),
        .iou_token = weights_get(w, prefix, "iou_token.weight", WEIGHT_AS_IS, SHAPE(1, d)),
        .mask_tokens =
            weights_get(w, prefix, "mask_tokens.weight", WEIGHT_AS_IS, SHAPE(SAM2_N_MASKS, d)),
        .transformer = two_way_bind(w, config),
        .upscale1 = conv_transpose_bind(w, "sam_mask_decoder.output_upscaling.0", d / 4, d, 2),
        .upscale_norm =
            norm_bind(w, "sam_mask_decoder.output_upscaling.1", d / 4, LAYER_NORM_2D_EPSILON),
        .upscale2 = conv_transpose_bind(w, "sam_mask_decoder.output_upscaling.3", d / 8, d / 4, 2),
        .iou_head = mlp_bind(w, "sam_mask_decoder.iou_prediction_head", d, config->iou_head_hidden,
                             SAM2_N_MASKS, config->iou_head_layers),
        .obj_score_head = mlp_bind(w, "sam_mask_decoder.pred_obj_score_head", d, d, 1, 3),
        .obj_ptr_proj = mlp_bind(w, "obj_ptr_proj", d, d, d, 3),
    };
    for (int i = 0; i < SAM2_N_MASKS; i++) {
        const tensor_prefix mlp =
            tensor_prefix_make("sam_mask_decoder.output_hypernetworks_mlps.%d", i);
        m.hypernetworks[i] = mlp_bind(w, mlp.text, d, d, d / 8, 3);
    }
    return m;
}

static tensor_id output_tokens(graph *g, const mask_decoder_weights *m, int64_t d)
{
    const float *rows[SAM2_N_OUTPUT_TOKENS] = {m->obj_score_token, m->iou_token};
    for (int i = 0; i < SAM2_N_MASKS; i++)
        rows[2 + i] = m->mask_tokens + i * d;
    return constant_tokens(g, rows, SAM2_N_OUTPUT_TOKENS, d);
}

/* Tokens of every object: the output tokens and then its prompt. */
static tensor_id all_tokens(graph *g, const mask_decoder_weights *m,
                            const prompt_encoder_weights *p, const mask_decoder_inputs *in,
                            int64_t batch)
{
    const tensor_id outputs = output_tokens(g, m, p->d_model);
    if (in->sparse != TENSOR_NONE)
        return graph_concat(g, (tensor_id[]){repeat_batch(g, outputs, batch), in->sparse}, 2, 1);
    const float *padding[2] = {p->not_a_point_embed, p->not_a_point_embed};
    const tensor_id parts[2] = {outputs, constant_tokens(g, padding, 2, p->d_model)};
    return repeat_batch(g, graph_concat(g, parts, 2, 1), batch);
}

static tensor_id take_tokens(graph *g, tensor_id tokens, int64_t first, int64_t n)
{
    if (tokens == TENSOR_NONE)
        return TENSOR_NONE;
    const tensor_shape *shape = &graph_tensor_at(g, tokens)->shape;
    const slice_attr slice = {
        .start = {0, first, 0}, .step = {1, 1, 1}, .size = {shape->dim[0], n, shape->dim[2]}};
    return graph_slice(g, tokens, &slice);
}

static tensor_id upscale(graph *g, const conv_weights *c, tensor_id x)
{
    const conv_transpose2d_attr twice = {.stride_h = 2, .stride_w = 2};
    const tensor_id weight = graph_constant_borrow(
        g, "weight", DTYPE_F32, SHAPE(c->out, c->size, c->size, c->in_per_group), c->weight);
    const tensor_id bias = graph_constant_borrow(g, "bias", DTYPE_F32, SHAPE(c->out), c->bias);
    return graph_conv_transpose2d(g, x, weight, bias, &twice);
}

static tensor_id masks_of(graph *g, const mask_decoder_weights *m, const sam2_size *size,
                          const mask_decoder_inputs *in, tensor_id image, tensor_id tokens,
                          int64_t batch)
{
    graph_scope(g, "decoder.upscale.");
    tensor_id x = graph_reshape(g, image, SHAPE(batch, size->h, size->w, m->upscale1.in_per_group));
    x = add(g, upscale(g, &m->upscale1, x), in->high_res_s1);
    x = graph_unary(g, UNARY_GELU, norm_apply(g, &m->upscale_norm, x));
    x = add(g, upscale(g, &m->upscale2, x), in->high_res_s0);
    x = graph_unary(g, UNARY_GELU, x);
    x = graph_reshape(g, x, SHAPE(batch, (int64_t)size->mask_h * size->mask_w, m->upscale2.out));

    graph_scope(g, "decoder.masks.");
    tensor_id hyper[SAM2_N_MASKS];
    for (int i = 0; i < SAM2_N_MASKS; i++)
        hyper[i] = mlp_apply(g, &m->hypernetworks[i], take_tokens(g, tokens, 2 + i, 1), UNARY_RELU);
    return graph_matmul(g, graph_concat(g, hyper, SAM2_N_MASKS, 1), x,
                        &(matmul_attr){.transpose_b = true, .scale = 1});
}

mask_decoder_outputs mask_decoder_build(graph *g, const mask_decoder_weights *m,
                                        const prompt_encoder_weights *p, const sam2_config *config,
                                        const sam2_size *size, const mask_decoder_inputs *in,
                                        int64_t batch)
{
    const int64_t d = config->d_model, n_cells = (int64_t)size->h * size->w;
    graph_scope(g, "decoder.");
    tensor_id tokens = all_tokens(g, m, p, in, batch);
    const int64_t n_images = graph_tensor_at(g, in->features)->shape.dim[0];
    tensor_id image =
        graph_reshape(g, add(g, in->features, in->dense), SHAPE(n_images, n_cells, d));
    const tensor_id image_pe = constant_fourier_grid(g, size, p->gaussian, config->d_model);
    two_way_build(g, &m->transformer, image_pe, in->valid, &tokens, &image);

    mask_decoder_outputs out = {.masks = masks_of(g, m, size, in, image, tokens, batch)};
    graph_scope(g, "decoder.heads.");
    const tensor_id ious = mlp_apply(g, &m->iou_head, take_tokens(g, tokens, 1, 1), UNARY_RELU);
    out.ious = graph_reshape(g, graph_unary(g, UNARY_SIGMOID, ious), SHAPE(batch, SAM2_N_MASKS));
    const tensor_id score =
        mlp_apply(g, &m->obj_score_head, take_tokens(g, tokens, 0, 1), UNARY_RELU);
    out.object_score = graph_reshape(g, score, SHAPE(batch, 1));
    out.pointers =
        mlp_apply(g, &m->obj_ptr_proj, take_tokens(g, tokens, 2, SAM2_N_MASKS), UNARY_RELU);
    return out;
}
