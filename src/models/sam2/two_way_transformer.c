#include "models/sam2/two_way_transformer.h"

static norm_weights bind_norm(weights *w, const char *prefix, const char *name, int64_t d)
{
    return norm_bind(w, tensor_prefix_make("%s.%s", prefix, name).text, d, LAYER_NORM_EPSILON);
}

static attention_weights bind_attention(weights *w, const char *prefix, const char *name, int64_t d,
                                        int64_t inner)
{
    return attention_bind(w, tensor_prefix_make("%s.%s", prefix, name).text, d, inner, d);
}

two_way_weights two_way_bind(weights *w, const sam2_config *config)
{
    static const char *const prefix = "sam_mask_decoder.transformer";
    const int64_t d = config->d_model, inner = d / config->decoder_downsample;
    two_way_weights t = {.n_layers = config->decoder_layers, .n_heads = config->decoder_heads};
    for (int i = 0; i < t.n_layers; i++) {
        const tensor_prefix layer = tensor_prefix_make("%s.layers.%d", prefix, i);
        const char *p = layer.text;
        t.layers[i] = (two_way_layer){
            .self_attn = bind_attention(w, p, "self_attn", d, d),
            .token_to_image = bind_attention(w, p, "cross_attn_token_to_image", d, inner),
            .image_to_token = bind_attention(w, p, "cross_attn_image_to_token", d, inner),
            .norm1 = bind_norm(w, p, "norm1", d),
            .norm2 = bind_norm(w, p, "norm2", d),
            .norm3 = bind_norm(w, p, "norm3", d),
            .norm4 = bind_norm(w, p, "norm4", d),
            .mlp = mlp_bind(w, tensor_prefix_make("%s.mlp", p).text, d, config->decoder_mlp, d, 2),
        };
        t.layers[i].token_to_image.precise_values = true;
    }
    t.final_token_to_image = bind_attention(w, prefix, "final_attn_token_to_image", d, inner);
    t.final_token_to_image.precise_values = true;
    t.norm_final = bind_norm(w, prefix, "norm_final_attn", d);
    return t;
}

void two_way_build(graph *g, const two_way_weights *t, tensor_id image_pe, tensor_id valid,
                   tensor_id *tokens, tensor_id *image)
{
    const tensor_id token_pe = *tokens; /* the prompts themselves say where they are */
    tensor_id queries = *tokens, keys = *image;
    for (int i = 0; i < t->n_layers; i++) {
        const two_way_layer *l = &t->layers[i];
        graph_scope(g, tensor_prefix_make("decoder.%d.", i).text);
        if (i == 0) { /* the first layer takes no position encoding and has no residual */
            queries =
                attention_apply(g, &l->self_attn, t->n_heads, queries, queries, queries, valid);
        } else {
            const tensor_id q = add(g, queries, token_pe);
            queries = add(g, queries,
                          attention_apply(g, &l->self_attn, t->n_heads, q, q, queries, valid));
        }
        queries = norm_apply(g, &l->norm1, queries);

        const tensor_id k = add(g, keys, image_pe);
        tensor_id q = add(g, queries, token_pe);
        queries = add(g, queries,
                      attention_apply(g, &l->token_to_image, t->n_heads, q, k, keys, TENSOR_NONE));
        queries = norm_apply(g, &l->norm2, queries);

        queries =
            norm_apply(g, &l->norm3, add(g, queries, mlp_apply(g, &l->mlp, queries, UNARY_RELU)));

        q = add(g, queries, token_pe);
        keys =
            add(g, keys, attention_apply(g, &l->image_to_token, t->n_heads, k, q, queries, valid));
        keys = norm_apply(g, &l->norm4, keys);
    }
    graph_scope(g, "decoder.final.");
    const tensor_id q = add(g, queries, token_pe), k = add(g, keys, image_pe);
    queries =
        add(g, queries,
            attention_apply(g, &t->final_token_to_image, t->n_heads, q, k, keys, TENSOR_NONE));
    *tokens = norm_apply(g, &t->norm_final, queries);
    *image = keys;
}
