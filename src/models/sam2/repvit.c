/* RepViT-M1 (Wang et al. 2023, "RepViT: Revisiting Mobile CNN From ViT Perspective"), the trunk of
 * EdgeTAM (Zhou et al. 2025). Batch norms and the parallel branches of its depthwise layers are
 * folded into single convolutions. */
#include "base/error.h"
#include "models/layers.h"
#include "models/sam2/trunk.h"

enum {
    N_STAGES = SAM2_LEVELS,
    N_BLOCKS = 14, /* of the longest stage */
    STEM_STRIDES = 2,
    MLP_RATIO = 2,
    SQUEEZE_RATIO = 4,
    SQUEEZE_MULTIPLE = 8 /* of squeezed channels */
};

static const int stage_blocks[N_STAGES] = {2, 2, N_BLOCKS, 2};
static const int32_t stage_channels[N_STAGES] = {48, 96, 192, 384};

typedef struct {
    linear_weights widen, narrow;
} channel_mixer;

typedef struct {
    conv_weights token_mixer; /* 3x3, each channel apart */
    bool has_squeeze;
    linear_weights squeeze, excite;
    channel_mixer mixer;
} repvit_block;

typedef struct {
    repvit_block before;
    conv_weights spatial; /* 3x3 with stride 2, each channel apart */
    linear_weights channels;
    channel_mixer mixer;
} repvit_downsample;

typedef struct {
    repvit_downsample downsample; /* of all stages but the first */
    repvit_block blocks[N_BLOCKS];
} repvit_stage;

typedef struct {
    conv_weights stem[STEM_STRIDES];
    repvit_stage stages[N_STAGES];
} repvit_weights;

static roto_status check(const sam2_config *config)
{
    for (int i = 0; i < N_STAGES; i++) {
        if (config->trunk_channels[i] != stage_channels[i])
            return roto_fail(ROTO_ERROR_FORMAT, "model config: 'trunk_channels' of repvit_m1 have "
                                                "to be 48, 96, 192, 384");
    }
    return ROTO_OK;
}

static tensor_prefix part(const tensor_prefix *prefix, const char *name)
{
    return tensor_prefix_make("%s.%s", prefix->text, name);
}

static linear_weights linear_norm_bind(weights *w, const char *prefix, int64_t n, int64_t k)
{
    const conv_weights c = conv_norm_bind(w, prefix, n, k, 1);
    return (linear_weights){.weight = c.weight, .bias = c.bias, .n = n, .k = k};
}

static channel_mixer bind_mixer(weights *w, const tensor_prefix *prefix, int64_t dim)
{
    return (channel_mixer){
        .widen = linear_norm_bind(w, part(prefix, "conv1").text, MLP_RATIO * dim, dim),
        .narrow = linear_norm_bind(w, part(prefix, "conv2").text, dim, MLP_RATIO * dim),
    };
}

/* conv(x) + conv1(x) + x, where conv1 has a 1x1 kernel: both are the centre of one 3x3 kernel. */
static conv_weights bind_token_mixer(weights *w, const tensor_prefix *prefix, int64_t dim)
{
    enum { SIZE = 3, CENTRE = 4 };
    const conv_weights conv = conv_norm_bind(w, part(prefix, "conv").text, dim, 1, SIZE),
                       conv1 = conv_norm_bind(w, part(prefix, "conv1").text, dim, 1, 1);
    float *weight = weights_derive(w, dim * SIZE * SIZE), *bias = weights_derive(w, dim);
    const conv_weights sum = {
        .weight = weight, .bias = bias, .out = dim, .size = SIZE, .in_per_group = 1};
    if (!weight || !bias || !conv.weight || !conv.bias || !conv1.weight || !conv1.bias)
        return sum;
    for (int64_t c = 0; c < dim; c++) {
        bias[c] = conv.bias[c] + conv1.bias[c];
        for (int64_t i = 0; i < SIZE * SIZE; i++)
            weight[c * SIZE * SIZE + i] = conv.weight[c * SIZE * SIZE + i];
        weight[c * SIZE * SIZE + CENTRE] += conv1.weight[c] + 1;
    }
    return sum;
}

static repvit_block bind_block(weights *w, const tensor_prefix *prefix, int64_t dim, bool squeezes)
{
    const tensor_prefix token = part(prefix, "token_mixer"), mixer = part(prefix, "channel_mixer");
    repvit_block b = {
        .token_mixer = bind_token_mixer(w, &token, dim),
        .has_squeeze = squeezes,
        .mixer = bind_mixer(w, &mixer, dim),
    };
    if (squeezes) {
        const int64_t n =
            (dim / SQUEEZE_RATIO + SQUEEZE_MULTIPLE / 2) / SQUEEZE_MULTIPLE * SQUEEZE_MULTIPLE;
        b.squeeze = conv1x1_bind(w, part(prefix, "se.fc1").text, n, dim);
        b.excite = conv1x1_bind(w, part(prefix, "se.fc2").text, dim, n);
    }
    return b;
}

