#include "models/sam2/model.h"

#include "base/error.h"
#include "base/memory.h"
#include "models/sam2/position.h"

#include <stdlib.h>

static void bind(sam2_model *m)
{
    weights *w = m->weights;
    const sam2_config *c = &m->config;
    m->trunk->bind(w, c, m->trunk_weights);
    m->neck = neck_bind(w, c);
    m->memory_attention = memory_attention_bind(w, c);
    m->memory_encoder = memory_encoder_bind(w, c);
    m->prompt_encoder = prompt_encoder_bind(w, c);
    m->mask_decoder = mask_decoder_bind(w, c);
    m->maskmem_tpos_enc = weights_get(w, "", "maskmem_tpos_enc", WEIGHT_AS_IS,
                                      SHAPE(c->num_maskmem, 1, 1, c->mem_dim));
    m->no_mem_embed = weights_get(w, "", "no_mem_embed", WEIGHT_AS_IS, SHAPE(1, 1, c->d_model));
    /* Part of every checkpoint, but only models that do not add no_mem_embed directly use it. */
    weights_get(w, "", "no_mem_pos_enc", WEIGHT_AS_IS, SHAPE(1, 1, c->d_model));
    m->no_obj_ptr = weights_get(w, "", "no_obj_ptr", WEIGHT_AS_IS, SHAPE(1, c->d_model));
    /* SAM 2.0 has neither: as if they were zero. */
    m->no_obj_embed_spatial =
        c->no_obj_embed_spatial
            ? weights_get(w, "", "no_obj_embed_spatial", WEIGHT_AS_IS, SHAPE(1, c->mem_dim))
            : weights_derive(w, c->mem_dim);
    m->obj_ptr_tpos_proj =
        c->pointer_time
            ? linear_bind(w, "obj_ptr_tpos_proj", c->mem_dim, c->d_model)
            : (linear_weights){.weight = weights_derive(w, (int64_t)c->mem_dim * c->d_model),
                               .bias = weights_derive(w, c->mem_dim),
                               .n = c->mem_dim,
                               .k = c->d_model};
    m->mask_downsample = conv_bind(w, "mask_downsample", 1, 1, SAM2_MASK_STRIDE);
}

roto_status sam2_model_new(const char *config_text, int64_t config_bytes,
                           const named_tensor *tensors, int n_tensors, sam2_model **out)
{
    *out = NULL;
    sam2_model *m = memory_new_array(1, sizeof(*m));
    if (!m)
        return ROTO_ERROR_MEMORY;
    roto_status status = sam2_config_parse(config_text, config_bytes, &m->config);
    if (status != ROTO_OK)
        goto fail;
    m->trunk = trunk_find(m->config.trunk);
    if (!m->trunk) {
        status = roto_fail(ROTO_ERROR_UNSUPPORTED,
                           "model config: 'trunk' is \"%s\"; this build has \"hiera\", "
                           "\"mobilenet_v2\" and \"repvit_m1\"",
                           m->config.trunk);
        goto fail;
    }
    status = m->trunk->check(&m->config);
    if (status != ROTO_OK)
        goto fail;
    status = ROTO_ERROR_MEMORY;
    m->trunk_weights = memory_new_array(1, m->trunk->weights_bytes);
    if (!m->trunk_weights)
        goto fail;
    status = weights_new(tensors, n_tensors, &m->weights);
    if (status != ROTO_OK)
        goto fail;
    bind(m);
    status = weights_check(m->weights);
    if (status != ROTO_OK)
        goto fail;
    *out = m;
    return ROTO_OK;
fail:
    sam2_model_free(m);
    return status;
}

void sam2_model_free(sam2_model *m)
{
    if (!m)
        return;
    weights_free(m->weights);
    sam2_tensors_free(&m->tensors);
    checkpoint_close(m->file);
    free(m->trunk_weights);
    free(m);
}

/* Hands the graph over when it was built without an error. */
static roto_status finish(graph *g, graph **out)
{
    const roto_status status = graph_status(g);
    if (status != ROTO_OK) {
        graph_free(g);
        return status;
    }
    *out = g;
    return ROTO_OK;
}

