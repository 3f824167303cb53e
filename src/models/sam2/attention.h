/* models/sam2/attention.h - the four projections of an attention layer (Vaswani et al. 2017). */
#ifndef MODELS_SAM2_ATTENTION_H
#define MODELS_SAM2_ATTENTION_H

#include "models/layers.h"

typedef struct attention_weights {
    linear_weights q, k, v, out;
    bool precise_values; /* keep v in fp32: rounding shows in the few tokens that take from many */
} attention_weights;

/* PREFIX.{q,k,v,out}_proj; attention happens on `inner` channels, keys and values come with kv_dim.
 */
attention_weights attention_bind(weights *w, const char *prefix, int64_t dim, int64_t inner,
                                 int64_t kv_dim);

/* Queries, keys and values [batch, tokens, dim]; valid [batch, key tokens] or TENSOR_NONE. A batch
 * of 1 on one side is shared by all of the other's. */
tensor_id attention_apply(graph *g, const attention_weights *a, int heads, tensor_id q, tensor_id k,
                          tensor_id v, tensor_id valid);

#endif