static void bind(weights *w, const sam2_config *config, void *trunk_weights)
{
    (void)config;
    repvit_weights *m = trunk_weights;
    const tensor_prefix body = {"image_encoder.trunk.body"};
    int64_t dim = stage_channels[0];
    m->stem[0] = conv_norm_bind(w, part(&body, "stem.conv1").text, dim / 2, 3, 3);
    m->stem[1] = conv_norm_bind(w, part(&body, "stem.conv2").text, dim, dim / 2, 3);
    for (int stage = 0; stage < N_STAGES; stage++) {
        repvit_stage *s = &m->stages[stage];
        const tensor_prefix name = tensor_prefix_make("%s.stages_%d", body.text, stage);
        if (stage > 0) {
            const tensor_prefix down = part(&name, "downsample"), before = part(&down, "pre_block"),
                                ffn = part(&down, "ffn");
            s->downsample.before = bind_block(w, &before, dim, false);
            s->downsample.spatial =
                conv_norm_bind(w, part(&down, "spatial_downsample").text, dim, 1, 3);
            s->downsample.channels = linear_norm_bind(w, part(&down, "channel_downsample").text,
                                                      stage_channels[stage], dim);
            dim = stage_channels[stage];
            s->downsample.mixer = bind_mixer(w, &ffn, dim);
        }
        for (int i = 0; i < stage_blocks[stage]; i++) {
            const tensor_prefix block = tensor_prefix_make("%s.blocks.%d", name.text, i);
            s->blocks[i] = bind_block(w, &block, dim, i % 2 == 0);
        }
    }
}

static tensor_id mix_channels(graph *g, const channel_mixer *m, tensor_id x)
{
    const tensor_id y = graph_unary(g, UNARY_GELU, linear_apply(g, &m->widen, x));
    return add(g, x, linear_apply(g, &m->narrow, y));
}

/* Squeeze and excitation (Hu et al. 2018): channels are weighed by what the whole picture has. */
static tensor_id squeeze_excite(graph *g, const repvit_block *b, tensor_id x)
{
    tensor_id y = graph_reduce(g, REDUCE_MEAN, x, 1u << 1 | 1u << 2);
    y = graph_unary(g, UNARY_RELU, linear_apply(g, &b->squeeze, y));
    y = graph_unary(g, UNARY_SIGMOID, linear_apply(g, &b->excite, y));
    return graph_binary(g, BINARY_MUL, x, y);
}

static tensor_id block(graph *g, const repvit_block *b, tensor_id x)
{
    const conv2d_attr same = conv2d_square(1, 1, (int)b->token_mixer.out);
    x = conv_apply(g, &b->token_mixer, x, &same);
    if (b->has_squeeze)
        x = squeeze_excite(g, b, x);
    return mix_channels(g, &b->mixer, x);
}

static tensor_id downsample(graph *g, const repvit_downsample *d, tensor_id x)
{
    const conv2d_attr half = conv2d_square(2, 1, (int)d->spatial.out);
    x = conv_apply(g, &d->spatial, block(g, &d->before, x), &half);
    return mix_channels(g, &d->mixer, linear_apply(g, &d->channels, x));
}

static void build(graph *g, const void *trunk_weights, tensor_id image,
                  tensor_id features[SAM2_LEVELS])
{
    const repvit_weights *m = trunk_weights;
    const conv2d_attr half = conv2d_square(2, 1, 1);
    graph_scope(g, "trunk.stem.");
    tensor_id x = graph_unary(g, UNARY_GELU, conv_apply(g, &m->stem[0], image, &half));
    x = conv_apply(g, &m->stem[1], x, &half);
    for (int stage = 0; stage < N_STAGES; stage++) {
        graph_scope(g, tensor_prefix_make("trunk.%d.down.", stage).text);
        if (stage > 0)
            x = downsample(g, &m->stages[stage].downsample, x);
        for (int i = 0; i < stage_blocks[stage]; i++) {
            graph_scope(g, tensor_prefix_make("trunk.%d.%d.", stage, i).text);
            x = block(g, &m->stages[stage].blocks[i], x);
        }
        features[stage] = x;
    }
}

const trunk_table trunk_repvit_m1 = {
    .name = "repvit_m1",
    .check = check,
    .weights_bytes = sizeof(repvit_weights),
    .bind = bind,
    .build = build,
};
