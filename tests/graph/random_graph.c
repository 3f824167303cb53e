#include "graph/random_graph.h"

#include "backend/values.h"

#include <stdlib.h>

enum { MAX_TENSORS = 256 };

/* The tensors so far, to choose operands among. */
typedef struct growing {
    graph *g;
    uint32_t seed, counter;
    tensor_id tensors[MAX_TENSORS];
    int n;
} growing;

/* 0..n-1 */
static int choose(growing *r, int n)
{
    const float v = value_at(r->seed, r->counter++); /* [-1, 1) */
    return (int)((v + 1) / 2 * (float)n);
}

static bool chance(growing *r, int percent)
{
    return choose(r, 100) < percent;
}

/* Valid until a tensor is added. */
static const tensor_shape *shape_of(const growing *r, tensor_id t)
{
    return &graph_tensor_at(r->g, t)->shape;
}

/* One of the tensors, recent ones more often, so that chains grow. */
static tensor_id any(growing *r)
{
    return r->tensors[chance(r, 60) ? r->n - 1 - choose(r, r->n < 3 ? r->n : 3) : choose(r, r->n)];
}

enum { MAX_CHANNELS = 12, MAX_ELEMENTS = 1500, MAX_WEIGHTS = 4 * 9 * 4 * MAX_CHANNELS };

/* Lets other operators read an intermediate result too, now and then. */
static tensor_id maybe_shared(growing *r, tensor_id t)
{
    if (t != TENSOR_NONE && r->n < MAX_TENSORS && chance(r, 15))
        r->tensors[r->n++] = t;
    return t;
}

static tensor_id weights(growing *r, tensor_shape shape)
{
    float data[MAX_WEIGHTS];
    if (shape_count(&shape) > MAX_WEIGHTS)
        return graph_fail(r->g, ROTO_ERROR_INTERNAL, "the test's weights are too many");
    values_fill(data, shape_count(&shape), r->seed + r->counter++, 0.5f);
    return graph_constant(r->g, "w", DTYPE_F32, shape, data);
}

static tensor_id any_image(growing *r)
{
    for (int tries = 0; tries < 8; tries++) {
        const tensor_id t = any(r);
        if (shape_of(r, t)->rank == 4 && shape_last(shape_of(r, t)) <= MAX_CHANNELS)
            return t;
    }
    return r->tensors[0];
}

static tensor_id grow_conv(growing *r)
{
    const tensor_id x = any_image(r);
    const int64_t c = shape_of(r, x)->dim[3], o = chance(r, 60) ? c : 1 + choose(r, 6);
    const int k = chance(r, 50) ? 1 : 3;
    conv2d_attr attr = conv2d_default();
    if (k == 3)
        attr.pad_top = attr.pad_left = attr.pad_bottom = attr.pad_right = 1;
    if (chance(r, 10))
        attr.epi.act = (unary_attr){.kind = UNARY_RELU};
    const tensor_id bias = chance(r, 50) ? weights(r, SHAPE(o)) : TENSOR_NONE;
    return graph_conv2d(r->g, x, weights(r, SHAPE(o, k, k, c)), bias, &attr);
}

static tensor_id grow_linear(growing *r)
{
    tensor_id x = any(r);
    if (shape_last(shape_of(r, x)) > MAX_CHANNELS)
        x = r->tensors[0];
    const int64_t c = shape_last(shape_of(r, x)), o = chance(r, 60) ? c : 1 + choose(r, 6);
    return graph_linear(r->g, x, weights(r, SHAPE(o, c)), TENSOR_NONE);
}

static tensor_id activation_of(growing *r, tensor_id x)
{
    static const unary_kind kinds[] = {UNARY_RELU, UNARY_SILU, UNARY_TANH, UNARY_LEAKY_RELU};
    if (chance(r, 40)) { /* SiLU as exporters write it, in either order */
        tensor_id gated = x;
        const tensor_id gate = maybe_shared(r, graph_unary(r->g, UNARY_SIGMOID, x));
        if (chance(r, 10)) /* only looks like it */
            gated = graph_unary(r->g, UNARY_NEG, x);
        return chance(r, 50) ? graph_binary(r->g, BINARY_MUL, gated, gate)
                             : graph_binary(r->g, BINARY_MUL, gate, gated);
    }
    return graph_unary_attr(r->g, &(unary_attr){kinds[choose(r, 4)], 0.1f, 0}, x);
}

static tensor_id grow_activation(growing *r)
{
    return activation_of(r, any(r));
}

