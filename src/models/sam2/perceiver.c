#include "models/sam2/perceiver.h"

#include "models/sam2/constants.h"

#include <math.h>

enum { FEED_FORWARD_RATIO = 4 };

static perceiver_feed_forward bind_feed_forward(weights *w, const char *prefix, int64_t d)
{
    return (perceiver_feed_forward){
        .norm = norm_bind(w, tensor_prefix_make("%s.0", prefix).text, d, LAYER_NORM_EPSILON),
        .widen = linear_bind_plain(w, tensor_prefix_make("%s.1", prefix).text,
                                   FEED_FORWARD_RATIO * d, d),
        .narrow = linear_bind_plain(w, tensor_prefix_make("%s.3", prefix).text, d,
                                    FEED_FORWARD_RATIO * d),
    };
}

/* Keys and values are published as the rows of one matrix. */
static void bind_keys_values(weights *w, const char *prefix, int64_t d, linear_weights *k,
                             linear_weights *v)
{
    const linear_weights both =
        linear_bind_plain(w, tensor_prefix_make("%s.to_kv", prefix).text, 2 * d, d);
    *k = *v = both;
    k->n = v->n = d;
    v->weight = both.weight ? both.weight + d * d : NULL;
}

static perceiver_layer bind_layer(weights *w, const char *prefix, int64_t d)
{
    const tensor_prefix cross = tensor_prefix_make("%s.attn", prefix),
                        self = tensor_prefix_make("%s.self_attn", prefix);
    perceiver_layer l = {
        .norm_cells =
            norm_bind(w, tensor_prefix_make("%s.norm_x", cross.text).text, d, LAYER_NORM_EPSILON),
        .norm_latents = norm_bind(w, tensor_prefix_make("%s.norm_latents", cross.text).text, d,
                                  LAYER_NORM_EPSILON),
        .norm_self =
            norm_bind(w, tensor_prefix_make("%s.norm", self.text).text, d, LAYER_NORM_EPSILON),
        .q = linear_bind_plain(w, tensor_prefix_make("%s.to_q", cross.text).text, d, d),
        .out = linear_bind_plain(w, tensor_prefix_make("%s.to_out", cross.text).text, d, d),
        .self_q = linear_bind_plain(w, tensor_prefix_make("%s.to_q", self.text).text, d, d),
        .self_out = linear_bind_plain(w, tensor_prefix_make("%s.to_out", self.text).text, d, d),
        .ff = bind_feed_forward(w, tensor_prefix_make("%s.ff", prefix).text, d),
        .self_ff = bind_feed_forward(w, tensor_prefix_make("%s.self_ff", prefix).text, d),
    };
    bind_keys_values(w, cross.text, d, &l.k, &l.v);
    bind_keys_values(w, self.text, d, &l.self_k, &l.self_v);
    return l;
}

perceiver_weights perceiver_bind(weights *w, const sam2_config *c)
{
    static const char *const prefix = "spatial_perceiver";
    perceiver_weights p = {.n_layers = c->perceiver_layers};
    if (p.n_layers == 0)
        return p;
    p.latents =
        weights_get(w, prefix, "latents", WEIGHT_AS_IS, SHAPE(c->perceiver_latents, c->mem_dim));
    p.latents_2d = weights_get(w, prefix, "latents_2d", WEIGHT_AS_IS,
                               SHAPE(c->perceiver_latents_2d, c->mem_dim));
    for (int i = 0; i < p.n_layers; i++)
        p.layers[i] = bind_layer(w, tensor_prefix_make("%s.layers.%d", prefix, i).text, c->mem_dim);
    p.norm = norm_bind(w, "spatial_perceiver.norm", c->mem_dim, LAYER_NORM_EPSILON);
    return p;
}

