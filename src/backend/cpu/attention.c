/* Attention: a task takes queries of one head and passes over their keys block by block, packing
 * each block (rotated, transposed) as it comes, unless several tasks are to share the same keys:
 * then all blocks are packed once, before. Windows are read from the grid where they lie, and keys
 * without a part are left out before anything is computed. */
#include "backend/cpu/kernel.h"

#include "backend/cpu/simd/attention.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/team.h"

#include <math.h>

/* Most queries of a task: packing a key costs about as much as ten queries' products with it. */
enum { MOST_QUERIES = 11 * ATTENTION_ROWS };

/* Blocks of queries are multiples of this many, of which every tile's rows are a divisor. */
enum { QUERY_TILE = 12 };

/* Of keys that are packed once. Beyond, reading them back would cost more than packing again. */
enum { MOST_PACKED_BYTES = 32 << 20 };

/* Where things are in a task's scratch memory, in bytes. */
typedef struct scratch_plan {
    size_t queries, sums, max, total, scores, rows, keys, values, pointers, tokens, bytes;
} scratch_plan;

/* A grid of tokens cut into windows; one window of one row when attention is global. */
typedef struct window_grid {
    int64_t grid_h, grid_w, window_h, window_w;
} window_grid;

typedef struct attention {
    const attention_table *simd;
    attention_attr attr;
    operand q, k, v, rope_q, rope_k, valid, pad_k, pad_v, out;
    int64_t depth, width; /* of a head's keys and values */
    int64_t packed_depth; /* floats or pairs of a packed query or key */
    window_grid q_grid, k_grid;
    int64_t n_windows, windows_across;
    int64_t block_keys, block_queries /* at most */, blocks_per_window;
    int64_t n_items;
    int n_tasks;
    scratch_plan plan;
    float *packed; /* [batch][head][key block] of packed_floats: keys, then values; or NULL */
    int64_t n_key_blocks, packed_floats;
    int n_pack_tasks;
} attention;

typedef struct workspace {
    float *queries, *sums, *max, *total, *scores, *rows, *keys, *values;
    const float **pointers;
    int64_t *tokens;
} workspace;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* What one item computes. */
typedef struct item {
    int64_t batch, head, window;
    int64_t first_query, n_queries; /* of the window's cells inside the grid */
} item;

/* The cells of a window inside its grid. */
typedef struct cells {
    int64_t top, left, height, width;
} cells;

static cells cells_of(const attention *a, const window_grid *g, int64_t window)
{
    const int64_t top = window / a->windows_across * g->window_h;
    const int64_t left = window % a->windows_across * g->window_w;
    return (cells){top, left, least(g->window_h, g->grid_h - top),
                   least(g->window_w, g->grid_w - left)};
}

static int64_t token_of(const window_grid *g, const cells *c, int64_t cell)
{
    return (c->top + cell / c->width) * g->grid_w + c->left + cell % c->width;
}

/* Rows of a batch that all batches may share. */
static const float *row_of(const operand *o, int64_t batch, int64_t token)
{
    const int64_t first = o->shape.dim[0] == 1 ? 0 : batch * o->shape.dim[1];
    return o->data + (first + token) * o->row_stride;
}

/* The tokens that take part, in the grid's order, then -1 for the padding's key if there is any. It
 * stands for all positions outside the grid, *n_outside of them: as one key of so many times the
 * weight it costs less and does not round the same sum in the same direction again and again. */
static int64_t list_keys(const attention *a, const item *it, int64_t *tokens, int64_t *n_outside)
{
    const cells c = cells_of(a, &a->k_grid, it->window);
    const int64_t n_cells = c.height * c.width;
    const float *valid = NULL;
    if (a->valid.data)
        valid = a->valid.data + (a->valid.shape.dim[0] == 1 ? 0 : it->batch * a->valid.row_stride);
    int64_t n = 0;
    for (int64_t y = 0; y < c.height; y++) {
        const int64_t row = (c.top + y) * a->k_grid.grid_w + c.left;
        for (int64_t token = row; token < row + c.width; token++) {
            if (!valid || valid[token] != 0)
                tokens[n++] = token;
        }
    }
    *n_outside = a->pad_k.data ? a->k_grid.window_h * a->k_grid.window_w - n_cells : 0;
    if (*n_outside > 0)
        tokens[n++] = -1;
    return n;
}

