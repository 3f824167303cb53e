#include "graph/infer.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* What every rule below needs. */
typedef struct inference {
    const char *name;
    const graph_node *node;
    const graph_tensor *const *in;
    tensor_shape *out;
} inference;

#define REFUSE(inf, fmt, ...)                                                                      \
    roto_fail(ROTO_ERROR_ARGUMENT, "%s '%s': " fmt, op_name((inf)->node->op), (inf)->name,         \
              ##__VA_ARGS__)

static bool is_vector(const graph_tensor *t, int64_t length)
{
    return !t || (t->shape.rank == 1 && t->shape.dim[0] == length);
}

static roto_status refuse_rank(const inference *inf, int index, int rank)
{
    return REFUSE(inf, "input %d has to have %d dimensions", index, rank);
}

/* Kernel extents, strides and paddings that cannot overflow later products. */
static bool window_valid(int64_t kernel, int stride, int before, int after, int dilation)
{
    enum { LIMIT = 1 << 16 };
    return kernel >= 1 && kernel <= LIMIT && stride >= 1 && stride <= LIMIT && before >= 0 &&
           before <= LIMIT && after >= 0 && after <= LIMIT && dilation >= 1 && dilation <= LIMIT;
}

static roto_status check_epilogue(const inference *inf, const epilogue *epi, int residual_index)
{
    const graph_tensor *residual =
        inf->node->n_in > residual_index ? inf->in[residual_index] : NULL;
    if ((unsigned)epi->act.kind >= UNARY_COUNT || (unsigned)epi->residual > RESIDUAL_AFTER)
        return REFUSE(inf, "unknown activation %d or residual mode %d", (int)epi->act.kind,
                      (int)epi->residual);
    if ((epi->residual != RESIDUAL_NONE) != (residual != NULL))
        return REFUSE(inf, "a residual mode and a residual input go together");
    if (residual && !shape_equal(&residual->shape, inf->out))
        return REFUSE(inf, "the residual's shape differs from the output's");
    return ROTO_OK;
}

static roto_status check_conv_norm(const inference *inf, const conv2d_attr *a, int64_t channels)
{
    const graph_tensor *gamma = inf->node->n_in > 4 ? inf->in[4] : NULL;
    const graph_tensor *beta = inf->node->n_in > 5 ? inf->in[5] : NULL;
    if ((unsigned)a->input.act.kind >= UNARY_COUNT)
        return REFUSE(inf, "unknown function %d of the input", (int)a->input.act.kind);
    if (!a->norm && (gamma || beta))
        return REFUSE(inf, "gamma and beta go with a norm");
    if (a->norm && (a->epi.residual != RESIDUAL_NONE || !(a->epsilon >= 0)))
        return REFUSE(inf, "a norm has no residual, and an epsilon of 0 or more");
    if (!is_vector(gamma, channels) || !is_vector(beta, channels))
        return REFUSE(inf, "gamma and beta have to have %lld elements", (long long)channels);
    return ROTO_OK;
}

static roto_status infer_conv2d(const inference *inf)
{
    const conv2d_attr *a = &inf->node->attr.conv2d;
    const tensor_shape *x = &inf->in[0]->shape, *w = &inf->in[1]->shape;
    if (x->rank != 4 || w->rank != 4)
        return refuse_rank(inf, x->rank != 4 ? 0 : 1, 4);
    if (a->groups < 1 || x->dim[3] % a->groups || w->dim[0] % a->groups ||
        w->dim[3] != x->dim[3] / a->groups)
        return REFUSE(inf, "%lld input channels and weights for %lld with %d groups",
                      (long long)x->dim[3], (long long)w->dim[3], a->groups);
    if (!is_vector(inf->in[2], w->dim[0]))
        return REFUSE(inf, "the bias has to have %lld elements", (long long)w->dim[0]);
    if (!window_valid(w->dim[1], a->stride_h, a->pad_top, a->pad_bottom, a->dilation_h) ||
        !window_valid(w->dim[2], a->stride_w, a->pad_left, a->pad_right, a->dilation_w))
        return REFUSE(inf, "kernel, stride, padding or dilation is out of range");
    int64_t h = x->dim[1] + a->pad_top + a->pad_bottom - a->dilation_h * (w->dim[1] - 1) - 1;
    int64_t v = x->dim[2] + a->pad_left + a->pad_right - a->dilation_w * (w->dim[2] - 1) - 1;
    if (h < 0 || v < 0)
        return REFUSE(inf, "the kernel is larger than the padded input");
    *inf->out = SHAPE(x->dim[0], h / a->stride_h + 1, v / a->stride_w + 1, w->dim[0]);
    ROTO_TRY(check_conv_norm(inf, a, w->dim[0]));
    return check_epilogue(inf, &a->epi, 3);
}

static roto_status infer_conv_transpose2d(const inference *inf)
{
    const conv_transpose2d_attr *a = &inf->node->attr.conv_transpose2d;
    const tensor_shape *x = &inf->in[0]->shape, *w = &inf->in[1]->shape;
    if (x->rank != 4 || w->rank != 4)
        return refuse_rank(inf, x->rank != 4 ? 0 : 1, 4);
    if (w->dim[3] != x->dim[3])
        return REFUSE(inf, "%lld input channels and weights for %lld", (long long)x->dim[3],
                      (long long)w->dim[3]);
    if (!is_vector(inf->in[2], w->dim[0]))
        return REFUSE(inf, "the bias has to have %lld elements", (long long)w->dim[0]);
    if (!window_valid(w->dim[1], a->stride_h, a->pad_top, a->pad_bottom, 1) ||
        !window_valid(w->dim[2], a->stride_w, a->pad_left, a->pad_right, 1) || a->extra_h < 0 ||
        a->extra_w < 0 || a->extra_h >= a->stride_h || a->extra_w >= a->stride_w)
        return REFUSE(inf, "kernel, stride or padding is out of range");
    int64_t h = (x->dim[1] - 1) * a->stride_h - a->pad_top - a->pad_bottom + w->dim[1] + a->extra_h;
    int64_t v = (x->dim[2] - 1) * a->stride_w - a->pad_left - a->pad_right + w->dim[2] + a->extra_w;
    if (h < 1 || v < 1)
        return REFUSE(inf, "the padding leaves no output");
    *inf->out = SHAPE(x->dim[0], h, v, w->dim[0]);
    return check_epilogue(inf, &a->epi, 3);
}

static roto_status infer_linear(const inference *inf)
{
    const tensor_shape *x = &inf->in[0]->shape, *w = &inf->in[1]->shape;
    if (x->rank < 1)
        return refuse_rank(inf, 0, 1);
    if (w->rank != 2)
        return refuse_rank(inf, 1, 2);
    if (shape_last(x) != w->dim[1])
        return REFUSE(inf, "%lld input channels and weights for %lld", (long long)shape_last(x),
                      (long long)w->dim[1]);
    if (!is_vector(inf->in[2], w->dim[0]))
        return REFUSE(inf, "the bias has to have %lld elements", (long long)w->dim[0]);
    *inf->out = *x;
    inf->out->dim[x->rank - 1] = w->dim[0];
    return check_epilogue(inf, &inf->node->attr.linear.epi, 3);
}

static roto_status infer_matmul(const inference *inf)
{
    const tensor_shape *a = &inf->in[0]->shape, *b = &inf->in[1]->shape;
    if (a->rank < 2 || b->rank < 2)
        return refuse_rank(inf, a->rank < 2 ? 0 : 1, 2);
    bool transpose = inf->node->attr.matmul.transpose_b;
    int64_t k = b->dim[b->rank - (transpose ? 1 : 2)], n = b->dim[b->rank - (transpose ? 2 : 1)];
    if (a->dim[a->rank - 1] != k)
        return REFUSE(inf, "inner dimensions %lld and %lld differ", (long long)a->dim[a->rank - 1],
                      (long long)k);
    tensor_shape lead_a = *a, lead_b = *b;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    if (!shape_broadcast(&lead_a, &lead_b, inf->out))
        return REFUSE(inf, "the leading dimensions do not broadcast");
    inf->out->dim[inf->out->rank++] = a->dim[a->rank - 2];
    inf->out->dim[inf->out->rank++] = n;
    return ROTO_OK;
}

static roto_status check_windows(const inference *inf, int64_t lq, int64_t lk)
{
    const attention_attr *a = &inf->node->attr.attention;
    if (a->window_h == 0) {
        bool all_zero = !a->window_w && !a->grid_h && !a->grid_w && !a->q_grid_h && !a->q_grid_w &&
                        !a->q_window_h && !a->q_window_w && !inf->in[6] && !inf->in[7];
        return all_zero ? ROTO_OK : REFUSE(inf, "window_h is 0 and other window settings are not");
    }
    bool pooled = a->q_window_h != 0;
    int64_t qh = pooled ? a->q_grid_h : a->grid_h, qw = pooled ? a->q_grid_w : a->grid_w;
    int64_t qwh = pooled ? a->q_window_h : a->window_h, qww = pooled ? a->q_window_w : a->window_w;
    if (a->window_h < 0 || a->window_w < 1 || a->grid_h < 1 || a->grid_w < 1 || qh < 1 || qw < 1 ||
        qwh < 1 || qww < 1)
        return REFUSE(inf, "windows and grids have to be positive");
    if ((int64_t)a->grid_h * a->grid_w != lk || qh * qw != lq)
        return REFUSE(inf, "the grids do not match the numbers of tokens");
    if ((a->grid_h + a->window_h - 1) / a->window_h != (qh + qwh - 1) / qwh ||
        (a->grid_w + a->window_w - 1) / a->window_w != (qw + qww - 1) / qww)
        return REFUSE(inf, "queries and keys have different numbers of windows");
    if (!inf->in[6] != !inf->in[7])
        return REFUSE(inf, "pad_k and pad_v go together");
    return ROTO_OK;
}

static roto_status infer_attention(const inference *inf)
{
    const attention_attr *a = &inf->node->attr.attention;
    for (int i = 0; i < 3; i++) {
        if (!inf->in[i] || inf->in[i]->shape.rank != 3)
            return refuse_rank(inf, i, 3);
    }
    const tensor_shape *q = &inf->in[0]->shape, *k = &inf->in[1]->shape, *v = &inf->in[2]->shape;
    if (a->heads < 1 || q->dim[2] % a->heads || v->dim[2] % a->heads || k->dim[2] != q->dim[2])
        return REFUSE(inf, "widths %lld, %lld and %lld with %d heads", (long long)q->dim[2],
                      (long long)k->dim[2], (long long)v->dim[2], a->heads);
    if (v->dim[1] != k->dim[1] || v->dim[0] != k->dim[0] ||
        (k->dim[0] != q->dim[0] && k->dim[0] != 1))
        return REFUSE(inf, "keys and values have other batches or lengths than each other or q");
    int64_t pairs = q->dim[2] / a->heads / 2;
    for (int i = 3; i < 5; i++) {
        const graph_tensor *rope = inf->in[i];
        if (rope && (rope->shape.rank != 3 || rope->shape.dim[1] != pairs ||
                     rope->shape.dim[2] != 2 || q->dim[2] / a->heads % 2))
            return REFUSE(inf, "rotary table %d has to be [tokens, %lld, 2]", i, (long long)pairs);
    }
    if (inf->in[3] && inf->in[3]->shape.dim[0] != q->dim[1])
        return REFUSE(inf, "rope_q has to have a row for each query");
    if (inf->in[4] && (a->rope_keys < 0 || a->rope_keys > k->dim[1]))
        return REFUSE(inf, "rope_keys is %lld of %lld keys", (long long)a->rope_keys,
                      (long long)k->dim[1]);
    if (inf->in[5]) {
        const tensor_shape *valid = &inf->in[5]->shape;
        if (valid->rank != 2 || valid->dim[1] != k->dim[1] ||
            (valid->dim[0] != q->dim[0] && valid->dim[0] != 1))
            return REFUSE(inf, "key_valid has to be [batch or 1, keys]");
    }
    if (!is_vector(inf->in[6], k->dim[2]) || !is_vector(inf->in[7], v->dim[2]))
        return REFUSE(inf, "pad_k and pad_v have to be as wide as k and v");
    ROTO_TRY(check_windows(inf, q->dim[1], k->dim[1]));
    *inf->out = SHAPE(q->dim[0], q->dim[1], v->dim[2]);
    return ROTO_OK;
}

static roto_status infer_layer_norm(const inference *inf)
{
    const tensor_shape *x = &inf->in[0]->shape;
    if (x->rank < 1)
        return refuse_rank(inf, 0, 1);
    if (!is_vector(inf->in[1], shape_last(x)) || !is_vector(inf->in[2], shape_last(x)))
        return REFUSE(inf, "gamma and beta have to have %lld elements", (long long)shape_last(x));
    if (!(inf->node->attr.layer_norm.epsilon >= 0))
        return REFUSE(inf, "epsilon has to be 0 or more");
    if ((unsigned)inf->node->attr.layer_norm.act.kind >= UNARY_COUNT)
        return REFUSE(inf, "unknown activation %d", (int)inf->node->attr.layer_norm.act.kind);
    *inf->out = *x;
    return ROTO_OK;
}

static roto_status infer_unary(const inference *inf)
{
    const unary_attr *a = &inf->node->attr.unary;
    if ((unsigned)a->kind >= UNARY_COUNT)
        return REFUSE(inf, "unknown function %d", (int)a->kind);
    *inf->out = inf->in[0]->shape;
    return ROTO_OK;
}

static roto_status infer_binary(const inference *inf)
{
    if ((unsigned)inf->node->attr.binary >= BINARY_COUNT)
        return REFUSE(inf, "unknown function %d", (int)inf->node->attr.binary);
    if (!shape_broadcast(&inf->in[0]->shape, &inf->in[1]->shape, inf->out)) {
        char a[SHAPE_TEXT_BYTES], b[SHAPE_TEXT_BYTES];
        return REFUSE(inf, "shapes %s and %s do not broadcast", shape_text(&inf->in[0]->shape, a),
                      shape_text(&inf->in[1]->shape, b));
    }
    return ROTO_OK;
}

static int64_t pooled(int64_t size, int kernel, int stride, int before, int after, bool ceil_mode)
{
    int64_t span = size + before + after - kernel;
    if (span < 0)
        return 0;
    int64_t n = (span + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    /* PyTorch: the last window has to start inside the input or the padding before it. */
    if (ceil_mode && (n - 1) * stride >= size + before)
        n--;
    return n;
}

static roto_status infer_pool2d(const inference *inf)
{
    const pool2d_attr *a = &inf->node->attr.pool2d;
    const tensor_shape *x = &inf->in[0]->shape;
    if (x->rank != 4)
        return refuse_rank(inf, 0, 4);
    if ((unsigned)a->kind > POOL_AVERAGE)
        return REFUSE(inf, "unknown kind %d", (int)a->kind);
    if (!window_valid(a->kernel_h, a->stride_h, a->pad_top, a->pad_bottom, 1) ||
        !window_valid(a->kernel_w, a->stride_w, a->pad_left, a->pad_right, 1) ||
        a->pad_top >= a->kernel_h || a->pad_bottom >= a->kernel_h || a->pad_left >= a->kernel_w ||
        a->pad_right >= a->kernel_w)
        return REFUSE(inf, "kernel, stride or padding is out of range");
    int64_t h =
        pooled(x->dim[1], a->kernel_h, a->stride_h, a->pad_top, a->pad_bottom, a->ceil_mode);
    int64_t w =
        pooled(x->dim[2], a->kernel_w, a->stride_w, a->pad_left, a->pad_right, a->ceil_mode);
    if (h < 1 || w < 1)
        return REFUSE(inf, "the kernel is larger than the padded input");
    *inf->out = SHAPE(x->dim[0], h, w, x->dim[3]);
    return ROTO_OK;
}

static roto_status infer_resize2d(const inference *inf)
{
    const resize2d_attr *a = &inf->node->attr.resize2d;
    const tensor_shape *x = &inf->in[0]->shape;
    if (x->rank != 4)
        return refuse_rank(inf, 0, 4);
    if ((unsigned)a->kind > RESIZE_BICUBIC || (unsigned)a->coords > RESIZE_ALIGN_CORNERS)
        return REFUSE(inf, "unknown kind %d or coordinates %d", (int)a->kind, (int)a->coords);
    if (a->antialias && (a->kind == RESIZE_NEAREST || a->coords != RESIZE_HALF_PIXEL))
        return REFUSE(inf, "antialiasing goes with bilinear or bicubic and half-pixel centres");
    *inf->out = SHAPE(x->dim[0], a->out_h, a->out_w, x->dim[3]);
    return ROTO_OK;
}

static roto_status infer_reduce(const inference *inf)
{
    uint32_t axes = inf->node->attr.reduce.axes;
    *inf->out = inf->in[0]->shape;
    if ((unsigned)inf->node->attr.reduce.kind > REDUCE_MAX)
        return REFUSE(inf, "unknown kind %d", (int)inf->node->attr.reduce.kind);
    if (axes == 0 || axes >> inf->out->rank)
        return REFUSE(inf, "the axes to reduce have to be among the %d dimensions", inf->out->rank);
    for (int i = 0; i < inf->out->rank; i++) {
        if (axes >> i & 1)
            inf->out->dim[i] = 1;
    }
    return ROTO_OK;
}

static roto_status infer_softmax(const inference *inf)
{
    int axis = inf->node->attr.axis.axis;
    *inf->out = inf->in[0]->shape;
    if (axis < 0 || axis >= inf->out->rank)
        return REFUSE(inf, "axis %d of %d dimensions", axis, inf->out->rank);
    return ROTO_OK;
}

static roto_status infer_concat(const inference *inf)
{
    int axis = inf->node->attr.axis.axis;
    tensor_shape shape = inf->in[0]->shape;
    if (axis < 0 || axis >= shape.rank)
        return REFUSE(inf, "axis %d of %d dimensions", axis, shape.rank);
    for (int i = 1; i < inf->node->n_in; i++) {
        tensor_shape part = inf->in[i]->shape;
        int64_t size = part.rank == shape.rank ? part.dim[axis] : 0;
        part.dim[axis] = shape.dim[axis];
        if (!shape_equal(&part, &shape) || inf->in[i]->type != inf->in[0]->type)
            return REFUSE(inf, "input %d differs from input 0 outside axis %d", i, axis);
        shape.dim[axis] += size;
    }
    *inf->out = shape;
    return ROTO_OK;
}

static roto_status infer_slice(const inference *inf)
{
    const slice_attr *a = &inf->node->attr.slice;
    const tensor_shape *x = &inf->in[0]->shape;
    *inf->out = *x;
    for (int i = 0; i < x->rank; i++) {
        if (a->start[i] < 0 || a->step[i] < 1 || a->size[i] < 1 || a->start[i] >= x->dim[i] ||
            (a->size[i] - 1) > (x->dim[i] - 1 - a->start[i]) / a->step[i])
            return REFUSE(inf, "start %lld, step %lld, size %lld of dimension %d with %lld",
                          (long long)a->start[i], (long long)a->step[i], (long long)a->size[i], i,
                          (long long)x->dim[i]);
        inf->out->dim[i] = a->size[i];
    }
    return ROTO_OK;
}

static roto_status infer_pad(const inference *inf)
{
    const pad_attr *a = &inf->node->attr.pad;
    *inf->out = inf->in[0]->shape;
    for (int i = 0; i < inf->out->rank; i++) {
        if (a->before[i] < 0 || a->after[i] < 0 || a->before[i] > INT32_MAX ||
            a->after[i] > INT32_MAX)
            return REFUSE(inf, "the padding of dimension %d is out of range", i);
        inf->out->dim[i] += a->before[i] + a->after[i];
    }
    return ROTO_OK;
}

static roto_status infer_transpose(const inference *inf)
{
    const int *perm = inf->node->attr.transpose.perm;
    const tensor_shape *x = &inf->in[0]->shape;
    uint32_t seen = 0;
    *inf->out = *x;
    for (int i = 0; i < x->rank; i++) {
        if (perm[i] < 0 || perm[i] >= x->rank || seen >> perm[i] & 1)
            return REFUSE(inf, "the permutation names dimension %d wrongly", i);
        seen |= 1u << perm[i];
        inf->out->dim[i] = x->dim[perm[i]];
    }
    return ROTO_OK;
}

static roto_status infer_reshape(const inference *inf)
{
    const tensor_shape *to = &inf->node->attr.reshape;
    if (!shape_valid(to) || shape_count(to) != shape_count(&inf->in[0]->shape)) {
        char a[SHAPE_TEXT_BYTES], b[SHAPE_TEXT_BYTES];
        return REFUSE(inf, "%s cannot become %s", shape_text(&inf->in[0]->shape, a),
                      shape_text(to, b));
    }
    *inf->out = *to;
    return ROTO_OK;
}

typedef struct inference_rule {
    roto_status (*infer)(const inference *inf);
    int min_in, max_in, required; /* the first `required` inputs have to be there */
} inference_rule;

static const inference_rule rules[OP_COUNT] = {
    [OP_CONV2D] = {infer_conv2d, 2, 6, 2},
    [OP_CONV_TRANSPOSE2D] = {infer_conv_transpose2d, 2, 4, 2},
    [OP_LINEAR] = {infer_linear, 2, 4, 2},
    [OP_MATMUL] = {infer_matmul, 2, 2, 2},
    [OP_ATTENTION] = {infer_attention, 3, 8, 3},
    [OP_LAYER_NORM] = {infer_layer_norm, 1, 3, 1},
    [OP_SOFTMAX] = {infer_softmax, 1, 1, 1},
    [OP_UNARY] = {infer_unary, 1, 1, 1},
    [OP_BINARY] = {infer_binary, 2, 2, 2},
    [OP_POOL2D] = {infer_pool2d, 1, 1, 1},
    [OP_RESIZE2D] = {infer_resize2d, 1, 1, 1},
    [OP_REDUCE] = {infer_reduce, 1, 1, 1},
    [OP_CONCAT] = {infer_concat, 1, GRAPH_MAX_INPUTS, GRAPH_MAX_INPUTS},
    [OP_SLICE] = {infer_slice, 1, 1, 1},
    [OP_PAD] = {infer_pad, 1, 1, 1},
    [OP_TRANSPOSE] = {infer_transpose, 1, 1, 1},
    [OP_RESHAPE] = {infer_reshape, 1, 1, 1},
};

roto_status infer_output(const char *name, const graph_node *node,
                         const graph_tensor *const operands[GRAPH_MAX_INPUTS], tensor_shape *shape,
                         dtype *type)
{
    const inference inf = {.name = name, .node = node, .in = operands, .out = shape};
    const inference_rule *rule = &rules[node->op];
    if (node->n_in < rule->min_in || node->n_in > rule->max_in)
        return REFUSE(&inf, "%d inputs; it takes %d..%d", node->n_in, rule->min_in, rule->max_in);
    for (int i = 0; i < node->n_in; i++) {
        if (!operands[i] && i < rule->required)
            return REFUSE(&inf, "input %d is missing", i);
        if (operands[i] && operands[i]->type != DTYPE_F32)
            return REFUSE(&inf, "input %d is %s; operators compute on f32", i,
                          dtype_name(operands[i]->type));
    }
    *type = DTYPE_F32;
    ROTO_TRY(rule->infer(&inf));
    if (!shape_valid(shape)) {
        char text[SHAPE_TEXT_BYTES];
        return REFUSE(&inf, "the output would have shape %s", shape_text(shape, text));
    }
    return ROTO_OK;
}

int64_t graph_node_flops(const graph *g, const graph_node *node)
{
    const tensor_shape *out = &graph_tensor_at(g, node->out)->shape;
    const tensor_shape *a = &graph_tensor_at(g, node->in[0])->shape;
    const tensor_shape *b = node->n_in > 1 && node->in[1] != TENSOR_NONE
                                ? &graph_tensor_at(g, node->in[1])->shape
                                : NULL;
    switch (node->op) {
    case OP_CONV2D:
        return 2 * shape_count(out) * b->dim[1] * b->dim[2] * b->dim[3];
    case OP_CONV_TRANSPOSE2D:
        return 2 * shape_count(a) * b->dim[0] * b->dim[1] * b->dim[2];
    case OP_LINEAR:
        return 2 * shape_count(out) * b->dim[1];
    case OP_MATMUL:
        return 2 * shape_count(out) * shape_last(a);
    case OP_ATTENTION: {
        const attention_attr *attn = &node->attr.attention;
        int64_t keys = attn->window_h ? (int64_t)attn->window_h * attn->window_w : b->dim[1];
        return 2 * a->dim[0] * a->dim[1] * keys * (a->dim[2] + out->dim[2]);
    }
    default:
        return 0;
    }
}
