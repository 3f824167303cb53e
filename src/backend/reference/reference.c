/* The backend that defines results: each operator of the graph as the model wrote it, one after the
 * other, each tensor in memory of its own, sums in double precision. It shares neither fusion nor
 * layout with other backends, so that a defect there shows as a difference. */
#include "backend/host_buffer.h"
#include "backend/reference/operators.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

struct backend {
    int unused; /* C has no empty structs */
};

struct executable {
    const graph *g;
    void **buffers; /* by tensor; a constant's is read only */
    buffer **bound; /* by tensor; NULL for those of `memory` */
    ref_call *calls;
    kernel_info *infos;
    double *scratch;
    unsigned char *memory;
    size_t memory_bytes;
};

static ref_operator *const operators[OP_COUNT] = {
    [OP_CONV2D] = ref_conv2d,
    [OP_CONV_TRANSPOSE2D] = ref_conv_transpose2d,
    [OP_LINEAR] = ref_linear,
    [OP_MATMUL] = ref_matmul,
    [OP_ATTENTION] = ref_attention,
    [OP_LAYER_NORM] = ref_layer_norm,
    [OP_SOFTMAX] = ref_softmax,
    [OP_UNARY] = ref_unary,
    [OP_BINARY] = ref_binary,
    [OP_POOL2D] = ref_pool2d,
    [OP_RESIZE2D] = ref_resize2d,
    [OP_REDUCE] = ref_reduce,
    [OP_CONCAT] = ref_concat,
    [OP_SLICE] = ref_slice,
    [OP_PAD] = ref_pad,
    [OP_TRANSPOSE] = ref_transpose,
    [OP_RESHAPE] = ref_reshape,
};

static roto_status reference_open(const backend_params *params, backend **out)
{
    *out = NULL;
    if (params->precision != PRECISION_FP32)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "the reference backend computes in fp32 only; other precisions are "
                         "compared with it");
    *out = memory_new_array(1, sizeof(**out));
    return *out ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static void reference_close(backend *b)
{
    free(b);
}

static void reference_release(executable *e)
{
    if (!e)
        return;
    free(e->buffers);
    free(e->bound);
    free(e->calls);
    free(e->infos);
    free(e->scratch);
    free(e->memory);
    free(e);
}

