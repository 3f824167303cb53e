/* Attention: which kernel, and what it needs of its operands. */
#include "backend/cuda/module/executable.h"
#include "backend/cuda/module/weights.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* What the fp32 kernel keeps of a head in a warp's registers. */
enum { SIMT_MAX_WIDTH = 512, MAX_GRID = 65535, MAX_SPLITS = 32 };

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static void choose_windows(const dev_site *site, attention_params *p)
{
    const attention_attr *a = &site->node->attr.attention;
    p->k_grid = (dev_grid){1, p->lk, 1, p->lk};
    p->q_grid = (dev_grid){1, p->lq, 1, p->lq};
    if (a->window_h) {
        p->k_grid = (dev_grid){a->grid_h, a->grid_w, a->window_h, a->window_w};
        p->q_grid = p->k_grid;
        if (a->q_window_h)
            p->q_grid = (dev_grid){a->q_grid_h, a->q_grid_w, a->q_window_h, a->q_window_w};
    }
    p->windows_across = (int32_t)divide_up(p->k_grid.grid_w, p->k_grid.window_w);
    p->n_windows = (int32_t)(p->windows_across * divide_up(p->k_grid.grid_h, p->k_grid.window_h));
}

/* The keys or values of cells outside the grid, as bf16 heads of `padded` elements. */
static roto_status pack_pad(dev_site *site, int input, int64_t padded, dev_ptr *out)
{
    *out = (dev_ptr){NULL, 1};
    if (!site->in[input].at.data)
        return ROTO_OK;
    dev_operand row = site->in[input];
    const int heads = site->node->attr.attention.heads;
    if (row.constant) { /* once and for all */
        const weight_order order = {.data = row.constant,
                                    .outputs = heads,
                                    .taps = 1,
                                    .channels = shape_last(&row.shape) / heads};
        return weights_upload_bf16(site, &order, padded, &out->data);
    }
    const pack_wish wish = {.heads = heads, .padded = padded};
    dev_rows packed;
    row.row_stride = shape_last(&row.shape);
    ROTO_TRY(site_pack(site, &row, &wish, &packed));
    *out = packed.at;
    return ROTO_OK;
}

/* Keys are cut into parts where the queries are too few for all multiprocessors, each of at least
 * four tiles, so that joining them costs little. */
static void choose_splits(const dev_site *site, attention_params *p, int queries, int keys)
{
    const int64_t cells = (int64_t)p->k_grid.window_h * p->k_grid.window_w;
    const int64_t tiles = divide_up((int64_t)p->q_grid.window_h * p->q_grid.window_w, queries);
    const int64_t blocks = tiles * p->n_windows * p->heads * p->batch;
    int64_t n = site->n_multiprocessors / blocks;
    const int64_t most = cells / (4 * keys);
    n = n < most ? n : most;
    n = n < 1 ? 1 : n > MAX_SPLITS ? MAX_SPLITS : n;
    p->split_cells = (int32_t)(divide_up(divide_up(cells, n), keys) * keys);
    p->n_splits = (int32_t)divide_up(cells, p->split_cells);
}

/* Only global attention, and enough of it that the copies and barriers pay. */
static bool suits_hopper(const dev_site *site, const attention_params *p)
{
    int queries = 0, keys = 0;
    return site->compute_capability == 90 && !site->only_common &&
           !site->node->attr.attention.window_h && p->scale > 0 && !p->valid.at.is_bf16 &&
           (!p->valid.at.data || p->key_batches == p->batch || p->valid_batches == 1) &&
           attention_hopper_tile(p->dk, p->dv, &queries, &keys) && (int64_t)p->lq * 2 >= queries &&
           divide_up(p->lk, keys) <= HOPPER_MAX_TILES;
}

/* Many queries to few keys. */
static bool suits_few(const dev_site *site, const attention_params *p)
{
    return !site->node->attr.attention.window_h && p->dk == p->dv && p->dv == p->dv_out &&
           operand_aligned(&site->out, 4) && attention_few_suits(p->heads, p->dk, p->lq, p->lk);
}

