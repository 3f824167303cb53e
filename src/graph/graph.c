#include "graph/graph.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/infer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256, MAX_TENSORS = 1 << 20 };

struct graph {
    memory_arena *arena;
    graph_tensor *tensors;
    graph_node *nodes;
    graph_port *inputs, *outputs;
    size_t tensor_capacity, node_capacity, input_capacity, output_capacity;
    int n_tensors, n_nodes, n_inputs, n_outputs;
    char scope[NAME_BYTES];
    roto_status status;
    char message[NAME_BYTES * 4];
};

const char *op_name(op_kind op)
{
    static const char *const names[OP_COUNT] = {
        [OP_CONV2D] = "conv2d",
        [OP_CONV_TRANSPOSE2D] = "conv_transpose2d",
        [OP_LINEAR] = "linear",
        [OP_MATMUL] = "matmul",
        [OP_ATTENTION] = "attention",
        [OP_LAYER_NORM] = "layer_norm",
        [OP_SOFTMAX] = "softmax",
        [OP_UNARY] = "unary",
        [OP_BINARY] = "binary",
        [OP_POOL2D] = "pool2d",
        [OP_RESIZE2D] = "resize2d",
        [OP_REDUCE] = "reduce",
        [OP_CONCAT] = "concat",
        [OP_SLICE] = "slice",
        [OP_PAD] = "pad",
        [OP_TRANSPOSE] = "transpose",
        [OP_RESHAPE] = "reshape",
    };
    return names[op];
}

const char *unary_name(unary_kind kind)
{
    static const char *const names[UNARY_COUNT] = {
        [UNARY_IDENTITY] = "identity",
        [UNARY_RELU] = "relu",
        [UNARY_LEAKY_RELU] = "leaky_relu",
        [UNARY_SILU] = "silu",
        [UNARY_SIGMOID] = "sigmoid",
        [UNARY_GELU] = "gelu",
        [UNARY_GELU_TANH] = "gelu_tanh",
        [UNARY_HARD_SWISH] = "hard_swish",
        [UNARY_HARD_SIGMOID] = "hard_sigmoid",
        [UNARY_TANH] = "tanh",
        [UNARY_EXP] = "exp",
        [UNARY_LOG] = "log",
        [UNARY_SQRT] = "sqrt",
        [UNARY_ABS] = "abs",
        [UNARY_NEG] = "neg",
        [UNARY_SIN] = "sin",
        [UNARY_COS] = "cos",
        [UNARY_CLAMP] = "clamp",
    };
    return names[kind];
}

roto_status graph_new(graph **out)
{
    *out = NULL;
    graph *g = memory_new_array(1, sizeof(*g));
    if (!g)
        return ROTO_ERROR_MEMORY;
    g->arena = memory_arena_new();
    if (!g->arena) {
        free(g);
        return ROTO_ERROR_MEMORY;
    }
    *out = g;
    return ROTO_OK;
}

void graph_free(graph *g)
{
    if (!g)
        return;
    memory_arena_free(g->arena);
    free(g->tensors);
    free(g->nodes);
    free(g->inputs);
    free(g->outputs);
    free(g);
}

roto_status graph_status(const graph *g)
{
    return g->status == ROTO_OK ? ROTO_OK : roto_fail(g->status, "%s", g->message);
}

tensor_id graph_fail(graph *g, roto_status status, const char *fmt, ...)
{
    if (g->status != ROTO_OK)
        return TENSOR_NONE;
    va_list args;
    va_start(args, fmt);
    vsnprintf(g->message, sizeof(g->message), fmt, args);
    va_end(args);
    g->status = status;
    return TENSOR_NONE;
}

/* For failures of the base layer, whose message is the thread's latest. */
static tensor_id fail_with_latest(graph *g)
{
    return graph_fail(g, ROTO_ERROR_MEMORY, "%s", roto_error_message());
}

static tensor_id tensor_add(graph *g, const char *name, dtype type, const tensor_shape *shape,
                            tensor_role role)
{
    if (g->status != ROTO_OK)
        return TENSOR_NONE;
    if (!shape_valid(shape)) {
        char text[SHAPE_TEXT_BYTES];
        return graph_fail(g, ROTO_ERROR_ARGUMENT,
                          "tensor '%s' has shape %s; dimensions have to be positive, at most %d of "
                          "them, with at most 2^34 elements",
                          name, shape_text(shape, text), TENSOR_MAX_RANK);
    }
    if (g->n_tensors == MAX_TENSORS)
        return graph_fail(g, ROTO_ERROR_MEMORY, "the graph has more than %d tensors", MAX_TENSORS);
    if (!memory_grow((void **)&g->tensors, &g->tensor_capacity, (size_t)g->n_tensors + 1,
                     sizeof(*g->tensors)))
        return fail_with_latest(g);
    char *copy = memory_arena_string(g->arena, name);
    if (!copy)
        return fail_with_latest(g);
    g->tensors[g->n_tensors] =
        (graph_tensor){.name = copy, .type = type, .shape = *shape, .role = role, .producer = -1};
    return g->n_tensors++;
}

static bool port_add(graph *g, graph_port **ports, size_t *capacity, int *n, const char *name,
                     tensor_id t)
{
    if (!memory_grow((void **)ports, capacity, (size_t)*n + 1, sizeof(**ports))) {
        fail_with_latest(g);
        return false;
    }
    char *copy = memory_arena_string(g->arena, name);
    if (!copy) {
        fail_with_latest(g);
        return false;
    }
    (*ports)[(*n)++] = (graph_port){.name = copy, .tensor = t};
    return true;
}

