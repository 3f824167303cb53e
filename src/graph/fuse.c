#include "graph/plan.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A node being rewritten. Tensor ids are those of the source graph throughout. */
typedef struct draft {
    graph_node node;
    bool dead;
    int depth_block; /* > 1: reads pixels instead of their space-to-depth blocks */
    int depth_order[GRAPH_MAX_INPUTS][2]; /* row and column in the block of each channel group */
} draft;

typedef struct fuser {
    const graph *g;
    const plan_traits *traits;
    draft *drafts;
    int n;
    int *producer;  /* draft index by tensor, -1 for none */
    int *n_readers; /* by tensor, outputs of the graph counted */
    bool stale;     /* a pass has changed something since the two above were counted */
} fuser;

static void refresh(fuser *f)
{
    f->stale = false;
    for (int t = 0; t < graph_n_tensors(f->g); t++) {
        f->producer[t] = -1;
        f->n_readers[t] = 0;
    }
    for (int i = 0; i < f->n; i++) {
        const draft *d = &f->drafts[i];
        if (d->dead)
            continue;
        f->producer[d->node.out] = i;
        for (int k = 0; k < d->node.n_in; k++) {
            if (d->node.in[k] != TENSOR_NONE)
                f->n_readers[d->node.in[k]]++;
        }
    }
    for (int i = 0; i < graph_n_outputs(f->g); i++)
        f->n_readers[graph_output_at(f->g, i)->tensor]++;
}

static draft *producer_of(const fuser *f, tensor_id t)
{
    int index = t == TENSOR_NONE ? -1 : f->producer[t];
    return index < 0 ? NULL : &f->drafts[index];
}

static const graph_tensor *tensor_of(const fuser *f, tensor_id t)
{
    return graph_tensor_at(f->g, t);
}

/* The epilogue of an operator that has one. */
static epilogue *epilogue_of(graph_node *node)
{
    switch (node->op) {
    case OP_CONV2D:
        return &node->attr.conv2d.epi;
    case OP_CONV_TRANSPOSE2D:
        return &node->attr.conv_transpose2d.epi;
    case OP_LINEAR:
        return &node->attr.linear.epi;
    default:
        return NULL;
    }
}

/* x * sigmoid(x) is SiLU (Elfwing et al. 2017), which exporters write as two operators. */
static void fuse_silu(fuser *f, draft *d)
{
    if (d->node.op != OP_BINARY || d->node.attr.binary != BINARY_MUL)
        return;
    for (int k = 0; k < 2; k++) {
        const tensor_id x = d->node.in[k], gate = d->node.in[1 - k];
        draft *sigmoid = producer_of(f, gate);
        if (!sigmoid || sigmoid->node.op != OP_UNARY ||
            sigmoid->node.attr.unary.kind != UNARY_SIGMOID || sigmoid->node.in[0] != x ||
            f->n_readers[gate] != 1)
            continue;
        sigmoid->dead = f->stale = true;
        d->node.op = OP_UNARY;
        d->node.n_in = 1;
        d->node.in[0] = x;
        d->node.attr.unary = (unary_attr){.kind = UNARY_SILU};
        return;
    }
}

/* Moves the producer's work into `d`'s place in the order, writing `d`'s output. */
static void absorb(fuser *f, draft *d, draft *producer)
{
    f->stale = true;
    tensor_id out = d->node.out;
    draft merged = *producer;
    producer->dead = true;
    *d = merged;
    d->node.out = out;
}

static void fuse_activation(fuser *f, draft *d)
{
    if (d->node.op != OP_UNARY || f->n_readers[d->node.in[0]] != 1)
        return;
    draft *producer = producer_of(f, d->node.in[0]);
    epilogue *epi = producer ? epilogue_of(&producer->node) : NULL;
    if (f->traits->norm_activations && producer && producer->node.op == OP_LAYER_NORM &&
        producer->node.attr.layer_norm.act.kind == UNARY_IDENTITY) {
        producer->node.attr.layer_norm.act = d->node.attr.unary;
        absorb(f, d, producer);
        return;
    }
    if (!epi || epi->act.kind != UNARY_IDENTITY || epi->residual == RESIDUAL_AFTER)
        return;
    epi->act = d->node.attr.unary;
    absorb(f, d, producer);
}