/* q, k and v as the kernels want them, and the steps of that but for their launch. */
static roto_status plan_operands(dev_site *site, attention_params *p,
                                 attention_operands_params *before)
{
    const attention_attr *a = &site->node->attr.attention;
    const int32_t padded_k = (int32_t)divide_up(p->dk, 8) * 8,
                  padded_v = (int32_t)divide_up(p->dv, 8) * 8;
    /* What is behind keys that take no part must not reach the sums: 0 times infinity would. The
     * mma.sync kernel looks at each key, wgmma cannot. */
    const dev_operand *valid =
        p->valid.at.data && suits_hopper(site, p) && !suits_few(site, p) ? &site->in[5] : NULL;
    const pack_wish wishes[3] = {
        {.heads = p->heads,
         .padded = padded_k,
         .rope = p->rope_q,
         .tokens = p->lq,
         .rope_tokens = p->lq,
         .rope_rows = p->lq},
        {.heads = p->heads,
         .padded = padded_k,
         .rope = p->rope_k,
         .tokens = p->lk,
         .rope_tokens = a->rope_keys,
         .rope_rows = p->rope_rows,
         .valid = valid},
        {.heads = p->heads, .padded = padded_v, .tokens = p->lk, .valid = valid}};
    dev_rows *const rows[3] = {&p->q, &p->k, &p->v};
    for (int i = 0; i < 3; i++) {
        pack_params *part = &before->parts[before->n_parts];
        ROTO_TRY(site_plan_pack(site, &site->in[i], &wishes[i], rows[i], part));
        before->n_parts += part->out != NULL;
    }
    ROTO_TRY(pack_pad(site, 6, padded_k, &p->pad_k));
    ROTO_TRY(pack_pad(site, 7, padded_v, &p->pad_v));
    p->dk = padded_k;
    p->dv = padded_v;
    p->rope_q = p->rope_k = NULL;
    return ROTO_OK;
}

static roto_status add_operands(dev_site *site, const attention_operands_params *before)
{
    if (before->n_parts == 0 && before->tiles.batches == 0)
        return ROTO_OK;
    return site_add(site, "attention.operands", attention_operands_launch, before, sizeof(*before),
                    0);
}

/* Memory for the parts of a result, and the step that joins them after `p`'s. */
static void place_partial(dev_site *site, attention_params *p)
{
    if (p->n_splits < 2)
        return;
    const int64_t items = (int64_t)p->n_splits * p->batch * p->heads * p->lq;
    p->partial = site_workspace(site, (size_t)(items * p->dv_out) * sizeof(float));
    p->peaks = site_workspace(site, (size_t)(items * 2) * sizeof(float));
}

static roto_status add_join(dev_site *site, const attention_params *p)
{
    if (p->n_splits < 2)
        return ROTO_OK;
    return site_add(site, "attention.join", attention_combine_launch, p, sizeof(*p), 0);
}

static roto_status add_mma(dev_site *site, attention_params *p, int64_t flops)
{
    int queries = 0, keys = 0;
    attention_mma_tile(p->dk, p->dv, &queries, &keys);
    choose_splits(site, p, queries, keys);
    place_partial(site, p);
    ROTO_TRY(site_add(site, "attention.mma", attention_mma_launch, p, sizeof(*p), flops));
    return add_join(site, p);
}

/* Has it found out which tiles of keys count. */
static void find_tiles(dev_site *site, int keys, attention_hopper_params *p,
                       attention_operands_params *before)
{
    attention_tiles_params *const tiles = &before->tiles;
    *tiles = (attention_tiles_params){.valid = p->a.valid,
                                      .batches = p->a.valid_batches,
                                      .lk = p->a.lk,
                                      .keys = keys,
                                      .n_tiles = p->n_tiles};
    const size_t n = (size_t)tiles->batches * (size_t)tiles->n_tiles;
    p->bias = tiles->bias = site_workspace(site, n * (size_t)keys * sizeof(float));
    p->list = tiles->list = site_workspace(site, (n + (size_t)tiles->batches) * sizeof(int32_t));
}

/* The same where all keys do. */
static roto_status upload_tiles(dev_site *site, int keys, attention_hopper_params *p)
{
    const size_t n = (size_t)p->n_tiles, n_keys = n * (size_t)keys;
    int32_t *list = memory_new_array(1 + n, sizeof(*list));
    float *bias = memory_new_array(n_keys, sizeof(*bias));
    void *list_at = NULL, *bias_at = NULL;
    roto_status status = list && bias ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK) {
        list[0] = p->n_tiles;
        for (int32_t i = 0; i < p->n_tiles; i++)
            list[1 + i] = i * 2 + ((i + 1) * keys > p->a.lk);
        for (size_t i = (size_t)p->a.lk; i < n_keys; i++)
            bias[i] = -INFINITY;
        status = site_upload(site, list, (1 + n) * sizeof(*list), &list_at);
    }
    if (status == ROTO_OK)
        status = site_upload(site, bias, n_keys * sizeof(*bias), &bias_at);
    p->list = list_at;
    p->bias = bias_at;
    free(list);
    free(bias);
    return status;
}

