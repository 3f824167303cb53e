#include "models/sam2/memory_encoder.h"

enum { FUSER_KERNEL = 7, FUSER_EXPANSION = 4 };

/* Each layer of the mask branch halves the mask and quadruples its channels, down to the stride of
 * the features. */
enum { MASK_CHANNEL_GROWTH = 4 };

/* gamma (W x + b) = (gamma W) x + gamma b */
static linear_weights scaled(weights *w, const linear_weights *l, const float *gamma)
{
    float *weight = weights_derive(w, l->n * l->k), *bias = weights_derive(w, l->n);
    const linear_weights result = {.weight = weight, .bias = bias, .n = l->n, .k = l->k};
    if (!weight || !bias || !gamma || !l->weight || !l->bias)
        return result;
    for (int64_t i = 0; i < l->n; i++) {
        bias[i] = gamma[i] * l->bias[i];
        for (int64_t j = 0; j < l->k; j++)
            weight[i * l->k + j] = gamma[i] * l->weight[i * l->k + j];
    }
    return result;
}

static fuser_block fuser_block_bind(weights *w, const char *prefix, int64_t d, int64_t hidden)
{
    const linear_weights narrow =
        linear_bind(w, tensor_prefix_make("%s.pwconv2", prefix).text, d, hidden);
    const float *gamma = weights_get(w, prefix, "gamma", WEIGHT_AS_IS, SHAPE(d));
    return (fuser_block){
        .depthwise = conv_bind(w, tensor_prefix_make("%s.dwconv", prefix).text, d, 1, FUSER_KERNEL),
        .norm = norm_bind(w, tensor_prefix_make("%s.norm", prefix).text, d, LAYER_NORM_2D_EPSILON),
        .widen = linear_bind(w, tensor_prefix_make("%s.pwconv1", prefix).text, hidden, d),
        .narrow = scaled(w, &narrow, gamma),
    };
}

memory_encoder_weights memory_encoder_bind(weights *w, const sam2_config *config)
{
    const int64_t d = config->d_model;
    memory_encoder_weights m = {.n_fuser = config->memory_fuser_layers};
    int64_t in = 1;
    for (int stride = config->memory_mask_stride; stride < SAM2_STRIDE; stride *= 2)
        m.n_mask_convs++;
    for (int i = 0; i < m.n_mask_convs; i++) {
        const int64_t out = in * MASK_CHANNEL_GROWTH;
        /* Convolution, norm and activation take three places in the published list. */
        const tensor_prefix conv =
            tensor_prefix_make("memory_encoder.mask_downsampler.encoder.%d", 3 * i);
        const tensor_prefix norm =
            tensor_prefix_make("memory_encoder.mask_downsampler.encoder.%d", 3 * i + 1);
        m.mask_convs[i] = conv_bind(w, conv.text, out, in, 3);
        m.mask_norms[i] = norm_bind(w, norm.text, out, LAYER_NORM_2D_EPSILON);
        in = out;
    }
    const tensor_prefix last =
        tensor_prefix_make("memory_encoder.mask_downsampler.encoder.%d", 3 * m.n_mask_convs);
    m.mask_out = conv1x1_bind(w, last.text, d, in);
    m.pix_feat_proj = conv1x1_bind(w, "memory_encoder.pix_feat_proj", d, d);
    for (int i = 0; i < m.n_fuser; i++)
        m.fuser[i] =
            fuser_block_bind(w, tensor_prefix_make("memory_encoder.fuser.layers.%d", i).text, d,
                             FUSER_EXPANSION * d);
    m.out_proj = conv1x1_bind(w, "memory_encoder.out_proj", config->mem_dim, d);
    m.perceiver = perceiver_bind(w, config);
    return m;
}

tensor_id memory_encoder_frame_build(graph *g, const memory_encoder_weights *m,
                                     tensor_id vision_features)
{
    graph_scope(g, "memory_encoder.frame.");
    return linear_apply(g, &m->pix_feat_proj, vision_features);
}

static tensor_id mask_downsample(graph *g, const memory_encoder_weights *m,
                                 const sam2_config *config, const sam2_size *size,
                                 tensor_id mask_logits)
{
    graph_scope(g, "memory_encoder.mask.");
    if (config->memory_mask_stride == 1) {
        const resize2d_attr full = {
            .kind = RESIZE_BILINEAR, .out_h = size->image_h, .out_w = size->image_w};
        mask_logits = graph_resize2d(g, mask_logits, &full);
    }
    tensor_id x = graph_unary(g, UNARY_SIGMOID, mask_logits);
    x = graph_binary(g, BINARY_MUL, x, graph_scalar(g, config->mask_sigmoid_scale));
    x = add(g, x, graph_scalar(g, config->mask_sigmoid_bias));
    const conv2d_attr half = conv2d_square(2, 1, 1);
    for (int i = 0; i < m->n_mask_convs; i++) {
        x = norm_apply(g, &m->mask_norms[i], conv_apply(g, &m->mask_convs[i], x, &half));
        x = graph_unary(g, UNARY_GELU, x);
    }
    return linear_apply(g, &m->mask_out, x);
}

tensor_id memory_encoder_build(graph *g, const memory_encoder_weights *m, const sam2_config *config,
                               const sam2_size *size, tensor_id frame_features,
                               tensor_id mask_logits, int64_t batch)
{
    tensor_id x = add(g, mask_downsample(g, m, config, size, mask_logits), frame_features);
    const conv2d_attr depthwise = conv2d_square(1, FUSER_KERNEL / 2, config->d_model);
    for (int i = 0; i < m->n_fuser; i++) {
        const fuser_block *block = &m->fuser[i];
        graph_scope(g, tensor_prefix_make("memory_encoder.fuser%d.", i).text);
        tensor_id y = norm_apply(g, &block->norm, conv_apply(g, &block->depthwise, x, &depthwise));
        y = graph_unary(g, UNARY_GELU, linear_apply(g, &block->widen, y));
        x = add(g, x, linear_apply(g, &block->narrow, y));
    }
    graph_scope(g, "memory_encoder.");
    x = linear_apply(g, &m->out_proj, x);
    x = graph_reshape(g, x, SHAPE(batch, (int64_t)size->h * size->w, config->mem_dim));
    return m->perceiver.n_layers ? perceiver_build(g, &m->perceiver, config, size, x, batch) : x;
}
