#include "backend/cuda/module/storage.h"

#include "backend/cuda/module/conv_tiny.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

typedef struct group { /* tensors stored alike */
    tensor_id parent;
    bool product, exact; /* a product reads one of them; a reader or the host wants fp32 */
} group;

static tensor_id root_of(group *groups, tensor_id t)
{
    while (groups[t].parent != t)
        t = groups[t].parent = groups[groups[t].parent].parent;
    return t;
}

static bool shares_memory(op_kind op)
{
    return op == OP_RESHAPE || op == OP_SLICE || op == OP_CONCAT;
}

/* Whether the kernel for this input multiplies bfloat16 values. */
static bool is_product(const graph *g, const graph_node *node, int input)
{
    switch (node->op) {
    case OP_CONV2D: /* other groups run in fp32 arithmetic */
        return input == 0 && node->attr.conv2d.groups == 1 && !conv_is_tiny(g, node);
    case OP_CONV_TRANSPOSE2D:
    case OP_LINEAR:
        return input == 0;
    case OP_ATTENTION:
        return input <= 2;
    default:
        return false;
    }
}

static bool wants_exact(const graph_node *node, int input)
{
    switch (node->op) {
    case OP_LAYER_NORM:
    case OP_SOFTMAX:
    case OP_UNARY:
    case OP_BINARY:
    case OP_REDUCE:
        return true;
    case OP_ATTENTION:
        return input > 2;
    default:
        return false;
    }
}

roto_status storage_choose(const graph *g, const bool *bound, uint8_t *element_bytes)
{
    const int n_tensors = graph_n_tensors(g);
    group *groups = memory_new_array((size_t)n_tensors, sizeof(*groups));
    if (!groups)
        return ROTO_ERROR_MEMORY;
    for (tensor_id t = 0; t < n_tensors; t++)
        groups[t].parent = t;
    for (int i = 0; i < graph_n_nodes(g); i++) {
        const graph_node *node = graph_node_at(g, i);
        for (int k = 0; k < node->n_in && shares_memory(node->op); k++)
            groups[root_of(groups, node->in[k])].parent = root_of(groups, node->out);
    }
    for (int i = 0; i < graph_n_nodes(g); i++) {
        const graph_node *node = graph_node_at(g, i);
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] == TENSOR_NONE)
                continue;
            group *of = &groups[root_of(groups, node->in[k])];
            of->product = of->product || is_product(g, node, k);
            of->exact = of->exact || wants_exact(node, k);
        }
    }
    for (int i = 0; i < graph_n_outputs(g); i++)
        groups[root_of(groups, graph_output_at(g, i)->tensor)].exact = true;
    for (tensor_id t = 0; t < n_tensors; t++) {
        if (bound && bound[t])
            groups[root_of(groups, t)].exact = true;
    }
    for (tensor_id t = 0; t < n_tensors; t++) {
        const group *of = &groups[root_of(groups, t)];
        element_bytes[t] =
            of->product && !of->exact && graph_tensor_at(g, t)->role != TENSOR_CONSTANT ? 2 : 4;
    }
    free(groups);
    return ROTO_OK;
}