tensor_id graph_input(graph *g, const char *name, dtype type, tensor_shape shape)
{
    tensor_id t = tensor_add(g, name, type, &shape, TENSOR_INPUT);
    if (t == TENSOR_NONE || !port_add(g, &g->inputs, &g->input_capacity, &g->n_inputs, name, t))
        return TENSOR_NONE;
    return t;
}

void graph_output(graph *g, const char *name, tensor_id t)
{
    if (g->status != ROTO_OK)
        return;
    if (t < 0 || t >= g->n_tensors) {
        graph_fail(g, ROTO_ERROR_ARGUMENT, "output '%s' names no tensor of this graph", name);
        return;
    }
    port_add(g, &g->outputs, &g->output_capacity, &g->n_outputs, name, t);
}

tensor_id graph_constant_borrow(graph *g, const char *name, dtype type, tensor_shape shape,
                                const void *data)
{
    tensor_id t = tensor_add(g, name ? name : "constant", type, &shape, TENSOR_CONSTANT);
    if (t != TENSOR_NONE)
        g->tensors[t].data = data;
    return t;
}

tensor_id graph_constant(graph *g, const char *name, dtype type, tensor_shape shape,
                         const void *data)
{
    tensor_id t = graph_constant_borrow(g, name, type, shape, NULL);
    if (t == TENSOR_NONE)
        return t;
    size_t bytes = (size_t)shape_count(&shape) * dtype_bytes(type);
    void *copy = memory_arena_alloc(g->arena, bytes);
    if (!copy)
        return fail_with_latest(g);
    g->tensors[t].data = memcpy(copy, data, bytes);
    return t;
}

tensor_id graph_scalar(graph *g, float value)
{
    return graph_constant(g, "scalar", DTYPE_F32, (tensor_shape){.rank = 0}, &value);
}

void graph_scope(graph *g, const char *prefix)
{
    snprintf(g->scope, sizeof(g->scope), "%s", prefix);
}

/* The step of a dimension from which one element is taken means nothing and may be huge; as 1 it
 * cannot overflow a product. */
static void normalise_steps(slice_attr *a, int rank)
{
    for (int i = 0; i < rank; i++) {
        if (a->size[i] == 1)
            a->step[i] = 1;
    }
}

tensor_id graph_node_add(graph *g, op_kind op, const char *name, const tensor_id *in, int n_in,
                         const op_attr *attr)
{
    if (g->status != ROTO_OK)
        return TENSOR_NONE;
    char full_name[NAME_BYTES * 2];
    if (name)
        snprintf(full_name, sizeof(full_name), "%s%s", g->scope, name);
    else
        snprintf(full_name, sizeof(full_name), "%s%s.%d", g->scope, op_name(op), g->n_nodes);
    if (n_in < 1 || n_in > GRAPH_MAX_INPUTS)
        return graph_fail(g, ROTO_ERROR_UNSUPPORTED, "%s '%s' has %d inputs; it may have 1..%d",
                          op_name(op), full_name, n_in, GRAPH_MAX_INPUTS);

    graph_node node = {.op = op, .attr = *attr, .n_in = n_in};
    const graph_tensor *operands[GRAPH_MAX_INPUTS] = {0};
    for (int i = 0; i < n_in; i++) {
        node.in[i] = in[i];
        if (in[i] == TENSOR_NONE)
            continue;
        if (in[i] < 0 || in[i] >= g->n_tensors)
            return graph_fail(g, ROTO_ERROR_ARGUMENT, "%s '%s' takes a tensor that is not there",
                              op_name(op), full_name);
        operands[i] = &g->tensors[in[i]];
    }
    tensor_shape shape;
    dtype type;
    if (infer_output(full_name, &node, operands, &shape, &type) != ROTO_OK)
        return graph_fail(g, ROTO_ERROR_ARGUMENT, "%s", roto_error_message());
    if (op == OP_SLICE)
        normalise_steps(&node.attr.slice, shape.rank);

    if (!memory_grow((void **)&g->nodes, &g->node_capacity, (size_t)g->n_nodes + 1,
                     sizeof(*g->nodes)))
        return fail_with_latest(g);
    node.out = tensor_add(g, full_name, type, &shape, TENSOR_COMPUTED);
    if (node.out == TENSOR_NONE)
        return TENSOR_NONE;
    node.name = g->tensors[node.out].name;
    g->tensors[node.out].producer = g->n_nodes;
    g->nodes[g->n_nodes++] = node;
    return node.out;
}

int graph_n_tensors(const graph *g)
{
    return g->n_tensors;
}

int graph_n_nodes(const graph *g)
{
    return g->n_nodes;
}

int graph_n_inputs(const graph *g)
{
    return g->n_inputs;
}

int graph_n_outputs(const graph *g)
{
    return g->n_outputs;
}

const graph_tensor *graph_tensor_at(const graph *g, tensor_id t)
{
    return &g->tensors[t];
}

const graph_node *graph_node_at(const graph *g, int index)
{
    return &g->nodes[index];
}

const graph_port *graph_input_at(const graph *g, int index)
{
    return &g->inputs[index];
}

const graph_port *graph_output_at(const graph *g, int index)
{
    return &g->outputs[index];
}
