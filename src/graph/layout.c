#include "graph/plan.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The tensors that share memory have one root, whose buffer they are windows of. */
typedef struct alias {
    tensor_id root;
    int64_t offset; /* elements from the root's start */
} alias;

typedef struct buffer { /* of a root */
    size_t offset, bytes;
    int first, last; /* node indices between which it holds something needed */
    tensor_id root;
} buffer;

typedef struct layouter {
    const graph *g;
    const plan_traits *traits;
    const bool *bound; /* by tensor; NULL: none */
    graph_layout *layout;
    alias *aliases;
    int *n_readers; /* nodes and outputs that read a tensor */
    bool *is_output;
    uint8_t *element_bytes; /* by tensor */
    buffer *buffers;        /* those placed so far, by rising offset */
    int n_buffers;
} layouter;

static const tensor_shape *shape_of(const layouter *l, tensor_id t)
{
    return &graph_tensor_at(l->g, t)->shape;
}

static bool is_bound(const layouter *l, tensor_id t)
{
    return l->bound && l->bound[t];
}

static bool contiguous(const layouter *l, tensor_id t)
{
    return l->layout->places[t].row_stride == shape_last(shape_of(l, t));
}

/* Makes `t` a window of `of`, `offset` elements in, with rows as far apart as `of`'s. */
static void make_view(layouter *l, tensor_id t, tensor_id of, int64_t offset, int64_t row_stride)
{
    l->aliases[t] = (alias){l->aliases[of].root, l->aliases[of].offset + offset};
    l->layout->places[t].row_stride = row_stride;
}

static void count_readers(layouter *l)
{
    for (int i = 0; i < graph_n_nodes(l->g); i++) {
        const graph_node *node = graph_node_at(l->g, i);
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] != TENSOR_NONE)
                l->n_readers[node->in[k]]++;
        }
    }
    for (int i = 0; i < graph_n_outputs(l->g); i++) {
        l->n_readers[graph_output_at(l->g, i)->tensor]++;
        l->is_output[graph_output_at(l->g, i)->tensor] = true;
    }
}

/* Whether the tensor can be written where another one wants it: it is computed and has no other
 * place. */
static bool writable_in_place(const layouter *l, tensor_id t)
{
    return graph_tensor_at(l->g, t)->role == TENSOR_COMPUTED && l->aliases[t].root == t &&
           !l->is_output[t];
}

/* Concatenation from the last node to the first, so that a concatenation inside a larger one
 * already knows its final place when its own parts are looked at. */
static void place_concat_parts(layouter *l, int index)
{
    const graph_node *node = graph_node_at(l->g, index);
    const tensor_shape *out = shape_of(l, node->out);
    const int axis = node->attr.axis.axis;
    const bool along_rows = axis == out->rank - 1;
    int64_t leading = 1;
    for (int i = 0; i < axis; i++)
        leading *= out->dim[i];
    /* Along an outer axis a part is one block only if nothing lies outside that axis. */
    if (!l->traits->views || (!along_rows && leading != 1))
        return;
    const int64_t row_stride = l->layout->places[node->out].row_stride;
    bool all = true;
    int64_t offset = 0;
    for (int i = 0; i < node->n_in; i++) {
        const tensor_shape *part = shape_of(l, node->in[i]);
        bool once = true; /* one tensor cannot be at two places */
        for (int k = 0; k < i; k++)
            once = once && node->in[k] != node->in[i];
        if (once && writable_in_place(l, node->in[i]))
            make_view(l, node->in[i], node->out, offset, row_stride);
        else
            all = false;
        offset += along_rows ? shape_last(part) : shape_rows(part) * row_stride;
    }
    l->layout->skipped[index] = all;
}

/* A reshape whose output has a place already, in a concatenation or as an output of the graph, has
 * its input written there, unless rows would have to move. */
static void place_reshape(layouter *l, int index)
{
    const graph_node *node = graph_node_at(l->g, index);
    const tensor_id in = node->in[0], out = node->out;
    const bool same_last = shape_last(shape_of(l, in)) == shape_last(shape_of(l, out));
    const bool output_placed = l->aliases[out].root != out || l->is_output[out];
    if (!output_placed || !writable_in_place(l, in) || (!same_last && !contiguous(l, out)))
        return;
    make_view(l, in, out, 0,
              same_last ? l->layout->places[out].row_stride : shape_last(shape_of(l, in)));
    l->layout->skipped[index] = true;
}

