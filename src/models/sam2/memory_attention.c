#include "models/sam2/memory_attention.h"

#include "models/sam2/attention.h"
#include "models/sam2/constants.h"

#include <math.h>

memory_attention_weights memory_attention_bind(weights *w, const sam2_config *config)
{
    const int64_t d = config->d_model, ffn = config->memory_attention_ffn;
    memory_attention_weights m = {.n_layers = config->memory_attention_layers};
    for (int i = 0; i < m.n_layers; i++) {
        memory_attention_layer *l = &m.layers[i];
        const tensor_prefix p = tensor_prefix_make("memory_attention.layers.%d", i);
        const attention_weights self =
            attention_bind(w, tensor_prefix_make("%s.self_attn", p.text).text, d, d, d);
        const attention_weights cross = attention_bind(
            w, tensor_prefix_make("%s.cross_attn_image", p.text).text, d, d, config->mem_dim);
        *l = (memory_attention_layer){
            .norm1 =
                norm_bind(w, tensor_prefix_make("%s.norm1", p.text).text, d, LAYER_NORM_EPSILON),
            .norm2 =
                norm_bind(w, tensor_prefix_make("%s.norm2", p.text).text, d, LAYER_NORM_EPSILON),
            .norm3 =
                norm_bind(w, tensor_prefix_make("%s.norm3", p.text).text, d, LAYER_NORM_EPSILON),
            .self_q = self.q,
            .self_k = self.k,
            .self_out = linear_fold(w, &self.v, &self.out),
            .cross_q = cross.q,
            .cross_k = cross.k,
            .cross_out = linear_fold(w, &cross.v, &cross.out),
            .linear1 = linear_bind(w, tensor_prefix_make("%s.linear1", p.text).text, ffn, d),
            .linear2 = linear_bind(w, tensor_prefix_make("%s.linear2", p.text).text, d, ffn),
        };
    }
    m.norm = norm_bind(w, "memory_attention.norm", d, LAYER_NORM_EPSILON);
    return m;
}

/* One head over all channels, scaled by the root of their number. */
static tensor_id rotary_attention(graph *g, const sam2_config *config, tensor_id q, tensor_id k,
                                  tensor_id v, tensor_id rope_q, tensor_id rope_k,
                                  int64_t rope_keys, tensor_id valid)
{
    const attention_attr attr = {
        .heads = 1, .scale = (float)(1.0 / sqrt((double)config->d_model)), .rope_keys = rope_keys};
    const tensor_id in[8] = {q, k, v, rope_q, rope_k, valid, TENSOR_NONE, TENSOR_NONE};
    return graph_attention(g, in, &attr);
}

static tensor_id self_attention(graph *g, const memory_attention_layer *l,
                                const sam2_config *config, const sam2_size *size, tensor_id x,
                                tensor_id rope)
{
    const tensor_id y = norm_apply(g, &l->norm1, x);
    const tensor_id q = linear_apply(g, &l->self_q, y), k = linear_apply(g, &l->self_k, y);
    const tensor_id attended =
        rotary_attention(g, config, q, k, y, rope, rope, (int64_t)size->h * size->w, TENSOR_NONE);
    return add(g, x, linear_apply(g, &l->self_out, attended));
}

static tensor_id cross_queries(graph *g, const memory_attention_layer *l, tensor_id x)
{
    return linear_apply(g, &l->cross_q, norm_apply(g, &l->norm2, x));
}

static tensor_id feed_forward(graph *g, const memory_attention_layer *l, tensor_id x)
{
    tensor_id y = linear_apply(g, &l->linear1, norm_apply(g, &l->norm3, x));
    return add(g, x, linear_apply(g, &l->linear2, graph_unary(g, UNARY_RELU, y)));
}

memory_attention_frame memory_attention_frame_build(graph *g, const memory_attention_weights *m,
                                                    const sam2_config *config,
                                                    const sam2_size *size,
                                                    tensor_id vision_features)
{
    graph_scope(g, "memory_attention.0.");
    const tensor_id rope = constant_rope(g, size, config->d_model, config->rope_theta);
    tensor_id x =
        graph_reshape(g, vision_features, SHAPE(1, (int64_t)size->h * size->w, config->d_model));
    /* The official code adds a tenth of the position encoding to the input. */
    x = add(g, x, constant_sine_grid(g, size, config->d_model, 0.1f));
    x = self_attention(g, &m->layers[0], config, size, x, rope);
    return (memory_attention_frame){.x = x, .q = cross_queries(g, &m->layers[0], x)};
}

tensor_id memory_attention_build(graph *g, const memory_attention_weights *m,
                                 const sam2_config *config, const sam2_size *size,
                                 const memory_attention_inputs *in, int64_t batch,
                                 int64_t n_spatial)
{
    const int64_t n_memory = sam2_memory_tokens(config, size);
    const tensor_id rope = constant_rope(g, size, config->d_model, config->rope_theta);
    const tensor_id rope_memory =
        config->perceiver_layers ? constant_rope_latents(g, config) : rope;
    graph_scope(g, "memory_attention.");
    const tensor_id keys = add(g, in->memory, in->positions);
    tensor_id x = in->frame.x;
    for (int i = 0; i < m->n_layers; i++) {
        const memory_attention_layer *l = &m->layers[i];
        graph_scope(g, tensor_prefix_make("memory_attention.%d.", i).text);
        if (i > 0)
            x = self_attention(g, l, config, size, x, rope);
        const tensor_id q = i > 0 ? cross_queries(g, l, x) : repeat_batch(g, in->frame.q, batch);
        const tensor_id k = linear_apply(g, &l->cross_k, keys);
        /* Pointer tokens have no place in the picture and are not rotated. */
        const tensor_id attended = rotary_attention(g, config, q, k, in->memory, rope, rope_memory,
                                                    n_spatial * n_memory, in->valid);
        x = add(g, x, linear_apply(g, &l->cross_out, attended));
        x = feed_forward(g, l, x);
    }
    x = norm_apply(g, &m->norm, x);
    return graph_reshape(g, x, SHAPE(batch, size->h, size->w, config->d_model));
}
