/* Hiera (Ryali et al. 2023, "Hiera: A Hierarchical Vision Transformer without the
 * Bells-and-Whistles"), as SAM 2 has it: attention inside windows, a few blocks that attend to the
 * whole picture, and position embeddings that know the windows (Bolya et al. 2023, "Window
 * Attention is Bugged"). Stages work at strides 4, 8, 16 and 32. */
#include "base/error.h"
#include "models/layers.h"
#include "models/sam2/constants.h"
#include "models/sam2/trunk.h"

#include <math.h>

enum {
    PATCH_KERNEL = 7,
    PATCH_STRIDE = 4,
    MLP_RATIO = 4,
    POOL = 2, /* queries of a stage's first block are pooled by this */
    MAX_BLOCKS = 64
};

typedef struct {
    norm_weights norm1, norm2;
    linear_weights qkv, out; /* queries, keys and values are rows of one product */
    linear_weights widen, narrow;
    linear_weights skip; /* around the attention, where channels change */
    int64_t dim;         /* channels of what comes out */
    int heads, window;   /* window 0: the whole picture */
    bool starts_stage;   /* pools queries and changes channels */
    int level;           /* the feature level that this block ends, -1 for none */
} hiera_block;

typedef struct {
    conv_weights patch;
    const float *pos_embed;        /* [size, size, dim], stretched over the grid */
    const float *pos_embed_window; /* [window, window, dim], repeated over it */
    int32_t pos_embed_size, pos_embed_window_size;
    hiera_block blocks[MAX_BLOCKS];
    int n_blocks;
} hiera_weights;

static roto_status check(const sam2_config *c)
{
    int32_t n_blocks = 0;
    for (int i = 0; i < SAM2_LEVELS; i++) {
        if (c->trunk_blocks[i] == 0 || c->trunk_windows[i] == 0)
            return roto_fail(ROTO_ERROR_FORMAT, "model config: the trunk \"hiera\" needs "
                                                "'trunk_blocks' and 'trunk_windows'");
        if (c->trunk_channels[i] != c->trunk_channels[0] << i)
            return roto_fail(ROTO_ERROR_FORMAT, "model config: each of hiera's 'trunk_channels' "
                                                "has to be twice the one before");
        if (i < SAM2_LEVELS - 1 && c->trunk_windows[i] % POOL)
            return roto_fail(ROTO_ERROR_FORMAT,
                             "model config: 'trunk_windows' %d of stage %d has to be even, since "
                             "the next stage pools in it",
                             c->trunk_windows[i], i);
        n_blocks += c->trunk_blocks[i];
    }
    if (n_blocks > MAX_BLOCKS)
        return roto_fail(ROTO_ERROR_FORMAT, "model config: %d 'trunk_blocks'; at most %d", n_blocks,
                         MAX_BLOCKS);
    if (c->trunk_heads == 0 || c->trunk_channels[0] % c->trunk_heads)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: 'trunk_heads' is %d and has to divide 'trunk_channels' %d",
                         c->trunk_heads, c->trunk_channels[0]);
    if (c->trunk_pos_embed == 0)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "model config: the trunk \"hiera\" needs 'trunk_pos_embed'");
    return ROTO_OK;
}

static bool is_global(const sam2_config *c, int block)
{
    for (int i = 0; i < SAM2_GLOBAL_BLOCKS; i++) {
        if (c->trunk_global_blocks[i] == block)
            return true;
    }
    return false;
}

static linear_weights bind_linear(weights *w, const tensor_prefix *block, const char *name,
                                  int64_t n, int64_t k)
{
    return linear_bind(w, tensor_prefix_make("%s.%s", block->text, name).text, n, k);
}

static norm_weights bind_norm(weights *w, const tensor_prefix *block, const char *name, int64_t dim)
{
    return norm_bind(w, tensor_prefix_make("%s.%s", block->text, name).text, dim,
                     LAYER_NORM_2D_EPSILON);
}

static void bind_block(weights *w, const tensor_prefix *name, int64_t dim_in, hiera_block *b)
{
    const int64_t dim = b->dim;
    b->norm1 = bind_norm(w, name, "norm1", dim_in);
    b->qkv = bind_linear(w, name, "attn.qkv", 3 * dim, dim_in);
    b->out = bind_linear(w, name, "attn.proj", dim, dim);
    b->norm2 = bind_norm(w, name, "norm2", dim);
    b->widen = bind_linear(w, name, "mlp.layers.0", MLP_RATIO * dim, dim);
    b->narrow = bind_linear(w, name, "mlp.layers.1", dim, MLP_RATIO * dim);
    if (b->starts_stage)
        b->skip = bind_linear(w, name, "proj", dim, dim_in);
}

static void bind(weights *w, const sam2_config *c, void *trunk_weights)
{
    static const char *const prefix = "image_encoder.trunk";
    hiera_weights *m = trunk_weights;
    const int64_t dim = c->trunk_channels[0], size = c->trunk_pos_embed,
                  window = c->trunk_windows[0];
    m->patch = conv_bind(w, "image_encoder.trunk.patch_embed.proj", dim, 3, PATCH_KERNEL);
    m->pos_embed = weights_get(w, prefix, "pos_embed", WEIGHT_CONV, SHAPE(1, dim, size, size));
    m->pos_embed_window =
        weights_get(w, prefix, "pos_embed_window", WEIGHT_CONV, SHAPE(1, dim, window, window));
    m->pos_embed_size = c->trunk_pos_embed;
    m->pos_embed_window_size = c->trunk_windows[0];
    for (int stage = 0; stage < SAM2_LEVELS; stage++) {
        for (int i = 0; i < c->trunk_blocks[stage]; i++, m->n_blocks++) {
            const bool starts = stage > 0 && i == 0;
            hiera_block *b = &m->blocks[m->n_blocks];
            *b = (hiera_block){
                .dim = c->trunk_channels[stage],
                .heads = c->trunk_heads << stage,
                /* A stage's first block sees the cells, and so the windows, of the one before. */
                .window = is_global(c, m->n_blocks) ? 0 : c->trunk_windows[stage - starts],
                .starts_stage = starts,
                .level = i == c->trunk_blocks[stage] - 1 ? stage : -1,
            };
            const tensor_prefix name =
                tensor_prefix_make("image_encoder.trunk.blocks.%d", m->n_blocks);
            bind_block(w, &name, starts ? c->trunk_channels[stage - 1] : b->dim, b);
        }
    }
}

