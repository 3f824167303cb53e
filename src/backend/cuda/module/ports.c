#include "backend/cuda/module/ports.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

/* Whether a run copies this output to the host. */
static bool is_copied(const executable *e, const graph_port *output)
{
    return !e->bound[output->tensor] &&
           graph_tensor_at(e->g, output->tensor)->role != TENSOR_CONSTANT;
}

static size_t port_bytes(const executable *e, const graph_port *port)
{
    return (size_t)shape_count(&graph_tensor_at(e->g, port->tensor)->shape) * sizeof(float);
}

roto_status ports_allocate(executable *e)
{
    const int n_in = graph_n_inputs(e->g), n_out = graph_n_outputs(e->g);
    e->inputs = memory_new_array((size_t)n_in, sizeof(*e->inputs));
    e->outputs = memory_new_array((size_t)n_out, sizeof(*e->outputs));
    if (!e->inputs || !e->outputs)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i < n_in; i++) {
        const graph_port *port = graph_input_at(e->g, i);
        if (e->bound[port->tensor])
            continue;
        DEVICE_TRY(cudaMallocHost((void **)&e->inputs[i], port_bytes(e, port)),
                   "allocating host memory for input '%s'", port->name);
        if (executable_is_bf16(e, port->tensor) && port_bytes(e, port) > e->workspace_bytes)
            e->workspace_bytes = port_bytes(e, port);
    }
    for (int i = 0; i < n_out; i++) {
        const graph_port *port = graph_output_at(e->g, i);
        const graph_tensor *t = graph_tensor_at(e->g, port->tensor);
        if (t->role == TENSOR_CONSTANT)
            e->outputs[i] = (float *)(uintptr_t)t->data;
        else if (is_copied(e, port))
            DEVICE_TRY(cudaMallocHost((void **)&e->outputs[i], port_bytes(e, port)),
                       "allocating host memory for output '%s'", port->name);
    }
    return ROTO_OK;
}

void ports_free(executable *e)
{
    for (int i = 0; e->g && e->inputs && i < graph_n_inputs(e->g); i++)
        (void)cudaFreeHost(e->inputs[i]);
    for (int i = 0; e->g && e->outputs && i < graph_n_outputs(e->g); i++) {
        if (is_copied(e, graph_output_at(e->g, i)))
            (void)cudaFreeHost(e->outputs[i]);
    }
    free(e->inputs);
    free(e->outputs);
}

roto_status ports_copy_in(executable *e)
{
    cudaStream_t stream = e->stream;
    for (int i = 0; i < graph_n_inputs(e->g); i++) {
        const graph_port *port = graph_input_at(e->g, i);
        const tensor_place *place = &e->layout->places[port->tensor];
        const size_t bytes = port_bytes(e, port);
        if (e->bound[port->tensor])
            continue;
        const bool is_bf16 = executable_is_bf16(e, port->tensor);
        void *to = is_bf16 ? e->workspace : e->arena + place->offset_bytes;
        DEVICE_TRY(cudaMemcpyAsync(to, e->inputs[i], bytes, cudaMemcpyHostToDevice, stream),
                   "copying input '%s'", port->name);
        if (!is_bf16)
            continue;
        const int32_t count = (int32_t)(bytes / sizeof(float));
        const move_params cast = {.out = {e->arena + place->offset_bytes, 1},
                                  .x = {to, 0},
                                  .x_last = count,
                                  .out_last = count,
                                  .count = count};
        DEVICE_TRY(move_launch(&cast, stream), "rounding input '%s'", port->name);
    }
    return ROTO_OK;
}

roto_status ports_copy_out(executable *e)
{
    for (int i = 0; i < graph_n_outputs(e->g); i++) {
        const graph_port *port = graph_output_at(e->g, i);
        if (!is_copied(e, port))
            continue;
        DEVICE_TRY(cudaMemcpyAsync(e->outputs[i],
                                   e->arena + e->layout->places[port->tensor].offset_bytes,
                                   port_bytes(e, port), cudaMemcpyDeviceToHost, e->stream),
                   "copying output '%s'", port->name);
    }
    return ROTO_OK;
}