static void load_queries(const attention *a, const item *it, const workspace *w)
{
    const float log2_e = 1.44269504f; /* weights are powers of 2 */
    const cells c = cells_of(a, &a->q_grid, it->window);
    for (int64_t i = 0; i < it->n_queries; i++) {
        const int64_t token = token_of(&a->q_grid, &c, it->first_query + i);
        const float *q = a->q.data + (it->batch * a->q.shape.dim[1] + token) * a->q.row_stride;
        const float *rotation =
            a->rope_q.data ? a->rope_q.data + token * a->rope_q.shape.dim[1] * 2 : NULL;
        float *to = w->queries + i * a->packed_depth;
        a->simd->rotate(a->depth, q + it->head * a->depth, rotation, a->attr.scale * log2_e,
                        a->simd->to_pairs ? w->rows : to);
        if (a->simd->to_pairs)
            a->simd->to_pairs(a->depth, w->rows, to);
        w->max[i] = -INFINITY;
        w->total[i] = 0;
    }
    const int64_t padded = divide_up(a->width, a->simd->lanes) * a->simd->lanes;
    for (int64_t i = 0; i < it->n_queries * padded; i++)
        w->sums[i] = 0;
}

/* A block of keys and values in the order in which they are multiplied. */
typedef struct packed_block {
    float *keys, *values;
} packed_block;

static packed_block packed_of(const attention *a, const item *it, int64_t block)
{
    const int64_t index = (it->batch * a->attr.heads + it->head) * a->n_key_blocks + block;
    float *keys = a->packed + index * a->packed_floats;
    return (packed_block){keys, keys + a->block_keys * a->packed_depth};
}

static void pack_block(const attention *a, const item *it, const int64_t *tokens, int64_t n,
                       const workspace *w, packed_block to)
{
    const int64_t panel = 2 * a->simd->lanes; /* whose keys stay in the first-level cache */
    for (int64_t first = 0; first < n; first += panel) {
        const int64_t end = least(n, first + panel);
        for (int64_t i = first; i < end; i++) {
            const int64_t token = tokens[i];
            const float *k = token < 0 ? a->pad_k.data : row_of(&a->k, it->batch, token);
            const float *v = token < 0 ? a->pad_v.data : row_of(&a->v, it->batch, token);
            const float *rotation = NULL;
            if (a->rope_k.data && token >= 0 && token < a->attr.rope_keys)
                rotation =
                    a->rope_k.data + token % a->rope_k.shape.dim[0] * a->rope_k.shape.dim[1] * 2;
            a->simd->rotate(a->depth, k + it->head * a->depth, rotation, 1,
                            w->rows + (i - first) * a->depth);
            w->pointers[i] = v + it->head * a->width;
        }
        a->simd->pack_keys(end - first, a->depth, w->rows, to.keys + first * a->packed_depth);
    }
    a->simd->pack_values(n, a->width, w->pointers, to.values);
}

static void store_queries(const attention *a, const item *it, const workspace *w)
{
    const cells c = cells_of(a, &a->q_grid, it->window);
    const int64_t padded = divide_up(a->width, a->simd->lanes) * a->simd->lanes;
    for (int64_t i = 0; i < it->n_queries; i++) {
        const int64_t token = token_of(&a->q_grid, &c, it->first_query + i);
        float *out = a->out.data + (it->batch * a->out.shape.dim[1] + token) * a->out.row_stride;
        a->simd->finish(a->width, w->sums + i * padded, w->total[i], out + it->head * a->width);
    }
}