static roto_status add_hopper(dev_site *site, const attention_params *a,
                              attention_operands_params *before, int64_t flops)
{
    attention_hopper_params p = {.a = *a};
    int queries = 0, keys = 0;
    attention_hopper_tile(a->dk, a->dv, &queries, &keys);
    choose_splits(site, &p.a, queries, keys);
    place_partial(site, &p.a);
    p.n_tiles = (int32_t)divide_up(a->lk, keys);
    if (a->valid.at.data)
        find_tiles(site, keys, &p, before);
    else
        ROTO_TRY(upload_tiles(site, keys, &p));
    if (!site->e->measuring)
        DEVICE_TRY(attention_hopper_maps(&p), "describing the tensors of attention '%s'",
                   site->node->name);
    ROTO_TRY(add_operands(site, before));
    ROTO_TRY(site_add(site, "attention.wgmma", attention_hopper_launch, &p, sizeof(p), flops));
    return add_join(site, &p.a);
}

static roto_status add_bf16(dev_site *site, attention_params *p, int64_t flops)
{
    attention_operands_params before = {.n_parts = 0};
    ROTO_TRY(plan_operands(site, p, &before));
    if (suits_hopper(site, p) && !suits_few(site, p))
        return add_hopper(site, p, &before, flops);
    ROTO_TRY(add_operands(site, &before));
    if (suits_few(site, p))
        return site_add(site, "attention.few", attention_few_launch, p, sizeof(*p), flops);
    attention_windows_params windows = {.a = *p,
                                        .wide_out = p->out.at.is_bf16 && p->dv_out % 8 == 0 &&
                                                    operand_aligned(&site->out, 8)};
    if (site->node->attr.attention.window_h && attention_windows_suit(p))
        return site_add(site, "attention.windows", attention_windows_launch, &windows,
                        sizeof(windows), flops);
    return add_mma(site, p, flops);
}

roto_status attention_prepare(dev_site *site)
{
    const attention_attr *a = &site->node->attr.attention;
    const tensor_shape *q = &site->in[0].shape, *k = &site->in[1].shape, *v = &site->in[2].shape;
    attention_params p = {.out = rows_of(&site->out),
                          .q = rows_of(&site->in[0]),
                          .k = rows_of(&site->in[1]),
                          .v = rows_of(&site->in[2]),
                          .batch = (int32_t)q->dim[0],
                          .heads = a->heads,
                          .dk = (int32_t)(q->dim[2] / a->heads),
                          .dv = (int32_t)(v->dim[2] / a->heads),
                          .lq = (int32_t)q->dim[1],
                          .lk = (int32_t)k->dim[1],
                          .key_batches = (int32_t)k->dim[0],
                          .scale = a->scale,
                          .rope_keys = (int32_t)a->rope_keys,
                          .valid = rows_of(&site->in[5]),
                          .pad_k = site->in[6].at,
                          .pad_v = site->in[7].at,
                          .n_splits = 1};
    p.dv_out = p.dv;
    p.pairs = p.dv_out % 2 == 0 && operand_aligned(&site->out, 2);
    p.fours = p.dv_out % 4 == 0 && operand_aligned(&site->out, 4);
    if (p.valid.at.data)
        p.valid_batches = (int32_t)site->in[5].shape.dim[0];
    ROTO_TRY(site_constant(site, 3, &p.rope_q));
    ROTO_TRY(site_constant(site, 4, &p.rope_k));
    p.rope_rows = p.rope_k ? (int32_t)site->in[4].shape.dim[0] : 1;
    choose_windows(site, &p);
    if (p.batch > MAX_GRID || (int64_t)p.heads * MAX_SPLITS > MAX_GRID)
        return site_refuse(site, "a batch of more than 65535 or more than 2047 heads");
    const int64_t flops = graph_node_flops(site->e->g, site->node);
    int queries, keys;
    if (site->precision == PRECISION_BF16 && attention_mma_tile(p.dk, p.dv, &queries, &keys))
        return add_bf16(site, &p, flops);
    if (p.dk > SIMT_MAX_WIDTH || p.dv > SIMT_MAX_WIDTH)
        return site_refuse(site, "heads of more than %d elements", SIMT_MAX_WIDTH);
    return site_add(site, "attention.simt", attention_simt_launch, &p, sizeof(p), flops);
}