static void fuse_residual(fuser *f, draft *d)
{
    if (d->node.op != OP_BINARY || d->node.attr.binary != BINARY_ADD)
        return;
    for (int k = 1; k >= 0; k--) {
        const tensor_id sum = d->node.in[k], residual = d->node.in[1 - k];
        draft *producer = producer_of(f, sum);
        epilogue *epi = producer ? epilogue_of(&producer->node) : NULL;
        if (!epi || (producer->node.op == OP_CONV2D && producer->node.attr.conv2d.norm) ||
            epi->residual != RESIDUAL_NONE || f->n_readers[sum] != 1 || sum == residual ||
            !shape_equal(&tensor_of(f, sum)->shape, &tensor_of(f, residual)->shape))
            continue;
        epi->residual = epi->act.kind == UNARY_IDENTITY ? RESIDUAL_BEFORE : RESIDUAL_AFTER;
        for (int i = producer->node.n_in; i < 4; i++)
            producer->node.in[i] = TENSOR_NONE;
        producer->node.in[3] = residual;
        producer->node.n_in = 4;
        absorb(f, d, producer);
        return;
    }
}

/* Whether the node is a convolution whose kernel normalises and reads through functions. */
static bool takes_norm(const fuser *f, const graph_node *node)
{
    return f->traits->takes_norm && node->op == OP_CONV2D &&
           node->attr.conv2d.epi.residual == RESIDUAL_NONE && f->traits->takes_norm(f->g, node);
}

static void fuse_norm(fuser *f, draft *d)
{
    if (d->node.op != OP_LAYER_NORM || f->n_readers[d->node.in[0]] != 1)
        return;
    draft *producer = producer_of(f, d->node.in[0]);
    if (!producer || !takes_norm(f, &producer->node) || producer->node.attr.conv2d.norm ||
        producer->node.attr.conv2d.epi.act.kind != UNARY_IDENTITY)
        return;
    graph_node *conv = &producer->node;
    conv->attr.conv2d.norm = true;
    conv->attr.conv2d.epsilon = d->node.attr.layer_norm.epsilon;
    for (int i = conv->n_in; i < 4; i++)
        conv->in[i] = TENSOR_NONE;
    for (int i = 0; i < 2; i++)
        conv->in[4 + i] = d->node.n_in > 1 + i ? d->node.in[1 + i] : TENSOR_NONE;
    conv->n_in = 6;
    absorb(f, d, producer);
}

/* The producer of the only input of `d` that is not a scalar constant, if `d` is such a function
 * and nobody else reads it; the scalar's value. */
static draft *scaled_input(const fuser *f, tensor_id t, binary_kind kind, tensor_id *x,
                           float *value)
{
    draft *d = producer_of(f, t);
    if (!d || d->node.op != OP_BINARY || d->node.attr.binary != kind || f->n_readers[t] != 1)
        return NULL;
    for (int k = 0; k < 2; k++) {
        const graph_tensor *scalar = tensor_of(f, d->node.in[k]);
        if (scalar->role != TENSOR_CONSTANT || shape_count(&scalar->shape) != 1 ||
            !shape_equal(&tensor_of(f, d->node.in[1 - k])->shape, &tensor_of(f, t)->shape))
            continue;
        *value = *(const float *)scalar->data;
        *x = d->node.in[1 - k];
        return d;
    }
    return NULL;
}

/* A convolution of shift + scale * act(x): what computes that goes into its reading. */
static void fuse_input(fuser *f, draft *d)
{
    if (!takes_norm(f, &d->node) || d->node.attr.conv2d.input.used)
        return;
    conv_input in = {.used = true, .scale = 1};
    tensor_id x = d->node.in[0];
    draft *const added = scaled_input(f, x, BINARY_ADD, &x, &in.shift);
    draft *const scaled = scaled_input(f, x, BINARY_MUL, &x, &in.scale);
    draft *unary = producer_of(f, x);
    if (unary && (unary->node.op != OP_UNARY || f->n_readers[x] != 1))
        unary = NULL;
    if (unary) {
        in.act = unary->node.attr.unary;
        x = unary->node.in[0];
    }
    draft *const gone[] = {added, scaled, unary};
    for (int i = 0; i < 3; i++) {
        if (gone[i])
            gone[i]->dead = f->stale = true;
    }
    if (!added && !scaled && !unary)
        return;
    d->node.in[0] = x;
    d->node.attr.conv2d.input = in;
}

static void fuse_slices(fuser *f, draft *d)
{
    if (d->node.op != OP_SLICE || f->n_readers[d->node.in[0]] != 1)
        return;
    draft *inner = producer_of(f, d->node.in[0]);
    if (!inner || inner->node.op != OP_SLICE)
        return;
    slice_attr *a = &d->node.attr.slice;
    const slice_attr *b = &inner->node.attr.slice;
    for (int i = 0; i < tensor_of(f, d->node.out)->shape.rank; i++) {
        a->start[i] = b->start[i] + b->step[i] * a->start[i];
        a->step[i] *= b->step[i];
    }
    d->node.in[0] = inner->node.in[0];
    inner->dead = f->stale = true;
}

