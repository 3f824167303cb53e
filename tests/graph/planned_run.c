#include "graph/planned_run.h"

#include "backend/backend.h"
#include "backend/values.h"

#include <stdlib.h>
#include <string.h>

float planned_input(int index, int64_t i)
{
    return value_at((uint32_t)index + 1000, (uint32_t)i);
}

static const tensor_shape *shape_of(const graph *g, tensor_id t)
{
    return &graph_tensor_at(g, t)->shape;
}

/* The arena's float that holds element i. */
static size_t slot_of(const graph *g, const graph_layout *layout, tensor_id t, int64_t i)
{
    const int64_t last = shape_last(shape_of(g, t));
    const tensor_place *place = &layout->places[t];
    return place->offset_bytes / sizeof(float) + (size_t)(i / last * place->row_stride + i % last);
}

float *planned_tensor(const graph *g, const graph_layout *layout, const float *arena, tensor_id t)
{
    const int64_t n = shape_count(shape_of(g, t));
    float *out = malloc((size_t)n * sizeof(float));
    if (!out)
        return NULL;
    if (layout->places[t].kind == PLACE_CONSTANT)
        return memcpy(out, graph_tensor_at(g, t)->data, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
        out[i] = arena[slot_of(g, layout, t, i)];
    return out;
}

/* One operator as a graph of its own, run by the reference on copies. */
static bool run_node(const graph *g, const graph_layout *layout, const graph_node *node,
                     float *arena)
{
    graph *single = NULL;
    backend *b = NULL;
    executable *e = NULL;
    bool ok = graph_new(&single) == ROTO_OK;
    tensor_id in[GRAPH_MAX_INPUTS];
    for (int k = 0; ok && k < node->n_in; k++)
        in[k] = node->in[k] == TENSOR_NONE
                    ? TENSOR_NONE
                    : graph_input(single, "x", DTYPE_F32, *shape_of(g, node->in[k]));
    if (ok)
        graph_output(single, "y",
                     graph_node_add(single, node->op, "n", in, node->n_in, &node->attr));
    ok = ok && backend_reference.open(&(backend_params){.n_threads = 1}, &b) == ROTO_OK &&
         backend_reference.compile(b, single, &e) == ROTO_OK;
    for (int k = 0, port = 0; ok && k < node->n_in; k++) {
        if (node->in[k] == TENSOR_NONE)
            continue;
        float *data = planned_tensor(g, layout, arena, node->in[k]);
        ok = data != NULL;
        if (ok)
            memcpy(backend_reference.input(e, port++), data,
                   (size_t)shape_count(shape_of(g, node->in[k])) * sizeof(float));
        free(data);
    }
    ok = ok && backend_reference.run(e) == ROTO_OK;
    if (ok) {
        const float *out = backend_reference.output(e, 0);
        for (int64_t i = 0; i < shape_count(shape_of(g, node->out)); i++)
            arena[slot_of(g, layout, node->out, i)] = out[i];
    }
    backend_reference.release(e);
    if (b)
        backend_reference.close(b);
    graph_free(single);
    return ok;
}

float *planned_run(const graph *g, const graph_layout *layout)
{
    float *arena = malloc(layout->arena_bytes + 1);
    if (!arena)
        return NULL;
    memset(arena, 0xff, layout->arena_bytes); /* NaN: what nobody wrote shows */
    for (int i = 0; i < graph_n_inputs(g); i++) {
        const tensor_id t = graph_input_at(g, i)->tensor;
        for (int64_t k = 0; k < shape_count(shape_of(g, t)); k++)
            arena[slot_of(g, layout, t, k)] = planned_input(i, k);
    }
    for (int i = 0; i < graph_n_nodes(g); i++) {
        if (!layout->skipped[i] && !run_node(g, layout, graph_node_at(g, i), arena)) {
            free(arena);
            return NULL;
        }
    }
    return arena;
}

/* The last node that reads a tensor; n_nodes for an output of the graph, -1 for no one. */
static int last_reader(const graph *g, tensor_id t)
{
    for (int i = 0; i < graph_n_outputs(g); i++) {
        if (graph_output_at(g, i)->tensor == t)
            return graph_n_nodes(g);
    }
    for (int i = graph_n_nodes(g) - 1; i >= 0; i--) {
        const graph_node *node = graph_node_at(g, i);
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] == t)
                return i;
        }
    }
    return -1;
}

static bool is_input_of(const graph_node *node, tensor_id t)
{
    for (int k = 0; k < node->n_in; k++) {
        if (node->in[k] == t)
            return true;
    }
    return false;
}

bool planned_places_are_disjoint(const graph *g, const graph_layout *layout)
{
    const size_t n_slots = layout->arena_bytes / sizeof(float);
    bool *written = malloc(n_slots + 1);
    bool ok = written != NULL;
    for (int i = 0; ok && i < graph_n_nodes(g); i++) {
        const graph_node *node = graph_node_at(g, i);
        if (layout->skipped[i])
            continue;
        memset(written, 0, n_slots);
        for (int64_t k = 0; k < shape_count(shape_of(g, node->out)); k++) {
            const size_t slot = slot_of(g, layout, node->out, k);
            ok = ok && slot < n_slots && !written[slot];
            if (ok)
                written[slot] = true;
        }
        for (tensor_id t = 0; ok && t < graph_n_tensors(g); t++) {
            const graph_tensor *tensor = graph_tensor_at(g, t);
            /* A concatenation rewrites with the same values what was written in place for it. */
            if (tensor->role == TENSOR_CONSTANT || t == node->out || tensor->producer >= i ||
                last_reader(g, t) < i || (node->op == OP_CONCAT && is_input_of(node, t)))
                continue;
            bool through_concat = false; /* a part, or a part of a part, that is read later still */
            for (int64_t k = 0; k < shape_count(&tensor->shape); k++)
                through_concat = through_concat || written[slot_of(g, layout, t, k)];
            ok = !through_concat || node->op == OP_CONCAT;
        }
    }
    free(written);
    return ok;
}
