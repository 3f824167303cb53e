#include "support/synthetic.h"

#include "support/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t key_of(const char *name)
{
    uint64_t key = 0xcbf29ce484222325u;
    for (; *name; name++)
        key = (key ^ (uint8_t)*name) * 0x100000001b3u;
    return key;
}

static uint64_t bits_of(uint64_t key, uint64_t i)
{
    uint64_t z = key + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static float value_of(uint64_t key, uint64_t i)
{
    return (float)(bits_of(key, i) >> 40) / 8388608.0f - 1.0f;
}

uint64_t synthetic_bits(const char *name, uint64_t i)
{
    return bits_of(key_of(name), i);
}

float synthetic_value(const char *name, uint64_t i)
{
    return value_of(key_of(name), i);
}

void synthetic_fill(float *values, int64_t n, const char *name, float scale)
{
    const uint64_t key = key_of(name);
    for (int64_t i = 0; i < n; i++)
        values[i] = scale * value_of(key, (uint64_t)i);
}

enum { MAX_TENSORS = 2048 };

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* GAINS and OFFSETS of python/roto/train/golden.py: they make masks differ over time and between
 * objects, and objects go out of sight and come back. */
static double gain_of(const char *name)
{
    static const struct {
        const char *part;
        double gain;
    } gains[] = {
        {"pred_obj_score_head.layers.2", 40},
        {"iou_prediction_head.layers.2", 2},
        {"output_hypernetworks_mlps", 1.4},
        {"cross_attn_token_to_image", 1.5},
        {"cross_attn_image.out_proj", 2},
        {"cross_attn_image.v_proj", 2},
        {"memory_encoder.out_proj", 2},
        {"mask_downsampler", 2},
        {"", 1},
    };
    size_t i = 0;
    while (!strstr(name, gains[i].part))
        i++;
    return gains[i].gain;
}

static float offset_of(const char *name)
{
    return strstr(name, "pred_obj_score_head.layers.2.bias") ? 40.0f : 0;
}

static void fill_weight(float *values, const char *name, const tensor_shape *shape)
{
    const int64_t n = shape_count(shape);
    static const char *const embeddings[] = {"_embed",        "_token.weight",    "_tokens.weight",
                                             "no_obj_ptr",    "maskmem_tpos_enc", "gaussian_matrix",
                                             "no_mem_pos_enc"};
    bool embedding = false;
    for (size_t i = 0; i < sizeof(embeddings) / sizeof(embeddings[0]); i++)
        embedding = embedding || strstr(name, embeddings[i]);
    if (ends_with(name, ".gamma") || (shape->rank == 1 && ends_with(name, ".weight"))) {
        const bool gamma = ends_with(name, ".gamma");
        for (int64_t i = 0; i < n; i++)
            values[i] = (gamma ? 0.2f : 1.0f) + 0.1f * synthetic_value(name, (uint64_t)i);
    } else if (ends_with(name, ".bias")) {
        synthetic_fill(values, n, name, 0.1f);
        for (int64_t i = 0; i < n; i++)
            values[i] += offset_of(name);
    } else if (embedding) {
        synthetic_fill(values, n, name, 1.0f);
    } else {
        const bool transposed = strstr(name, "output_upscaling") != NULL;
        const int64_t fan_in = transposed ? shape->dim[0] : n / shape->dim[0];
        synthetic_fill(values, n, name, (float)(sqrt(3.0 / (double)fan_in) * gain_of(name)));
    }
}

static void put(synthetic_model *m, tensor_shape shape, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void put(synthetic_model *m, tensor_shape shape, const char *fmt, ...)
{
    char name[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    assert_true(m->n < MAX_TENSORS);
    float *values = malloc((size_t)shape_count(&shape) * sizeof(float));
    assert_non_null(values);
    fill_weight(values, name, &shape);
    m->tensors[m->n++] =
        (named_tensor){.name = strdup(name), .type = DTYPE_F32, .shape = shape, .data = values};
}

static void put_layer(synthetic_model *m, const char *prefix, tensor_shape weight, int64_t out)
{
    put(m, weight, "%s.weight", prefix);
    put(m, SHAPE(out), "%s.bias", prefix);
}

static void put_linear(synthetic_model *m, const char *prefix, int64_t out, int64_t in)
{
    put_layer(m, prefix, SHAPE(out, in), out);
}

static void put_conv(synthetic_model *m, const char *prefix, int64_t out, int64_t in, int64_t size)
{
    put_layer(m, prefix, SHAPE(out, in, size, size), out);
}

static void put_norm(synthetic_model *m, const char *prefix, int64_t channels)
{
    put_layer(m, prefix, SHAPE(channels), channels);
}

static const char *join(char text[160], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static const char *join(char text[160], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, 160, fmt, args);
    va_end(args);
    return text;
}

static void put_mlp(synthetic_model *m, const char *prefix, int64_t in, int64_t hidden, int64_t out,
                    int n)
{
    char t[160];
    for (int i = 0; i < n; i++)
        put_linear(m, join(t, "%s.layers.%d", prefix, i), i == n - 1 ? out : hidden,
                   i == 0 ? in : hidden);
}

static void put_attention(synthetic_model *m, const char *prefix, int64_t dim, int64_t inner,
                          int64_t kv)
{
    char t[160];
    put_linear(m, join(t, "%s.q_proj", prefix), inner, dim);
    put_linear(m, join(t, "%s.k_proj", prefix), inner, kv);
    put_linear(m, join(t, "%s.v_proj", prefix), inner, kv);
    put_linear(m, join(t, "%s.out_proj", prefix), dim, inner);
}

static void put_encoder(synthetic_model *m)
{
    static const int64_t out[17] = {16, 24, 24, 32, 32,  32,  64,  64, 64,
                                    64, 96, 96, 96, 160, 160, 160, 320};
    char t[160];
    put_conv(m, "image_encoder.trunk.stem", 32, 3, 3);
    int64_t in = 32;
    for (int i = 0; i < 17; i++) {
        const int64_t hidden = i == 0 ? in : 6 * in;
        if (i > 0)
            put_conv(m, join(t, "image_encoder.trunk.blocks.%d.expand", i), hidden, in, 1);
        put_conv(m, join(t, "image_encoder.trunk.blocks.%d.depthwise", i), hidden, 1, 3);
        put_conv(m, join(t, "image_encoder.trunk.blocks.%d.project", i), out[i], hidden, 1);
        in = out[i];
    }
    static const int64_t channels[4] = {320, 96, 32, 24};
    for (int i = 0; i < 4; i++)
        put_conv(m, join(t, "image_encoder.neck.convs.%d.conv", i), 128, channels[i], 1);
}

static void put_memory(synthetic_model *m)
{
    char t[160];
    for (int i = 0; i < 2; i++) {
        put_attention(m, join(t, "memory_attention.layers.%d.self_attn", i), 128, 128, 128);
        put_attention(m, join(t, "memory_attention.layers.%d.cross_attn_image", i), 128, 128, 64);
        put_linear(m, join(t, "memory_attention.layers.%d.linear1", i), 512, 128);
        put_linear(m, join(t, "memory_attention.layers.%d.linear2", i), 128, 512);
        for (int k = 1; k <= 3; k++)
            put_norm(m, join(t, "memory_attention.layers.%d.norm%d", i, k), 128);
    }
    put_norm(m, "memory_attention.norm", 128);
    put_conv(m, "memory_encoder.mask_downsampler.encoder.0", 4, 1, 3);
    put_norm(m, "memory_encoder.mask_downsampler.encoder.1", 4);
    put_conv(m, "memory_encoder.mask_downsampler.encoder.3", 16, 4, 3);
    put_norm(m, "memory_encoder.mask_downsampler.encoder.4", 16);
    put_conv(m, "memory_encoder.mask_downsampler.encoder.6", 128, 16, 1);
    put_conv(m, "memory_encoder.pix_feat_proj", 128, 128, 1);
    for (int i = 0; i < 2; i++) {
        put_conv(m, join(t, "memory_encoder.fuser.layers.%d.dwconv", i), 128, 1, 7);
        put_norm(m, join(t, "memory_encoder.fuser.layers.%d.norm", i), 128);
        put_linear(m, join(t, "memory_encoder.fuser.layers.%d.pwconv1", i), 512, 128);
        put_linear(m, join(t, "memory_encoder.fuser.layers.%d.pwconv2", i), 128, 512);
        put(m, SHAPE(128), "memory_encoder.fuser.layers.%d.gamma", i);
    }
    put_conv(m, "memory_encoder.out_proj", 64, 128, 1);
    put(m, SHAPE(5, 1, 1, 64), "maskmem_tpos_enc");
    put(m, SHAPE(1, 1, 128), "no_mem_embed");
    put(m, SHAPE(1, 1, 128), "no_mem_pos_enc");
    put(m, SHAPE(1, 128), "no_obj_ptr");
    put(m, SHAPE(1, 64), "no_obj_embed_spatial");
    put_mlp(m, "obj_ptr_proj", 128, 128, 128, 3);
    put_linear(m, "obj_ptr_tpos_proj", 64, 128);
    put_conv(m, "mask_downsample", 1, 1, 4);
}

static void put_prompt_encoder(synthetic_model *m)
{
    put(m, SHAPE(2, 64), "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix");
    for (int i = 0; i < 4; i++)
        put(m, SHAPE(1, 128), "sam_prompt_encoder.point_embeddings.%d.weight", i);
    put(m, SHAPE(1, 128), "sam_prompt_encoder.not_a_point_embed.weight");
    put(m, SHAPE(1, 128), "sam_prompt_encoder.no_mask_embed.weight");
    put_conv(m, "sam_prompt_encoder.mask_downscaling.0", 4, 1, 2);
    put_norm(m, "sam_prompt_encoder.mask_downscaling.1", 4);
    put_conv(m, "sam_prompt_encoder.mask_downscaling.3", 16, 4, 2);
    put_norm(m, "sam_prompt_encoder.mask_downscaling.4", 16);
    put_conv(m, "sam_prompt_encoder.mask_downscaling.6", 128, 16, 1);
}

static void put_decoder(synthetic_model *m)
{
    char t[160], p[160];
    for (int i = 0; i < 2; i++) {
        const char *layer = join(p, "sam_mask_decoder.transformer.layers.%d", i);
        put_attention(m, join(t, "%s.self_attn", layer), 128, 128, 128);
        put_attention(m, join(t, "%s.cross_attn_token_to_image", layer), 128, 64, 128);
        put_attention(m, join(t, "%s.cross_attn_image_to_token", layer), 128, 64, 128);
        put_mlp(m, join(t, "%s.mlp", layer), 128, 512, 128, 2);
        for (int k = 1; k <= 4; k++)
            put_norm(m, join(t, "%s.norm%d", layer, k), 128);
    }
    put_attention(m, "sam_mask_decoder.transformer.final_attn_token_to_image", 128, 64, 128);
    put_norm(m, "sam_mask_decoder.transformer.norm_final_attn", 128);
    put(m, SHAPE(1, 128), "sam_mask_decoder.obj_score_token.weight");
    put(m, SHAPE(1, 128), "sam_mask_decoder.iou_token.weight");
    put(m, SHAPE(4, 128), "sam_mask_decoder.mask_tokens.weight");
    put_layer(m, "sam_mask_decoder.output_upscaling.0", SHAPE(128, 32, 2, 2), 32);
    put_norm(m, "sam_mask_decoder.output_upscaling.1", 32);
    put_layer(m, "sam_mask_decoder.output_upscaling.3", SHAPE(32, 16, 2, 2), 16);
    put_conv(m, "sam_mask_decoder.conv_s0", 16, 128, 1);
    put_conv(m, "sam_mask_decoder.conv_s1", 32, 128, 1);
    for (int i = 0; i < 4; i++)
        put_mlp(m, join(t, "sam_mask_decoder.output_hypernetworks_mlps.%d", i), 128, 128, 16, 3);
    put_mlp(m, "sam_mask_decoder.iou_prediction_head", 128, 256, 4, 3);
    put_mlp(m, "sam_mask_decoder.pred_obj_score_head", 128, 128, 1, 3);
}

synthetic_model synthetic_sam2(void)
{
    synthetic_model m = {.tensors = calloc(MAX_TENSORS, sizeof(named_tensor))};
    assert_non_null(m.tensors);
    put_encoder(&m);
    put_memory(&m);
    put_prompt_encoder(&m);
    put_decoder(&m);
    return m;
}

synthetic_model synthetic_from_list(const char *text)
{
    synthetic_model m = {.tensors = calloc(MAX_TENSORS, sizeof(named_tensor))};
    assert_non_null(m.tensors);
    while (*text) {
        char name[160];
        float base, scale;
        int read = 0;
        assert_int_equal(sscanf(text, "%159s %f %f%n", name, &base, &scale, &read), 3);
        text += read;
        tensor_shape shape = {0};
        while (*text == ' ') {
            char *end;
            assert_true(shape.rank < TENSOR_MAX_RANK);
            shape.dim[shape.rank++] = strtoll(text, &end, 10);
            text = end;
        }
        text += *text == '\n';
        const int64_t n = shape_count(&shape);
        float *values = malloc((size_t)n * sizeof(float));
        assert_true(values && m.n < MAX_TENSORS);
        const uint64_t key = key_of(name);
        for (int64_t i = 0; i < n; i++)
            values[i] = base + scale * value_of(key, (uint64_t)i);
        m.tensors[m.n++] =
            (named_tensor){.name = strdup(name), .type = DTYPE_F32, .shape = shape, .data = values};
    }
    return m;
}

void synthetic_free(synthetic_model *model)
{
    for (int i = 0; i < model->n; i++) {
        free((void *)model->tensors[i].name);
        free((void *)model->tensors[i].data);
    }
    free(model->tensors);
}

synthetic_config synthetic_sam2_config(int pixels)
{
    synthetic_config config;
    snprintf(config.text, sizeof(config.text),
             "{\"family\":\"sam2\",\"name\":\"synthetic\",\"image_pixels\":%d,"
             "\"image_multiple\":32,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5],"
             "\"trunk\":\"mobilenet_v2\",\"trunk_channels\":[24,32,96,320],\"d_model\":128,"
             "\"mem_dim\":64,\"memory_attention_layers\":2,\"memory_attention_ffn\":512,"
             "\"memory_attention_heads\":1,\"rope_theta\":10000,\"memory_mask_stride\":4,"
             "\"memory_fuser_layers\":2,\"mask_sigmoid_scale\":20,\"mask_sigmoid_bias\":-10,"
             "\"num_maskmem\":5,\"memory_temporal_stride\":5,\"max_obj_ptrs\":16,"
             "\"mask_in_channels\":16,\"decoder_layers\":2,\"decoder_heads\":4,"
             "\"decoder_mlp\":512,\"decoder_downsample\":2,\"num_multimask\":3,"
             "\"iou_head_layers\":3,\"iou_head_hidden\":256,\"stability_delta\":0.05,"
             "\"stability_threshold\":0.98,\"max_hole_area\":8,\"memory_bf16\":false}",
             pixels);
    return config;
}