/* Whether `part` takes every block-th pixel of x from (row, column) on, all channels. */
static bool is_depth_slice(const fuser *f, tensor_id part, tensor_id *x, int *block, int order[2])
{
    const draft *d = producer_of(f, part);
    if (!d || d->node.op != OP_SLICE || f->n_readers[part] != 1)
        return false;
    const slice_attr *a = &d->node.attr.slice;
    const tensor_shape *shape = &tensor_of(f, d->node.in[0])->shape;
    if (shape->rank != 4 || a->step[1] < 2 || a->step[1] > 4 || a->step[2] != a->step[1] ||
        a->size[0] != shape->dim[0] || a->size[3] != shape->dim[3] ||
        a->size[1] * a->step[1] != shape->dim[1] || a->size[2] * a->step[2] != shape->dim[2])
        return false;
    *x = d->node.in[0];
    *block = (int)a->step[1];
    order[0] = (int)a->start[1];
    order[1] = (int)a->start[2];
    return true;
}

/* YOLO's "Focus": a convolution over 2x2 blocks moved to channels is one over the pixels themselves
 * with a kernel and a stride twice as large; the weights only change places. */
static void fuse_space_to_depth(fuser *f, draft *d)
{
    if (d->node.op != OP_CONV2D || d->node.attr.conv2d.groups != 1 ||
        d->node.attr.conv2d.dilation_h != 1 || d->node.attr.conv2d.dilation_w != 1 ||
        d->depth_block > 1 || tensor_of(f, d->node.in[1])->role != TENSOR_CONSTANT)
        return;
    draft *concat = producer_of(f, d->node.in[0]);
    if (!concat || concat->node.op != OP_CONCAT || concat->node.attr.axis.axis != 3 ||
        f->n_readers[concat->node.out] != 1)
        return;
    tensor_id x = TENSOR_NONE;
    int block = 0;
    uint32_t seen = 0;
    for (int i = 0; i < concat->node.n_in; i++) {
        tensor_id source;
        int part_block, *order = d->depth_order[i];
        if (!is_depth_slice(f, concat->node.in[i], &source, &part_block, order) ||
            (i > 0 && (source != x || part_block != block)))
            return;
        x = source;
        block = part_block;
        seen |= 1u << (order[0] * block + order[1]);
    }
    if (concat->node.n_in != block * block || seen != (1u << (block * block)) - 1)
        return;
    for (int i = 0; i < concat->node.n_in; i++)
        producer_of(f, concat->node.in[i])->dead = true;
    concat->dead = f->stale = true;
    conv2d_attr *a = &d->node.attr.conv2d;
    a->stride_h *= block;
    a->stride_w *= block;
    a->pad_top *= block;
    a->pad_bottom *= block;
    a->pad_left *= block;
    a->pad_right *= block;
    d->node.in[0] = x;
    d->depth_block = block;
}

/* [o, kh, kw, groups of c] to [o, kh * block, kw * block, c]. */
static tensor_id depth_weights(const fuser *f, graph *out, const draft *d)
{
    const graph_tensor *source = tensor_of(f, d->node.in[1]);
    const int64_t b = d->depth_block, kh = source->shape.dim[1], kw = source->shape.dim[2],
                  c = source->shape.dim[3] / (b * b);
    const tensor_shape shape = SHAPE(source->shape.dim[0], kh * b, kw * b, c);
    float *weights = memory_new_array((size_t)shape_count(&shape), sizeof(float));
    if (!weights)
        return graph_fail(out, ROTO_ERROR_MEMORY, "%s", roto_error_message());
    const float *from = source->data;
    for (int64_t o = 0; o < shape.dim[0]; o++)
        for (int64_t y = 0; y < kh; y++)
            for (int64_t x = 0; x < kw; x++)
                for (int64_t part = 0; part < b * b; part++, from += c) {
                    int64_t row = y * b + d->depth_order[part][0],
                            column = x * b + d->depth_order[part][1];
                    memcpy(weights + ((o * kh * b + row) * kw * b + column) * c, from,
                           (size_t)c * sizeof(float));
                }
    tensor_id t = graph_constant(out, source->name, DTYPE_F32, shape, weights);
    free(weights);
    return t;
}