typedef struct {
    int64_t h, w;
} grid;

static tensor_id max_pool(graph *g, tensor_id tokens, grid from)
{
    if (tokens == TENSOR_NONE)
        return TENSOR_NONE;
    const int64_t dim = shape_last(&graph_tensor_at(g, tokens)->shape);
    const pool2d_attr pool = {
        .kind = POOL_MAX, .kernel_h = POOL, .kernel_w = POOL, .stride_h = POOL, .stride_w = POOL};
    const tensor_id image = graph_reshape(g, tokens, SHAPE(1, from.h, from.w, dim));
    return graph_reshape(g, graph_pool2d(g, image, &pool),
                         SHAPE(1, from.h / POOL * (from.w / POOL), dim));
}

/* Queries, keys or values: every token's `index`-th third. */
static tensor_id third(graph *g, tensor_id qkv, int index, int64_t n_tokens, int64_t dim)
{
    const slice_attr slice = {
        .start = {0, 0, index * dim}, .step = {1, 1, 1}, .size = {1, n_tokens, dim}};
    return graph_slice(g, qkv, &slice);
}

/* What a window has outside the grid is zero before the projection, and so the bias behind it. */
static tensor_id padding(graph *g, const hiera_block *b, int index)
{
    const float *bias = b->qkv.bias ? b->qkv.bias + index * b->dim : NULL;
    return graph_constant_borrow(g, "padding", DTYPE_F32, SHAPE(b->dim), bias);
}

static tensor_id attend(graph *g, const hiera_block *b, tensor_id x, grid cells)
{
    const int64_t n_tokens = cells.h * cells.w;
    const tensor_id qkv = linear_apply(g, &b->qkv, x);
    tensor_id q = third(g, qkv, 0, n_tokens, b->dim);
    attention_attr attr = {.heads = b->heads,
                           .scale = (float)(1.0 / sqrt((double)(b->dim / b->heads)))};
    if (b->window) {
        attr.grid_h = (int)cells.h;
        attr.grid_w = (int)cells.w;
        attr.window_h = attr.window_w = b->window;
    }
    if (b->starts_stage) {
        q = max_pool(g, q, cells);
        if (b->window) {
            attr.q_grid_h = attr.grid_h / POOL;
            attr.q_grid_w = attr.grid_w / POOL;
            attr.q_window_h = attr.q_window_w = b->window / POOL;
        }
    }
    tensor_id in[8] = {q};
    in[1] = third(g, qkv, 1, n_tokens, b->dim);
    in[2] = third(g, qkv, 2, n_tokens, b->dim);
    for (int i = 3; i < 8; i++)
        in[i] = TENSOR_NONE;
    if (b->window) {
        in[6] = padding(g, b, 1);
        in[7] = padding(g, b, 2);
    }
    return linear_apply(g, &b->out, graph_attention(g, in, &attr));
}

static tensor_id block(graph *g, const hiera_block *b, tensor_id x, grid cells)
{
    const tensor_id y = norm_apply(g, &b->norm1, x);
    if (b->starts_stage)
        x = max_pool(g, linear_apply(g, &b->skip, y), cells);
    x = add(g, x, attend(g, b, y, cells));
    const tensor_id z = linear_apply(g, &b->widen, norm_apply(g, &b->norm2, x));
    return add(g, x, linear_apply(g, &b->narrow, graph_unary(g, UNARY_GELU, z)));
}

static void build(graph *g, const void *trunk_weights, tensor_id image,
                  tensor_id features[SAM2_LEVELS])
{
    const hiera_weights *m = trunk_weights;
    graph_scope(g, "trunk.patch.");
    conv2d_attr patches = conv2d_square(PATCH_STRIDE, PATCH_KERNEL / 2, 1);
    tensor_id x = conv_apply(g, &m->patch, image, &patches);
    if (x == TENSOR_NONE)
        return;
    grid cells = {graph_tensor_at(g, x)->shape.dim[1], graph_tensor_at(g, x)->shape.dim[2]};
    const windowed_embedding position = {.coarse = m->pos_embed,
                                         .window = m->pos_embed_window,
                                         .coarse_size = m->pos_embed_size,
                                         .window_size = m->pos_embed_window_size,
                                         .channels = (int32_t)m->patch.out};
    x = add(g, x, constant_windowed_grid(g, &position, cells.h, cells.w));
    x = graph_reshape(g, x, SHAPE(1, cells.h * cells.w, m->patch.out));
    for (int i = 0; i < m->n_blocks; i++) {
        const hiera_block *b = &m->blocks[i];
        graph_scope(g, tensor_prefix_make("trunk.%d.", i).text);
        x = block(g, b, x, cells);
        if (b->starts_stage)
            cells = (grid){cells.h / POOL, cells.w / POOL};
        if (b->level >= 0)
            features[b->level] = graph_reshape(g, x, SHAPE(1, cells.h, cells.w, b->dim));
    }
}

const trunk_table trunk_hiera = {
    .name = "hiera",
    .check = check,
    .weights_bytes = sizeof(hiera_weights),
    .bind = bind,
    .build = build,
};
