#include "models/sam2/attention.h"

#include "models/sam2/constants.h"

#include <math.h>

attention_weights attention_bind(weights *w, const char *prefix, int64_t dim, int64_t inner,
                                 int64_t kv_dim)
{
    return (attention_weights){
        .q = linear_bind(w, tensor_prefix_make("%s.q_proj", prefix).text, inner, dim),
        .k = linear_bind(w, tensor_prefix_make("%s.k_proj", prefix).text, inner, kv_dim),
        .v = linear_bind(w, tensor_prefix_make("%s.v_proj", prefix).text, inner, kv_dim),
        .out = linear_bind(w, tensor_prefix_make("%s.out_proj", prefix).text, dim, inner),
    };
}

/* Projected queries, repeated where several batches of keys share them. */
static tensor_id queries_for(graph *g, const attention_weights *a, tensor_id q, tensor_id k)
{
    const tensor_id projected = linear_apply(g, &a->q, q);
    if (projected == TENSOR_NONE || k == TENSOR_NONE ||
        graph_tensor_at(g, q)->shape.dim[0] >= graph_tensor_at(g, k)->shape.dim[0])
        return projected;
    return repeat_batch(g, projected, graph_tensor_at(g, k)->shape.dim[0]);
}

tensor_id attention_apply(graph *g, const attention_weights *a, int heads, tensor_id q, tensor_id k,
                          tensor_id v, tensor_id valid)
{
    const attention_attr attr = {.heads = heads,
                                 .scale = (float)(1.0 / sqrt((double)(a->q.n / heads)))};
    const tensor_id in[8] = {queries_for(g, a, q, k),
                             linear_apply(g, &a->k, k),
                             a->precise_values ? linear_apply_precise(g, &a->v, v)
                                               : linear_apply(g, &a->v, v),
                             TENSOR_NONE,
                             TENSOR_NONE,
                             valid,
                             TENSOR_NONE,
                             TENSOR_NONE};
    return linear_apply(g, &a->out, graph_attention(g, in, &attr));
}