/* From the first node to the last: outputs that are windows of inputs. */
static void place_windows(layouter *l, int index)
{
    const graph_node *node = graph_node_at(l->g, index);
    const tensor_id in = node->in[0], out = node->out;
    if (l->layout->skipped[index] || l->aliases[out].root != out ||
        graph_tensor_at(l->g, in)->role == TENSOR_CONSTANT || l->is_output[out])
        return;
    const tensor_shape *shape = shape_of(l, in);
    if (node->op == OP_RESHAPE) {
        bool same_last = shape_last(shape) == shape_last(shape_of(l, out));
        if (!same_last && !contiguous(l, in))
            return;
        make_view(l, out, in, 0,
                  same_last ? l->layout->places[in].row_stride : shape_last(shape_of(l, out)));
        l->layout->skipped[index] = true;
    } else if (node->op == OP_SLICE && l->traits->views) {
        const slice_attr *a = &node->attr.slice;
        for (int i = 0; i < shape->rank; i++) {
            bool whole = a->start[i] == 0 && a->size[i] == shape->dim[i];
            if (a->step[i] != 1 || (i < shape->rank - 1 && !whole))
                return;
        }
        make_view(l, out, in, shape->rank ? a->start[shape->rank - 1] : 0,
                  l->layout->places[in].row_stride);
        l->layout->skipped[index] = true;
    }
}

/* First place that is free for the whole time `wanted` is needed. */
static void place_buffer(layouter *l, buffer wanted)
{
    size_t offset = 0;
    int at = 0;
    for (; at < l->n_buffers; at++) {
        const buffer *b = &l->buffers[at];
        if (b->last < wanted.first || b->first > wanted.last)
            continue;
        if (b->offset >= offset + wanted.bytes)
            break;
        if (b->offset + b->bytes > offset)
            offset = b->offset + b->bytes;
    }
    wanted.offset = offset;
    for (at = l->n_buffers; at > 0 && l->buffers[at - 1].offset > offset; at--)
        l->buffers[at] = l->buffers[at - 1];
    l->buffers[at] = wanted;
    l->n_buffers++;
    if (offset + wanted.bytes > l->layout->arena_bytes)
        l->layout->arena_bytes = offset + wanted.bytes;
}

static int by_falling_bytes(const void *a, const void *b)
{
    const buffer *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->root < y->root ? -1 : 1;
}

static void note_use(buffer *b, int node)
{
    b->first = node < b->first ? node : b->first;
    b->last = node > b->last ? node : b->last;
}

static roto_status place_roots(layouter *l)
{
    const int n_tensors = graph_n_tensors(l->g), n_nodes = graph_n_nodes(l->g);
    buffer *roots = memory_new_array((size_t)n_tensors, sizeof(*roots));
    l->buffers = memory_new_array((size_t)n_tensors, sizeof(*l->buffers));
    if (!roots || !l->buffers) {
        free(roots);
        return ROTO_ERROR_MEMORY;
    }
    for (tensor_id t = 0; t < n_tensors; t++)
        roots[t] = (buffer){.first = n_nodes, .last = -1, .root = t};
    for (int i = 0; i < n_nodes; i++) {
        const graph_node *node = graph_node_at(l->g, i);
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] != TENSOR_NONE)
                note_use(&roots[l->aliases[node->in[k]].root], i);
        }
        note_use(&roots[l->aliases[node->out].root], i);
    }
    for (int i = 0; i < graph_n_inputs(l->g); i++) /* written before the first node runs */
        note_use(&roots[l->aliases[graph_input_at(l->g, i)->tensor].root], 0);
    for (int i = 0; i < graph_n_outputs(l->g); i++)
        note_use(&roots[l->aliases[graph_output_at(l->g, i)->tensor].root], n_nodes);

    int n_roots = 0;
    for (tensor_id t = 0; t < n_tensors; t++) {
        if (l->aliases[t].root != t || roots[t].last < 0 || is_bound(l, t) ||
            graph_tensor_at(l->g, t)->role == TENSOR_CONSTANT)
            continue;
        buffer root = roots[t];
        const size_t count = (size_t)shape_count(shape_of(l, t));
        const size_t bytes = count * l->element_bytes[t];
        root.bytes = (bytes + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
        if (bytes <= l->traits->apart_bytes) {
            root.first = 0;
            root.last = n_nodes;
        }
        roots[n_roots++] = root;
    }
    qsort(roots, (size_t)n_roots, sizeof(*roots), by_falling_bytes);
    for (int i = 0; i < n_roots; i++)
        place_buffer(l, roots[i]);
    free(roots);
    return ROTO_OK;
}