/* Marks what no output needs. Drafts are in dependency order, so one pass from the end is enough.
 */
static void drop_unneeded(fuser *f)
{
    refresh(f);
    for (int i = f->n - 1; i >= 0; i--) {
        draft *d = &f->drafts[i];
        if (d->dead || f->n_readers[d->node.out] > 0)
            continue;
        d->dead = true;
        for (int k = 0; k < d->node.n_in; k++) {
            if (d->node.in[k] != TENSOR_NONE)
                f->n_readers[d->node.in[k]]--;
        }
    }
}

static roto_status emit(const fuser *f, graph *out)
{
    const graph *g = f->g;
    tensor_id *map = memory_new_array((size_t)graph_n_tensors(g), sizeof(*map));
    if (!map)
        return ROTO_ERROR_MEMORY;
    for (tensor_id t = 0; t < graph_n_tensors(g); t++)
        map[t] = TENSOR_NONE;
    for (int i = 0; i < graph_n_inputs(g); i++) {
        const graph_tensor *t = tensor_of(f, graph_input_at(g, i)->tensor);
        map[graph_input_at(g, i)->tensor] = graph_input(out, t->name, t->type, t->shape);
    }
    for (int i = 0; i < f->n; i++) {
        const draft *d = &f->drafts[i];
        if (d->dead)
            continue;
        tensor_id in[GRAPH_MAX_INPUTS];
        for (int k = 0; k < d->node.n_in; k++) {
            tensor_id t = d->node.in[k];
            if (t != TENSOR_NONE && map[t] == TENSOR_NONE &&
                tensor_of(f, t)->role == TENSOR_CONSTANT && !(d->depth_block > 1 && k == 1)) {
                const graph_tensor *constant = tensor_of(f, t);
                map[t] = graph_constant_borrow(out, constant->name, constant->type, constant->shape,
                                               constant->data);
            }
            in[k] = t == TENSOR_NONE ? TENSOR_NONE : map[t];
        }
        if (d->depth_block > 1)
            in[1] = depth_weights(f, out, d);
        map[d->node.out] =
            graph_node_add(out, d->node.op, d->node.name, in, d->node.n_in, &d->node.attr);
    }
    for (int i = 0; i < graph_n_outputs(g); i++) {
        const graph_port *port = graph_output_at(g, i);
        const graph_tensor *t = tensor_of(f, port->tensor);
        if (t->role == TENSOR_CONSTANT && map[port->tensor] == TENSOR_NONE)
            map[port->tensor] = graph_constant_borrow(out, t->name, t->type, t->shape, t->data);
        graph_output(out, port->name, map[port->tensor]);
    }
    free(map);
    return graph_status(out);
}

roto_status graph_fuse(const graph *g, const plan_traits *traits, graph **out)
{
    *out = NULL;
    ROTO_TRY(graph_status(g));
    fuser f = {.g = g, .traits = traits, .n = graph_n_nodes(g)};
    graph *fused = NULL;
    const size_t n_tensors = (size_t)graph_n_tensors(g);
    f.drafts = memory_new_array((size_t)f.n, sizeof(*f.drafts));
    f.producer = memory_new_array(n_tensors, sizeof(*f.producer));
    f.n_readers = memory_new_array(n_tensors, sizeof(*f.n_readers));
    roto_status status = ROTO_ERROR_MEMORY;
    if (!f.drafts || !f.producer || !f.n_readers)
        goto done;
    for (int i = 0; i < f.n; i++)
        f.drafts[i].node = *graph_node_at(g, i);

    refresh(&f);
    if (traits->fuse) {
        static void (*const passes[])(fuser *, draft *) = {
            fuse_slices, fuse_space_to_depth, fuse_silu,       fuse_norm, fuse_activation,
            fuse_input,  fuse_residual,       fuse_activation, /* ResNet: activation after the sum
                                                                */
        };
        for (size_t p = 0; p < sizeof(passes) / sizeof(passes[0]); p++) {
            for (int i = 0; i < f.n; i++) {
                if (f.stale)
                    refresh(&f);
                if (!f.drafts[i].dead)
                    passes[p](&f, &f.drafts[i]);
            }
        }
    }
    drop_unneeded(&f);
    status = graph_new(&fused);
    if (status == ROTO_OK)
        status = emit(&f, fused);
    if (status != ROTO_OK) {
        graph_free(fused);
        goto done;
    }
    *out = fused;
done:
    free(f.drafts);
    free(f.producer);
    free(f.n_readers);
    return status;
}
