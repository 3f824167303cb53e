/* Multi-head attention (Vaswani et al. 2017) with rotary embedding, masks and windows: every query
 * looks at each key that its window holds, one after the other, twice. */
#include "backend/reference/operators.h"

#include <math.h>

/* The keys of one query: the cells of a rectangle that may reach beyond the grid of keys. */
typedef struct key_window {
    int64_t top, left, height, width;
} key_window;

static key_window window_of_query(const ref_call *call, int64_t query)
{
    const attention_attr *a = &call->node->attr.attention;
    if (a->window_h == 0) /* global: one row of all keys */
        return (key_window){0, 0, 1, call->shape[1]->dim[1]};
    const bool own_grid = a->q_window_h != 0;
    const int64_t grid_w = own_grid ? a->q_grid_w : a->grid_w;
    const int64_t window_h = own_grid ? a->q_window_h : a->window_h;
    const int64_t window_w = own_grid ? a->q_window_w : a->window_w;
    return (key_window){query / grid_w / window_h * a->window_h,
                        query % grid_w / window_w * a->window_w, a->window_h, a->window_w};
}

/* The key's token at a cell, or -1 outside the grid. */
static int64_t token_at(const ref_call *call, const key_window *window, int64_t cell)
{
    const attention_attr *a = &call->node->attr.attention;
    const int64_t y = window->top + cell / window->width, x = window->left + cell % window->width;
    if (a->window_h == 0)
        return x;
    return y < a->grid_h && x < a->grid_w ? y * a->grid_w + x : -1;
}

/* Element i of a head of a query or key, rotated by its row of the table (cos, sin), if any. */
static double rotated(const float *head, const float *row, int64_t i)
{
    if (!row)
        return head[i];
    const double cosine = row[i / 2 * 2], sine = row[i / 2 * 2 + 1];
    return i % 2 == 0 ? head[i] * cosine - head[i + 1] * sine
                      : head[i - 1] * sine + head[i] * cosine;
}

/* One head of one query of one batch. */
typedef struct query_head {
    int64_t batch, query, head;
} query_head;

/* scale q k^T, or -infinity for a cell that takes no part. */
static double score(const ref_call *call, const query_head *at, int64_t token)
{
    const attention_attr *a = &call->node->attr.attention;
    const int64_t lq = call->shape[0]->dim[1], lk = call->shape[1]->dim[1],
                  width = call->shape[0]->dim[2], dk = width / a->heads;
    const int64_t key_batch = call->shape[1]->dim[0] == 1 ? 0 : at->batch;
    const float *k, *rope_k = NULL;
    if (token < 0) {
        if (!call->in[6])
            return -INFINITY;
        k = call->in[6];
    } else {
        if (call->in[5] &&
            call->in[5][(call->shape[5]->dim[0] == 1 ? 0 : at->batch) * lk + token] == 0)
            return -INFINITY;
        k = call->in[1] + (key_batch * lk + token) * width;
        if (call->in[4] && token < a->rope_keys)
            rope_k = call->in[4] + token % call->shape[4]->dim[0] * dk;
    }
    const float *q = call->in[0] + (at->batch * lq + at->query) * width + at->head * dk;
    const float *rope_q = call->in[3] ? call->in[3] + at->query * dk : NULL;
    double sum = 0;
    for (int64_t i = 0; i < dk; i++)
        sum += rotated(q, rope_q, i) * rotated(k + at->head * dk, rope_k, i);
    return a->scale * sum;
}

int64_t ref_attention_scratch(const graph_node *node, int64_t n_keys)
{
    const attention_attr *a = &node->attr.attention;
    return a->window_h ? (int64_t)a->window_h * a->window_w : n_keys;
}

/* A query none of whose keys take part gives zeros. */
static void attend(const ref_call *call, const query_head *at)
{
    const int64_t lq = call->shape[0]->dim[1], lk = call->shape[1]->dim[1],
                  width = call->shape[2]->dim[2], dv = width / call->node->attr.attention.heads;
    const int64_t key_batch = call->shape[2]->dim[0] == 1 ? 0 : at->batch;
    const key_window window = window_of_query(call, at->query);
    const int64_t n_cells = window.height * window.width;
    double *weight = call->scratch, max = -INFINITY, sum = 0;
    for (int64_t cell = 0; cell < n_cells; cell++) {
        weight[cell] = score(call, at, token_at(call, &window, cell));
        max = fmax(max, weight[cell]);
    }
    for (int64_t cell = 0; cell < n_cells; cell++) {
        weight[cell] = weight[cell] == -INFINITY ? 0 : exp(weight[cell] - max);
        sum += weight[cell];
    }
    float *out = call->out + (at->batch * lq + at->query) * width + at->head * dv;
    for (int64_t i = 0; i < dv; i++) {
        double acc = 0;
        for (int64_t cell = 0; cell < n_cells; cell++) {
            if (weight[cell] == 0)
                continue;
            const int64_t token = token_at(call, &window, cell);
            const float *v =
                token < 0 ? call->in[7] : call->in[2] + (key_batch * lk + token) * width;
            acc += weight[cell] * v[at->head * dv + i];
        }
        out[i] = sum == 0 ? 0 : (float)(acc / sum);
    }
}

void ref_attention(const ref_call *call)
{
    const tensor_shape *q = call->shape[0];
    query_head at;
    for (at.batch = 0; at.batch < q->dim[0]; at.batch++)
        for (at.query = 0; at.query < q->dim[1]; at.query++)
            for (at.head = 0; at.head < call->node->attr.attention.heads; at.head++)
                attend(call, &at);
}