/* One head. Without windows every query sees all keys. */
static tensor_id attend(graph *g, tensor_id q, tensor_id k, tensor_id v,
                        const attention_attr *where)
{
    attention_attr attr = *where;
    attr.heads = 1;
    attr.scale = (float)(1.0 / sqrt((double)shape_last(&graph_tensor_at(g, q)->shape)));
    const tensor_id in[8] = {q,           k,           v,           TENSOR_NONE,
                             TENSOR_NONE, TENSOR_NONE, TENSOR_NONE, TENSOR_NONE};
    return graph_attention(g, in, &attr);
}

static tensor_id feed_forward(graph *g, const perceiver_feed_forward *f, tensor_id x)
{
    const tensor_id y = linear_apply(g, &f->widen, norm_apply(g, &f->norm, x));
    return add(g, x, linear_apply(g, &f->narrow, graph_unary(g, UNARY_GELU, y)));
}

/* cells [batch, h * w, mem_dim]. Global latents see keys and values with their place added, and
 * then each other; a 2-D latent sees its window alone and then itself, so that of its
 * self-attention the value is left. */
static tensor_id layer(graph *g, const perceiver_layer *l, tensor_id latents, tensor_id cells,
                       tensor_id place, const attention_attr *where)
{
    const tensor_id x = norm_apply(g, &l->norm_cells, cells);
    tensor_id k = linear_apply(g, &l->k, x), v = linear_apply(g, &l->v, x);
    if (place != TENSOR_NONE) {
        k = add(g, k, place);
        v = add(g, v, place);
    }
    const tensor_id q = linear_apply(g, &l->q, norm_apply(g, &l->norm_latents, latents));
    latents = add(g, latents, linear_apply(g, &l->out, attend(g, q, k, v, where)));
    latents = feed_forward(g, &l->ff, latents);

    const tensor_id y = norm_apply(g, &l->norm_self, latents);
    tensor_id seen = linear_apply(g, &l->self_v, y);
    if (place != TENSOR_NONE)
        seen =
            attend(g, linear_apply(g, &l->self_q, y), linear_apply(g, &l->self_k, y), seen, where);
    latents = add(g, latents, linear_apply(g, &l->self_out, seen));
    return feed_forward(g, &l->self_ff, latents);
}

static tensor_id latents_of(graph *g, const float *values, int64_t n, int64_t d, int64_t batch)
{
    const tensor_id one = graph_constant_borrow(g, "latents", DTYPE_F32, SHAPE(1, n, d), values);
    return repeat_batch(g, one, batch);
}

tensor_id perceiver_build(graph *g, const perceiver_weights *p, const sam2_config *c,
                          const sam2_size *size, tensor_id memory, int64_t batch)
{
    if (memory == TENSOR_NONE)
        return TENSOR_NONE;
    const int side = sam2_perceiver_side(c);
    const attention_attr everywhere = {0}, in_windows = {.grid_h = size->h,
                                                         .grid_w = size->w,
                                                         .window_h = size->h / side,
                                                         .window_w = size->w / side,
                                                         .q_grid_h = side,
                                                         .q_grid_w = side,
                                                         .q_window_h = 1,
                                                         .q_window_w = 1};
    const tensor_id place = constant_sine_grid(g, size, c->mem_dim, 1);
    tensor_id global = latents_of(g, p->latents, c->perceiver_latents, c->mem_dim, batch),
              local = latents_of(g, p->latents_2d, c->perceiver_latents_2d, c->mem_dim, batch);
    for (int i = 0; i < p->n_layers; i++) {
        graph_scope(g, tensor_prefix_make("perceiver.%d.global.", i).text);
        global = layer(g, &p->layers[i], global, memory, place, &everywhere);
        graph_scope(g, tensor_prefix_make("perceiver.%d.local.", i).text);
        local = layer(g, &p->layers[i], local, memory, TENSOR_NONE, &in_windows);
    }
    graph_scope(g, "perceiver.");
    const tensor_id parts[2] = {norm_apply(g, &p->norm, global), norm_apply(g, &p->norm, local)};
    return graph_concat(g, parts, 2, 1);
}