/* Size of a tensor's memory, a multiple of the alignment. */
static size_t padded_bytes(const graph_tensor *t)
{
    const size_t bytes = (size_t)shape_count(&t->shape) * dtype_bytes(t->type);
    return (bytes + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES * MEMORY_ALIGN_BYTES;
}

static roto_status allocate_tensors(executable *e)
{
    const int n_tensors = graph_n_tensors(e->g);
    for (tensor_id t = 0; t < n_tensors; t++) {
        const graph_tensor *tensor = graph_tensor_at(e->g, t);
        if (tensor->role != TENSOR_CONSTANT && !e->bound[t] &&
            !size_add(e->memory_bytes, padded_bytes(tensor), &e->memory_bytes))
            return roto_fail(ROTO_ERROR_MEMORY, "the graph's tensors exceed the address space");
    }
    e->memory = memory_new_aligned(e->memory_bytes);
    if (!e->memory)
        return ROTO_ERROR_MEMORY;
    size_t offset = 0;
    for (tensor_id t = 0; t < n_tensors; t++) {
        const graph_tensor *tensor = graph_tensor_at(e->g, t);
        if (tensor->role == TENSOR_CONSTANT) {
            e->buffers[t] = (void *)(uintptr_t)tensor->data;
        } else if (e->bound[t]) {
            e->buffers[t] = e->bound[t]->data;
        } else {
            e->buffers[t] = e->memory + offset;
            offset += padded_bytes(tensor);
        }
    }
    return ROTO_OK;
}

static roto_status allocate_scratch(executable *e)
{
    int64_t count = 0;
    for (int i = 0; i < graph_n_nodes(e->g); i++) {
        const graph_node *node = graph_node_at(e->g, i);
        if (node->op != OP_ATTENTION)
            continue;
        int64_t needed =
            ref_attention_scratch(node, graph_tensor_at(e->g, node->in[1])->shape.dim[1]);
        count = needed > count ? needed : count;
    }
    e->scratch = memory_new_array((size_t)count, sizeof(*e->scratch));
    return e->scratch ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static void prepare_call(executable *e, int index)
{
    const graph_node *node = graph_node_at(e->g, index);
    ref_call *call = &e->calls[index];
    call->node = node;
    for (int k = 0; k < node->n_in; k++) {
        if (node->in[k] == TENSOR_NONE)
            continue;
        call->in[k] = e->buffers[node->in[k]];
        call->shape[k] = &graph_tensor_at(e->g, node->in[k])->shape;
    }
    call->out = e->buffers[node->out];
    call->out_shape = &graph_tensor_at(e->g, node->out)->shape;
    call->scratch = e->scratch;
    e->infos[index] = (kernel_info){.node = node->name,
                                    .op = node->op,
                                    .kernel = "reference",
                                    .flops = graph_node_flops(e->g, node)};
}

static roto_status reference_compile_bound(backend *b, const graph *g, const port_buffers *ports,
                                           executable **out)
{
    *out = NULL;
    ROTO_TRY(graph_status(g));
    executable *e = memory_new_array(1, sizeof(*e));
    if (!e)
        return ROTO_ERROR_MEMORY;
    const size_t n_nodes = (size_t)graph_n_nodes(g);
    e->g = g;
    e->buffers = memory_new_array((size_t)graph_n_tensors(g), sizeof(*e->buffers));
    e->bound = memory_new_array((size_t)graph_n_tensors(g), sizeof(*e->bound));
    e->calls = memory_new_array(n_nodes, sizeof(*e->calls));
    e->infos = memory_new_array(n_nodes, sizeof(*e->infos));
    roto_status status = ROTO_ERROR_MEMORY;
    if (e->buffers && e->bound && e->calls && e->infos)
        status = port_buffers_resolve(g, ports, b, e->bound);
    if (status == ROTO_OK)
        status = allocate_tensors(e);
    if (status == ROTO_OK)
        status = allocate_scratch(e);
    if (status != ROTO_OK) {
        reference_release(e);
        return status;
    }
    for (int i = 0; i < graph_n_nodes(g); i++)
        prepare_call(e, i);
    *out = e;
    return ROTO_OK;
}

static roto_status reference_compile(backend *b, const graph *g, executable **out)
{
    return reference_compile_bound(b, g, NULL, out);
}

static void *port_memory(const executable *e, const graph_port *port)
{
    return e->bound[port->tensor] ? NULL : e->buffers[port->tensor];
}

static void *reference_input(executable *e, int index)
{
    return port_memory(e, graph_input_at(e->g, index));
}

static const void *reference_output(executable *e, int index)
{
    return port_memory(e, graph_output_at(e->g, index));
}

static roto_status reference_run(executable *e)
{
    for (int i = 0; i < graph_n_nodes(e->g); i++)
        operators[e->calls[i].node->op](&e->calls[i]);
    return ROTO_OK;
}

static roto_status reference_profile(executable *e, const kernel_info **infos, int *n_infos)
{
    for (int i = 0; i < graph_n_nodes(e->g); i++) {
        const int64_t start_ns = clock_now_ns();
        operators[e->calls[i].node->op](&e->calls[i]);
        e->infos[i].seconds = (double)(clock_now_ns() - start_ns) * 1e-9;
    }
    *infos = e->infos;
    *n_infos = graph_n_nodes(e->g);
    return ROTO_OK;
}

static size_t reference_memory_bytes(const executable *e)
{
    return e->memory_bytes;
}

const backend_table backend_reference = {
    .name = "reference",
    .open = reference_open,
    .close = reference_close,
    .compile = reference_compile,
    .compile_bound = reference_compile_bound,
    .release = reference_release,
    .input = reference_input,
    .output = reference_output,
    .run = reference_run,
    .buffer_new = host_buffer_new,
    .buffer_free = host_buffer_free,
    .enqueue = reference_run,
    .copy = host_buffer_copy,
    .queue_after = host_queue_after,
    .wait = host_buffer_wait,
    .profile = reference_profile,
    .memory_bytes = reference_memory_bytes,
    .largest_batch = 1, /* one object keeps the cores busy, and its keys stay in the cache */
};
