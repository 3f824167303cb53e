/* models/layers.h - the few layers that models are made of: their weights, bound by published
 * names, and the graph operators that apply them. */
#ifndef MODELS_LAYERS_H
#define MODELS_LAYERS_H

#include "graph/graph.h"
#include "models/weights.h"

/* A dotted prefix of tensor names. */
typedef struct tensor_prefix {
    char text[128];
} tensor_prefix;

tensor_prefix tensor_prefix_make(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

typedef struct linear_weights {
    const float *weight, *bias; /* [n, k], [n]; bias NULL for none */
    int64_t n, k;
} linear_weights;

typedef struct conv_weights {
    const float *weight, *bias;      /* [out, size, size, in / groups], [out] */
    int64_t out, size, in_per_group; /* of a square kernel */
} conv_weights;

typedef struct norm_weights {
    const float *gamma, *beta; /* [channels] */
    int64_t channels;
    float epsilon;
} norm_weights;

/* nn.LayerNorm and the LayerNorm2d of segment-anything differ in this. */
#define LAYER_NORM_EPSILON 1e-5f
#define LAYER_NORM_2D_EPSILON 1e-6f
#define BATCH_NORM_EPSILON 1e-5f

/* A perceptron with activations between its layers. */
enum { MLP_MAX_LAYERS = 4 };
typedef struct mlp_weights {
    linear_weights layers[MLP_MAX_LAYERS];
    int n_layers;
} mlp_weights;

/* PREFIX.weight and PREFIX.bias. */
linear_weights linear_bind(weights *w, const char *prefix, int64_t n, int64_t k);
conv_weights conv_bind(weights *w, const char *prefix, int64_t out, int64_t in_per_group,
                       int64_t size);
conv_weights conv_transpose_bind(weights *w, const char *prefix, int64_t out, int64_t in,
                                 int64_t size);
linear_weights conv1x1_bind(weights *w, const char *prefix, int64_t out, int64_t in);
linear_weights linear_bind_plain(weights *w, const char *prefix, int64_t n,
                                 int64_t k); /* no bias: NULL */
norm_weights norm_bind(weights *w, const char *prefix, int64_t channels, float epsilon);
mlp_weights mlp_bind(weights *w, const char *prefix, int64_t in, int64_t hidden, int64_t out,
                     int n_layers); /* PREFIX.layers.N */

/* A convolution PREFIX.c without a bias and the batch norm PREFIX.bn behind it, as one. */
conv_weights conv_norm_bind(weights *w, const char *prefix, int64_t out, int64_t in_per_group,
                            int64_t size);

/* One layer that does what `first` and then `second` do, with nothing between them. */
linear_weights linear_fold(weights *w, const linear_weights *first, const linear_weights *second);

tensor_id linear_apply(graph *g, const linear_weights *l, tensor_id x);

/* The same in fp32 where a CPU would otherwise compute it in bfloat16. */
tensor_id linear_apply_precise(graph *g, const linear_weights *l, tensor_id x);
tensor_id conv_apply(graph *g, const conv_weights *c, tensor_id x, const conv2d_attr *attr);
tensor_id norm_apply(graph *g, const norm_weights *n, tensor_id x);
tensor_id mlp_apply(graph *g, const mlp_weights *m, tensor_id x, unary_kind act);

tensor_id add(graph *g, tensor_id a, tensor_id b);

/* A square kernel with the same stride in both directions and padding on all sides. */
conv2d_attr conv2d_square(int stride, int padding, int groups);

#endif