/* A residual block, with activations before or after the sum, both or neither. */
static tensor_id grow_block(growing *r)
{
    const tensor_id x = any_image(r);
    const int64_t c = shape_last(shape_of(r, x));
    conv2d_attr attr = conv2d_default();
    tensor_id y = graph_conv2d(r->g, x, weights(r, SHAPE(c, 1, 1, c)), weights(r, SHAPE(c)), &attr);
    y = maybe_shared(r, y);
    if (chance(r, 50))
        y = maybe_shared(r, activation_of(r, y));
    const int sum = choose(r, 10);
    if (sum == 0)
        y = graph_binary(r->g, BINARY_ADD, y, y);
    else if (sum == 1) /* broadcasts, so it is no residual */
        y = graph_binary(r->g, BINARY_ADD, y, weights(r, SHAPE(c)));
    else if (sum == 2) /* the other operand could be fused into as well */
        y = graph_binary(r->g, BINARY_ADD,
                         graph_conv2d(r->g, x, weights(r, SHAPE(c, 1, 1, c)), TENSOR_NONE, &attr),
                         y);
    else
        y = chance(r, 50) ? graph_binary(r->g, BINARY_ADD, x, y)
                          : graph_binary(r->g, BINARY_ADD, y, x);
    y = maybe_shared(r, y);
    return chance(r, 50) ? activation_of(r, y) : y;
}

/* With a tensor of the same shape if there is one, a constant or itself otherwise. */
static tensor_id grow_sum(growing *r)
{
    const tensor_id a = any(r);
    const int start = choose(r, r->n);
    for (int i = 0; i < r->n; i++) {
        const tensor_id b = r->tensors[(start + i) % r->n];
        if (b != a && shape_equal(shape_of(r, a), shape_of(r, b)))
            return graph_binary(r->g, BINARY_ADD, a, b);
    }
    if (chance(r, 30))
        return graph_binary(r->g, BINARY_ADD, a, a);
    if (shape_count(shape_of(r, a)) <= MAX_WEIGHTS && chance(r, 50))
        return graph_binary(r->g, BINARY_ADD, weights(r, *shape_of(r, a)), a);
    return graph_binary(r->g, BINARY_ADD, a, graph_scalar(r->g, 0.5f));
}

static tensor_id grow_concat(growing *r)
{
    const tensor_id first = any(r);
    const tensor_shape *shape = shape_of(r, first);
    const int axis = chance(r, 60) ? shape->rank - 1 : choose(r, shape->rank);
    tensor_id parts[4];
    int n = 0;
    parts[n++] = first;
    const int start = choose(r, r->n), most = 2 + choose(r, 3);
    for (int i = 0; i < r->n && n < most; i++) {
        const tensor_id t = r->tensors[(start + i) % r->n];
        tensor_shape other = *shape_of(r, t);
        if (other.rank != shape->rank || (t == first && !chance(r, 30)))
            continue;
        other.dim[axis] = shape->dim[axis];
        if (shape_equal(&other, shape))
            parts[n++] = t;
    }
    for (int i = n - 1; i > 0; i--) { /* in any order */
        const int k = choose(r, i + 1);
        const tensor_id t = parts[i];
        parts[i] = parts[k];
        parts[k] = t;
    }
    return graph_concat(r->g, parts, n, axis);
}

static tensor_id grow_slice(growing *r)
{
    const tensor_id x = any(r);
    const tensor_shape *shape = shape_of(r, x);
    slice_attr attr = {.start = {0}};
    for (int i = 0; i < shape->rank; i++) {
        attr.step[i] = 1;
        attr.size[i] = shape->dim[i];
    }
    const int axis = chance(r, 60) ? shape->rank - 1 : choose(r, shape->rank);
    const int64_t n = shape->dim[axis];
    attr.start[axis] = choose(r, (int)n);
    attr.step[axis] = chance(r, 70) ? 1 : 1 + choose(r, 3);
    attr.size[axis] = 1 + choose(r, (int)((n - 1 - attr.start[axis]) / attr.step[axis]) + 1);
    return graph_slice(r->g, x, &attr);
}

/* Slices of slices of one axis. */
static tensor_id grow_slices(growing *r)
{
    const tensor_id x = any(r);
    const int64_t n = shape_last(shape_of(r, x));
    const int last = shape_of(r, x)->rank - 1;
    if (n < 6)
        return grow_slice(r);
    slice_attr outer = {.start = {0}}, inner;
    for (int i = 0; i <= last; i++) {
        outer.step[i] = 1;
        outer.size[i] = shape_of(r, x)->dim[i];
    }
    inner = outer;
    outer.start[last] = choose(r, 2);
    outer.step[last] = 1 + choose(r, 2);
    outer.size[last] = (n - outer.start[last] - 1) / outer.step[last] + 1;
    inner.start[last] = choose(r, 2);
    inner.step[last] = 1 + choose(r, 2);
    inner.size[last] = (outer.size[last] - inner.start[last] - 1) / inner.step[last] + 1;
    return graph_slice(r->g, maybe_shared(r, graph_slice(r->g, x, &outer)), &inner);
}