static tensor_id input(graph *g, const char *name, tensor_shape shape)
{
    return graph_input(g, name, DTYPE_F32, shape);
}

roto_status sam2_frame_graph(const sam2_model *m, const sam2_size *size, graph **out)
{
    graph *g = NULL;
    *out = NULL;
    ROTO_TRY(graph_new(&g));
    const tensor_id image = input(g, "image", SHAPE(1, size->image_h, size->image_w, 3));
    tensor_id trunk[SAM2_LEVELS] = {TENSOR_NONE, TENSOR_NONE, TENSOR_NONE, TENSOR_NONE};
    m->trunk->build(g, m->trunk_weights, image, trunk);
    const neck_features neck = neck_build(g, &m->neck, trunk, size);
    const tensor_id memory_features =
        memory_encoder_frame_build(g, &m->memory_encoder, neck.vision_features);
    const memory_attention_frame attention = memory_attention_frame_build(
        g, &m->memory_attention, &m->config, size, neck.vision_features);
    graph_output(g, "vision_features", neck.vision_features);
    graph_output(g, "high_res_s0", neck.high_res_s0);
    graph_output(g, "high_res_s1", neck.high_res_s1);
    graph_output(g, "memory_features", memory_features);
    graph_output(g, "x", attention.x);
    graph_output(g, "q", attention.q);
    return finish(g, out);
}

int64_t sam2_window_spatial(const sam2_config *config, int64_t n_conditioning)
{
    return n_conditioning + config->num_maskmem - 1;
}

int64_t sam2_window_pointers(const sam2_config *config, int64_t n_conditioning)
{
    return n_conditioning + config->max_obj_ptrs - 1;
}

int64_t sam2_window_tokens(const sam2_config *config, const sam2_size *size, int64_t n_conditioning)
{
    return sam2_window_spatial(config, n_conditioning) * sam2_memory_tokens(config, size) +
           sam2_window_pointers(config, n_conditioning) * sam2_pointer_tokens(config);
}

void sam2_memory_places(const sam2_config *c, const sam2_size *size, float *out)
{
    if (c->perceiver_layers == 0) {
        position_sine_grid(out, size->h, size->w, c->mem_dim);
        return;
    }
    for (int64_t i = 0; i < (int64_t)c->perceiver_latents * c->mem_dim; i++)
        *out++ = 0; /* global latents have no place */
    const int32_t side = sam2_perceiver_side(c);
    position_sine_grid(out, side, side, c->mem_dim);
}

roto_status sam2_memory_attention_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                        int64_t n_conditioning, graph **out)
{
    graph *g = NULL;
    *out = NULL;
    ROTO_TRY(graph_new(&g));
    const sam2_config *c = &m->config;
    const int64_t n_cells = (int64_t)size->h * size->w,
                  n_tokens = sam2_window_tokens(c, size, n_conditioning);
    memory_attention_inputs in;
    in.frame.x = input(g, "x", SHAPE(1, n_cells, c->d_model));
    in.frame.q = input(g, "q", SHAPE(1, n_cells, c->d_model));
    in.memory = input(g, "memory", SHAPE(batch, n_tokens, c->mem_dim));
    in.positions = input(g, "positions", SHAPE(batch, n_tokens, c->mem_dim));
    in.valid = input(g, "valid", SHAPE(batch, n_tokens));
    graph_output(g, "features",
                 memory_attention_build(g, &m->memory_attention, c, size, &in, batch,
                                        sam2_window_spatial(c, n_conditioning)));
    return finish(g, out);
}

/* A learned vector where `by` is 1, zeros where it is 0. */
static tensor_id switched(graph *g, tensor_id by, const char *name, const float *vector,
                          tensor_shape shape)
{
    return graph_binary(g, BINARY_MUL, by,
                        graph_constant_borrow(g, name, DTYPE_F32, shape, vector));
}