static void resolve_places(layouter *l)
{
    for (int i = 0; i < l->n_buffers; i++)
        l->layout->places[l->buffers[i].root].offset_bytes = l->buffers[i].offset;
    for (tensor_id t = 0; t < graph_n_tensors(l->g); t++) {
        tensor_place *place = &l->layout->places[t];
        place->root = l->aliases[t].root;
        place->element_bytes = l->element_bytes[t];
        if (graph_tensor_at(l->g, t)->role == TENSOR_CONSTANT) {
            place->kind = PLACE_CONSTANT;
            continue;
        }
        int64_t offset = l->aliases[t].offset;
        place->offset_bytes = l->layout->places[place->root].offset_bytes +
                              (size_t)offset * l->element_bytes[place->root];
        place->kind = is_bound(l, place->root) ? PLACE_BOUND : PLACE_ARENA;
    }
}

static roto_status choose_bytes(layouter *l)
{
    const tensor_id n_tensors = graph_n_tensors(l->g);
    for (tensor_id t = 0; t < n_tensors; t++)
        l->element_bytes[t] = (uint8_t)dtype_bytes(DTYPE_F32);
    if (l->traits->choose_bytes)
        ROTO_TRY(l->traits->choose_bytes(l->g, l->bound, l->element_bytes));
    for (tensor_id t = 0; t < n_tensors; t++) {
        const tensor_id root = l->aliases[t].root;
        if (l->element_bytes[t] != l->element_bytes[root])
            return roto_fail(ROTO_ERROR_INTERNAL, "'%s' shares memory with '%s' of another type",
                             graph_tensor_at(l->g, t)->name, graph_tensor_at(l->g, root)->name);
    }
    return ROTO_OK;
}

static roto_status lay_out(layouter *l)
{
    const int n_nodes = graph_n_nodes(l->g);
    for (tensor_id t = 0; t < graph_n_tensors(l->g); t++) {
        l->aliases[t].root = t;
        l->layout->places[t].row_stride = shape_last(shape_of(l, t));
    }
    count_readers(l);
    if (l->traits->views) {
        for (int i = n_nodes - 1; i >= 0; i--) {
            op_kind op = graph_node_at(l->g, i)->op;
            if (op == OP_CONCAT)
                place_concat_parts(l, i);
            else if (op == OP_RESHAPE)
                place_reshape(l, i);
        }
    }
    for (int i = 0; i < n_nodes; i++) {
        op_kind op = graph_node_at(l->g, i)->op;
        if (op == OP_RESHAPE || op == OP_SLICE)
            place_windows(l, i);
    }
    ROTO_TRY(choose_bytes(l));
    ROTO_TRY(place_roots(l));
    resolve_places(l);
    return ROTO_OK;
}

roto_status graph_layout_new(const graph *g, const plan_traits *traits, const bool *bound,
                             graph_layout **out)
{
    *out = NULL;
    const size_t n_tensors = (size_t)graph_n_tensors(g), n_nodes = (size_t)graph_n_nodes(g);
    layouter l = {.g = g, .traits = traits, .bound = bound};
    l.layout = memory_new_array(1, sizeof(*l.layout));
    roto_status status = ROTO_ERROR_MEMORY;
    if (!l.layout)
        return status;
    l.layout->places = memory_new_array(n_tensors, sizeof(*l.layout->places));
    l.layout->skipped = memory_new_array(n_nodes, sizeof(*l.layout->skipped));
    l.aliases = memory_new_array(n_tensors, sizeof(*l.aliases));
    l.n_readers = memory_new_array(n_tensors, sizeof(*l.n_readers));
    l.is_output = memory_new_array(n_tensors, sizeof(*l.is_output));
    l.element_bytes = memory_new_array(n_tensors, sizeof(*l.element_bytes));
    if (l.layout->places && l.layout->skipped && l.aliases && l.n_readers && l.is_output &&
        l.element_bytes)
        status = lay_out(&l);
    free(l.aliases);
    free(l.n_readers);
    free(l.is_output);
    free(l.element_bytes);
    free(l.buffers);
    if (status != ROTO_OK) {
        graph_layout_free(l.layout);
        return status;
    }
    *out = l.layout;
    return ROTO_OK;
}

void graph_layout_free(graph_layout *layout)
{
    if (!layout)
        return;
    free(layout->places);
    free(layout->skipped);
    free(layout);
}