/* Without queries in the last blocks of a window that reaches beyond the grid. */
static item item_at(const attention *a, int64_t index)
{
    const int n_blocks = (int)a->blocks_per_window, block = (int)(index % n_blocks);
    index /= n_blocks;
    item it = {.window = index % a->n_windows};
    index /= a->n_windows;
    it.head = index % a->attr.heads;
    it.batch = index / a->attr.heads;
    const cells c = cells_of(a, &a->q_grid, it.window);
    const int64_t n = c.height * c.width, tiles = divide_up(n, QUERY_TILE);
    it.first_query = task_first(tiles, n_blocks, block) * QUERY_TILE;
    it.n_queries = least(n, task_first(tiles, n_blocks, block + 1) * QUERY_TILE) - it.first_query;
    return it;
}

static void run_item(const attention *a, int64_t index, const workspace *w)
{
    const item it = item_at(a, index);
    if (it.n_queries <= 0)
        return;
    load_queries(a, &it, w);
    int64_t n_outside = 0;
    const int64_t n_keys = list_keys(a, &it, w->tokens, &n_outside);
    for (int64_t first = 0; first < n_keys; first += a->block_keys) {
        const int64_t n = least(a->block_keys, n_keys - first);
        packed_block packed = {w->keys, w->values};
        if (a->packed)
            packed = packed_of(a, &it, first / a->block_keys);
        else
            pack_block(a, &it, w->tokens + first, n, w, packed);
        const attention_block block = {
            .n_queries = it.n_queries,
            .depth = a->packed_depth,
            .queries = w->queries,
            .n_keys = n,
            .last_bias = n_outside > 1 && first + n == n_keys ? log2f((float)n_outside) : 0,
            .keys_padded = divide_up(n, a->simd->lanes) * a->simd->lanes,
            .keys = packed.keys,
            .values = packed.values,
            .width_padded = divide_up(a->width, a->simd->lanes) * a->simd->lanes,
            .sums = w->sums,
            .max = w->max,
            .total = w->total,
            .scores = w->scores,
        };
        a->simd->attend(&block);
    }
    store_queries(a, &it, w);
}

static workspace workspace_in(const scratch_plan *p, void *scratch)
{
    char *base = scratch;
    return (workspace){
        .queries = (float *)(void *)(base + p->queries),
        .sums = (float *)(void *)(base + p->sums),
        .max = (float *)(void *)(base + p->max),
        .total = (float *)(void *)(base + p->total),
        .scores = (float *)(void *)(base + p->scores),
        .rows = (float *)(void *)(base + p->rows),
        .keys = (float *)(void *)(base + p->keys),
        .values = (float *)(void *)(base + p->values),
        .pointers = (const float **)(void *)(base + p->pointers),
        .tokens = (int64_t *)(void *)(base + p->tokens),
    };
}

static void run_pack(const void *state, int task, void *scratch)
{
    const attention *a = state;
    const workspace w = workspace_in(&a->plan, scratch);
    const int64_t n_blocks = a->q.shape.dim[0] * a->attr.heads * a->n_key_blocks;
    for (int64_t i = task_first(n_blocks, a->n_pack_tasks, task);
         i < task_first(n_blocks, a->n_pack_tasks, task + 1); i++) {
        const int64_t group = i / a->n_key_blocks, block = i % a->n_key_blocks;
        const item it = {.batch = group / a->attr.heads, .head = group % a->attr.heads};
        int64_t n_outside = 0;
        const int64_t first = block * a->block_keys,
                      n = least(a->block_keys, list_keys(a, &it, w.tokens, &n_outside) - first);
        if (n > 0)
            pack_block(a, &it, w.tokens + first, n, &w, packed_of(a, &it, block));
    }
}

static void run(const void *state, int task, void *scratch)
{
    const attention *a = state;
    const workspace w = workspace_in(&a->plan, scratch);
    for (int64_t i = task_first(a->n_items, a->n_tasks, task);
         i < task_first(a->n_items, a->n_tasks, task + 1); i++)
        run_item(a, i, &w);
}