static mask_decoder_inputs decoder_inputs(graph *g, const sam2_model *m, const sam2_size *size,
                                          int64_t n_features)
{
    const int64_t d = m->config.d_model;
    mask_decoder_inputs in = {.sparse = TENSOR_NONE, .valid = TENSOR_NONE};
    in.features = input(g, "features", SHAPE(n_features, size->h, size->w, d));
    in.high_res_s0 = input(g, "high_res_s0", SHAPE(1, size->mask_h, size->mask_w, d / 8));
    in.high_res_s1 =
        input(g, "high_res_s1", SHAPE(1, (int64_t)size->h * 2, (int64_t)size->w * 2, d / 4));
    return in;
}

roto_status sam2_mask_decoder_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                    int64_t n_sparse, graph **out)
{
    graph *g = NULL;
    *out = NULL;
    ROTO_TRY(graph_new(&g));
    const int64_t d = m->config.d_model;
    mask_decoder_inputs in = decoder_inputs(g, m, size, batch);
    if (n_sparse > 0) {
        in.sparse = input(g, "sparse", SHAPE(batch, n_sparse, d));
        in.valid = input(g, "valid", SHAPE(batch, SAM2_N_OUTPUT_TOKENS + n_sparse));
        const tensor_id mask = input(g, "mask", SHAPE(batch, size->mask_h, size->mask_w, 1)),
                        has_mask = input(g, "has_mask", SHAPE(batch, 1, 1, 1));
        in.dense = prompt_encoder_masks_build(g, &m->prompt_encoder, mask, has_mask);
        const tensor_id no_memory = input(g, "no_memory", SHAPE(batch, 1, 1, 1));
        in.features =
            add(g, in.features,
                switched(g, no_memory, "no_mem_embed", m->no_mem_embed, SHAPE(1, 1, 1, d)));
    } else {
        in.dense = prompt_encoder_no_mask_build(g, &m->prompt_encoder);
    }
    const mask_decoder_outputs decoded =
        mask_decoder_build(g, &m->mask_decoder, &m->prompt_encoder, &m->config, size, &in, batch);
    graph_output(g, "masks", decoded.masks);
    graph_output(g, "ious", decoded.ious);
    graph_output(g, "object_score", decoded.object_score);
    graph_output(g, "pointers", decoded.pointers);
    return finish(g, out);
}

roto_status sam2_point_decoder_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                     graph **out)
{
    graph *g = NULL;
    *out = NULL;
    ROTO_TRY(graph_new(&g));
    mask_decoder_inputs in = decoder_inputs(g, m, size, 1);
    in.features = add(g, in.features,
                      graph_constant_borrow(g, "no_mem_embed", DTYPE_F32,
                                            SHAPE(1, 1, 1, m->config.d_model), m->no_mem_embed));
    in.sparse = input(g, "sparse", SHAPE(batch, SAM2_POINT_TOKENS, m->config.d_model));
    in.dense = prompt_encoder_no_mask_build(g, &m->prompt_encoder);
    const mask_decoder_outputs decoded =
        mask_decoder_build(g, &m->mask_decoder, &m->prompt_encoder, &m->config, size, &in, batch);
    graph_output(g, "masks", decoded.masks);
    graph_output(g, "ious", decoded.ious);
    return finish(g, out);
}

roto_status sam2_memory_encoder_graph(const sam2_model *m, const sam2_size *size, int64_t batch,
                                      graph **out)
{
    graph *g = NULL;
    *out = NULL;
    ROTO_TRY(graph_new(&g));
    const tensor_id frame =
        input(g, "frame_features", SHAPE(1, size->h, size->w, m->config.d_model));
    const tensor_id mask = input(g, "mask", SHAPE(batch, size->mask_h, size->mask_w, 1));
    const tensor_id absent = input(g, "absent", SHAPE(batch, 1, 1));
    tensor_id memory =
        memory_encoder_build(g, &m->memory_encoder, &m->config, size, frame, mask, batch);
    graph_scope(g, "memory.");
    memory = add(g, memory,
                 switched(g, absent, "no_obj_embed_spatial", m->no_obj_embed_spatial,
                          SHAPE(1, 1, m->config.mem_dim)));
    graph_output(g, "memory", memory);
    return finish(g, out);
}