/* YOLO's Focus: every second pixel of each parity next to each other, then a convolution. */
static tensor_id grow_focus(growing *r)
{
    const tensor_id x = any_image(r);
    const tensor_shape shape = *shape_of(r, x);
    const int64_t *dim = shape.dim;
    if (dim[1] % 2 || dim[2] % 2 || dim[3] > 6)
        return grow_conv(r);
    tensor_id parts[4];
    const int turn = choose(r, 4);
    const bool in_two_steps = chance(r, 50);
    for (int i = 0; i < 4; i++) {
        const int64_t row = (i + turn) % 4 / 2, column = (i + turn) % 2;
        slice_attr both = {.start = {0, row, column, 0},
                           .step = {1, 2, 2, 1},
                           .size = {dim[0], dim[1] / 2, dim[2] / 2, dim[3]}};
        if (in_two_steps) {
            slice_attr rows = both, columns = both;
            rows.start[2] = 0, rows.step[2] = 1, rows.size[2] = dim[2];
            columns.start[1] = 0, columns.step[1] = 1;
            parts[i] = graph_slice(r->g, graph_slice(r->g, x, &rows), &columns);
        } else {
            parts[i] = graph_slice(r->g, x, &both);
        }
        maybe_shared(r, parts[i]);
        if (parts[i] == TENSOR_NONE)
            return TENSOR_NONE;
    }
    const tensor_id blocks = maybe_shared(r, graph_concat(r->g, parts, 4, 3));
    const int64_t c = 4 * dim[3], o = 1 + choose(r, 4);
    const int k = chance(r, 30) ? 1 : 3;
    conv2d_attr attr = conv2d_default();
    attr.pad_top = attr.pad_left = k / 2;
    attr.pad_bottom = attr.pad_right = chance(r, 80) ? k / 2 : k / 2 + 1;
    return graph_conv2d(r->g, blocks, weights(r, SHAPE(o, k, k, c)), weights(r, SHAPE(o)), &attr);
}

static tensor_id grow_reshape(growing *r)
{
    const tensor_id x = any(r);
    const tensor_shape s = *shape_of(r, x);
    const int64_t count = shape_count(&s), last = shape_last(&s);
    switch (choose(r, 5)) {
    case 0: /* tokens of an image */
        return graph_reshape(r->g, x, SHAPE(1, count / last, last));
    case 1:
        return graph_reshape(r->g, x, SHAPE(count));
    case 2: /* an image of one row */
        return graph_reshape(r->g, x, SHAPE(1, 1, count / last, last));
    case 3: /* other rows */
        return graph_reshape(
            r->g, x, last % 2 ? SHAPE(last, count / last) : SHAPE(count / last * 2, last / 2));
    default:
        return graph_reshape(r->g, x, s);
    }
}

static tensor_id grow_other(growing *r)
{
    const tensor_id x = any(r);
    const tensor_shape *shape = shape_of(r, x); /* nothing is added before its last use */
    if (shape->rank == 4 && chance(r, 50))
        return graph_pool2d(r->g, x,
                            &(pool2d_attr){POOL_MAX, 3, 3, 1, 1, 1, 1, 1, 1, false, false});
    int perm[TENSOR_MAX_RANK] = {0, 1, 2, 3, 4, 5};
    if (shape->rank >= 2) {
        perm[shape->rank - 1] = shape->rank - 2;
        perm[shape->rank - 2] = shape->rank - 1;
    }
    return graph_transpose(r->g, x, perm);
}

static void choose_outputs(growing *r)
{
    graph_output(r->g, "last", r->tensors[r->n - 1]);
    const int more = choose(r, 4);
    for (int i = 0; i < more; i++)
        graph_output(r->g, "more", r->tensors[choose(r, r->n)]); /* inputs and repetitions too */
    if (chance(r, 5))
        graph_output(r->g, "constant", weights(r, SHAPE(3)));
}

graph *random_graph_new(uint32_t seed)
{
    static tensor_id (*const rules[])(growing *) = {
        grow_conv,  grow_conv,    grow_linear, grow_activation, grow_activation, grow_sum,
        grow_sum,   grow_concat,  grow_concat, grow_slice,      grow_focus,      grow_reshape,
        grow_other, grow_reshape, grow_block,  grow_block,      grow_slices};
    growing r = {.seed = seed};
    if (graph_new(&r.g) != ROTO_OK)
        return NULL;
    const int n_inputs = 1 + choose(&r, 3);
    for (int i = 0; i < n_inputs; i++) {
        const tensor_shape shape =
            SHAPE(chance(&r, 80) ? 1 : 2, 4, chance(&r, 50) ? 4 : 6, 1 + choose(&r, 5));
        r.tensors[r.n++] = graph_input(r.g, "x", DTYPE_F32, shape);
    }
    const int n_nodes = 2 + choose(&r, 14);
    for (int i = 0; i < n_nodes; i++) {
        const tensor_id t = rules[choose(&r, (int)(sizeof(rules) / sizeof(rules[0])))](&r);
        if (t == TENSOR_NONE)
            break;
        if (shape_count(shape_of(&r, t)) <= MAX_ELEMENTS &&
            r.n < MAX_TENSORS) /* concatenations would grow for ever */
            r.tensors[r.n++] = t;
    }
    choose_outputs(&r);
    if (graph_status(r.g) != ROTO_OK) {
        graph_free(r.g);
        return NULL;
    }
    return r.g;
}