static void choose_windows(attention *a)
{
    const attention_attr *t = &a->attr;
    const int64_t lq = a->q.shape.dim[1], lk = a->k.shape.dim[1];
    a->k_grid = (window_grid){1, lk, 1, lk};
    a->q_grid = (window_grid){1, lq, 1, lq};
    if (t->window_h) {
        a->k_grid = (window_grid){t->grid_h, t->grid_w, t->window_h, t->window_w};
        a->q_grid = a->k_grid;
        if (t->q_window_h)
            a->q_grid = (window_grid){t->q_grid_h, t->q_grid_w, t->q_window_h, t->q_window_w};
    }
    a->windows_across = divide_up(a->k_grid.grid_w, a->k_grid.window_w);
    a->n_windows = a->windows_across * divide_up(a->k_grid.grid_h, a->k_grid.window_h);
}

/* Blocks of keys whose packed keys and values fill half of the second-level cache, the other half
 * being for queries, scores and sums that pass by. Depends on shapes alone: blocks show in the bits
 * of the result. */
static void choose_key_blocks(attention *a, int64_t n_keys)
{
    const int64_t multiple = 32;
    int64_t n = a->simd->block_floats / (a->depth + a->width) / multiple * multiple;
    n = n < multiple ? multiple : least(n, a->simd->longest_block);
    a->block_keys = least(n, divide_up(n_keys, multiple) * multiple);
}

/* Blocks of queries: how many are done at once shows in no result, so it may depend on threads. */
static void choose_query_blocks(const kernel_site *site, attention *a)
{
    const int64_t n = a->q_grid.window_h * a->q_grid.window_w;
    const int64_t groups = a->q.shape.dim[0] * a->attr.heads * a->n_windows;
    const int64_t wanted = site->n_threads > 1 ? divide_up(4 * site->n_threads, groups) : 1;
    int64_t block = divide_up(n, wanted);
    const int64_t fewest = ATTENTION_ROWS;
    block = least(MOST_QUERIES, block < fewest ? fewest : block);
    a->blocks_per_window = divide_up(n, block);
    a->block_queries = divide_up(divide_up(n, QUERY_TILE), a->blocks_per_window) * QUERY_TILE;
    a->n_items = groups * a->blocks_per_window;
}

/* Takes `count` items from the scratch memory; false when sizes overflow. */
static bool reserve(scratch_plan *p, int64_t count, size_t item_bytes, size_t *at)
{
    size_t bytes = 0;
    *at = p->bytes;
    if (!size_mul((size_t)count, item_bytes, &bytes) ||
        !size_add(bytes, MEMORY_ALIGN_BYTES - 1, &bytes))
        return false;
    return size_add(p->bytes, bytes - bytes % MEMORY_ALIGN_BYTES, &p->bytes);
}

static roto_status plan_scratch(const kernel_site *site, attention *a, int64_t most_keys)
{
    scratch_plan *p = &a->plan;
    const int64_t lanes = a->simd->lanes, width = divide_up(a->width, lanes) * lanes;
    const int64_t multiple = a->simd->row_multiple;
    const int64_t queries = divide_up(a->block_queries, multiple) * multiple;
    const int64_t rows = divide_up(least(queries, ATTENTION_ROWS), multiple) * multiple;
    if (reserve(p, queries * a->packed_depth, sizeof(float), &p->queries) &&
        reserve(p, queries * width, sizeof(float), &p->sums) &&
        reserve(p, a->block_queries, sizeof(float), &p->max) &&
        reserve(p, a->block_queries, sizeof(float), &p->total) &&
        reserve(p, rows * a->block_keys, sizeof(float), &p->scores) &&
        reserve(p, 2 * lanes * a->depth, sizeof(float), &p->rows) &&
        reserve(p, a->block_keys * a->packed_depth, sizeof(float), &p->keys) &&
        reserve(p, a->block_keys * width, sizeof(float), &p->values) &&
        reserve(p, a->block_keys, sizeof(float *), &p->pointers) &&
        reserve(p, most_keys, sizeof(int64_t), &p->tokens))
        return ROTO_OK;
    return roto_fail(ROTO_ERROR_MEMORY, "out of memory: scratch memory of attention '%s'",
                     site->node->name);
}

