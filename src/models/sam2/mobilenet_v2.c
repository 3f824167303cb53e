/* MobileNetV2 (Sandler et al. 2018) of width 1 without its classifier: batch norms are folded into
 * the convolutions. */
#include "base/error.h"
#include "models/layers.h"
#include "models/sam2/trunk.h"

enum { STEM_CHANNELS = 32, N_BLOCKS = 17 };

/* Table 2 of the paper, a row a block. */
typedef struct {
    int64_t expansion, channels;
    int stride;
    int level; /* the feature level that this block ends, -1 for none */
} block_shape;

static const block_shape block_shapes[N_BLOCKS] = {
    {1, 16, 1, -1},                                                    /* stride 2 */
    {6, 24, 2, -1},  {6, 24, 1, 0},                                    /* 4 */
    {6, 32, 2, -1},  {6, 32, 1, -1},  {6, 32, 1, 1},                   /* 8 */
    {6, 64, 2, -1},  {6, 64, 1, -1},  {6, 64, 1, -1},  {6, 64, 1, -1}, /* 16 */
    {6, 96, 1, -1},  {6, 96, 1, -1},  {6, 96, 1, 2},                   /* 16 */
    {6, 160, 2, -1}, {6, 160, 1, -1}, {6, 160, 1, -1}, {6, 320, 1, 3}, /* 32 */
};

typedef struct {
    linear_weights expand, project; /* 1x1 */
    conv_weights depthwise;         /* 3x3 */
} block_weights;

typedef struct {
    conv_weights stem;
    block_weights blocks[N_BLOCKS];
} mobilenet_weights;

static roto_status check(const sam2_config *config)
{
    static const int32_t channels[SAM2_LEVELS] = {24, 32, 96, 320};
    for (int i = 0; i < SAM2_LEVELS; i++) {
        if (config->trunk_channels[i] != channels[i])
            return roto_fail(ROTO_ERROR_FORMAT, "model config: 'trunk_channels' of mobilenet_v2 "
                                                "have to be 24, 32, 96, 320");
    }
    return ROTO_OK;
}

static void bind(weights *w, const sam2_config *config, void *trunk_weights)
{
    (void)config;
    mobilenet_weights *m = trunk_weights;
    m->stem = conv_bind(w, "image_encoder.trunk.stem", STEM_CHANNELS, 3, 3);
    int64_t in = STEM_CHANNELS;
    for (int i = 0; i < N_BLOCKS; i++) {
        const tensor_prefix block = tensor_prefix_make("image_encoder.trunk.blocks.%d", i);
        const int64_t hidden = in * block_shapes[i].expansion, out = block_shapes[i].channels;
        if (block_shapes[i].expansion > 1)
            m->blocks[i].expand =
                conv1x1_bind(w, tensor_prefix_make("%s.expand", block.text).text, hidden, in);
        m->blocks[i].depthwise =
            conv_bind(w, tensor_prefix_make("%s.depthwise", block.text).text, hidden, 1, 3);
        m->blocks[i].project =
            conv1x1_bind(w, tensor_prefix_make("%s.project", block.text).text, out, hidden);
        in = out;
    }
}

static tensor_id relu6(graph *g, tensor_id x)
{
    return graph_unary_attr(g, &(unary_attr){.kind = UNARY_CLAMP, .alpha = 0, .beta = 6}, x);
}

/* The inverted residual: widen, filter each channel, narrow without an activation. */
static tensor_id inverted_residual(graph *g, const block_weights *b, const block_shape *shape,
                                   tensor_id x)
{
    const conv2d_attr attr = conv2d_square(shape->stride, 1, (int)b->depthwise.out);
    tensor_id y = shape->expansion > 1 ? relu6(g, linear_apply(g, &b->expand, x)) : x;
    y = relu6(g, conv_apply(g, &b->depthwise, y, &attr));
    y = linear_apply(g, &b->project, y);
    const bool same = shape->stride == 1 &&
                      (shape->expansion == 1 ? b->depthwise.out : b->expand.k) == b->project.n;
    return same ? add(g, x, y) : y;
}

static void build(graph *g, const void *trunk_weights, tensor_id image,
                  tensor_id features[SAM2_LEVELS])
{
    const mobilenet_weights *m = trunk_weights;
    const conv2d_attr stem = conv2d_square(2, 1, 1);
    graph_scope(g, "trunk.stem.");
    tensor_id x = relu6(g, conv_apply(g, &m->stem, image, &stem));
    for (int i = 0; i < N_BLOCKS; i++) {
        graph_scope(g, tensor_prefix_make("trunk.%d.", i).text);
        x = inverted_residual(g, &m->blocks[i], &block_shapes[i], x);
        if (block_shapes[i].level >= 0)
            features[block_shapes[i].level] = x;
    }
}

const trunk_table trunk_mobilenet_v2 = {
    .name = "mobilenet_v2",
    .check = check,
    .weights_bytes = sizeof(mobilenet_weights),
    .bind = bind,
    .build = build,
};