/* Packs all keys before, where several tasks would pack the same. */
static roto_status share_packing(const kernel_site *site, attention *a, int64_t n_keys,
                                 const kernel **before)
{
    const int64_t lanes = a->simd->lanes, groups = a->q.shape.dim[0] * a->attr.heads;
    a->n_key_blocks = divide_up(n_keys, a->block_keys);
    a->packed_floats = a->block_keys * (a->packed_depth + divide_up(a->width, lanes) * lanes);
    const double bytes =
        (double)groups * (double)a->n_key_blocks * (double)a->packed_floats * (double)sizeof(float);
    if (a->n_windows > 1 || a->blocks_per_window == 1 || bytes > MOST_PACKED_BYTES)
        return ROTO_OK;
    a->packed = kernel_alloc(site, (size_t)(groups * a->n_key_blocks),
                             (size_t)a->packed_floats * sizeof(float));
    kernel *pack = kernel_alloc(site, 1, sizeof(*pack));
    if (!a->packed || !pack)
        return ROTO_ERROR_MEMORY;
    /* A float of it takes about a third of a nanosecond. */
    a->n_pack_tasks = kernel_n_tasks(site, groups * a->n_key_blocks, (double)a->packed_floats / 3);
    *pack = (kernel){.name = KERNEL_NAME(site, "attention_pack"),
                     .run = run_pack,
                     .state = a,
                     .n_tasks = a->n_pack_tasks,
                     .scratch_bytes = a->plan.bytes};
    *before = pack;
    return ROTO_OK;
}

static bool contiguous(const operand *o)
{
    return !o->data || o->row_stride == shape_last(&o->shape);
}

static const attention_table *table_of(const kernel_site *site)
{
    const int64_t n_queries = site->in[0].shape.dim[1], n_keys = site->in[1].shape.dim[1];
    switch (kernel_bf16_for(site, least(n_queries, n_keys))) {
#if defined(__x86_64__)
    case BF16_AMX:
        return &attention_table_amx;
#endif
    case BF16_AMX_EMULATED:
        return &attention_table_amx_emulated;
    default:
        return SIMD_TABLE(site->isa, attention_table);
    }
}

roto_status attention_prepare(const kernel_site *site, kernel *out)
{
    attention *a = kernel_alloc(site, 1, sizeof(*a));
    if (!a)
        return ROTO_ERROR_MEMORY;
    *a = (attention){
        .simd = table_of(site),
        .attr = site->node->attr.attention,
        .q = site->in[0],
        .k = site->in[1],
        .v = site->in[2],
        .rope_q = site->in[3],
        .rope_k = site->in[4],
        .valid = site->in[5],
        .pad_k = site->in[6],
        .pad_v = site->in[7],
        .out = site->out,
    };
    if (!contiguous(&a->rope_q) || !contiguous(&a->rope_k))
        return kernel_refuse(site, "rotary tables have to be contiguous");
    a->depth = shape_last(&a->q.shape) / a->attr.heads;
    a->width = shape_last(&a->v.shape) / a->attr.heads;
    a->packed_depth = a->depth;
    if (a->simd->to_pairs)
        a->packed_depth =
            divide_up(a->depth, 2 * a->simd->depth_multiple) * a->simd->depth_multiple;
    choose_windows(a);
    const int64_t most_keys = a->k_grid.window_h * a->k_grid.window_w;
    choose_key_blocks(a, most_keys);
    choose_query_blocks(site, a);
    ROTO_TRY(plan_scratch(site, a, most_keys));
    const kernel *before = NULL;
    ROTO_TRY(share_packing(site, a, most_keys, &before));
    const double multiply_adds =
        (double)a->block_queries * (double)most_keys * (double)(a->depth + a->width);
    a->n_tasks = kernel_n_tasks(site, a->n_items, multiply_adds / 30);
    if (a->blocks_per_window > 1) /* blocks were cut for the threads already */
        a->n_tasks = (int)least(a->n_items, TEAM_MAX_TASKS);
    *out = (kernel){.name = KERNEL_NAME(site, "attention"),
                    .run = run,
                    .state = a,
                    .n_tasks = a->n_tasks,
                    .scratch_bytes = a->plan.bytes,
                    .before = before};
    return ROTO_OK;
}
