/* What backends check about buffers. */
#include "backend/backend.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

/* Inputs and outputs have memory of their own, so that any of them can be elsewhere; a graph that
 * hands an input or a constant out has none for that output. */
static roto_status bind(const graph *g, const graph_port *port, bool is_output, buffer *to,
                        const backend *b, buffer **by_tensor)
{
    const graph_tensor *t = graph_tensor_at(g, port->tensor);
    const size_t n = (size_t)shape_count(&t->shape);
    const char *side = is_output ? "output" : "input";
    if (to->owner != b || to->kind != BUFFER_DEVICE || to->n < n)
        return roto_fail(ROTO_ERROR_INTERNAL, "%s '%s' of %zu floats bound to %zu %s", side,
                         port->name, n, to->n,
                         to->kind == BUFFER_HOST     ? "of the host"
                         : to->kind == BUFFER_DEVICE ? "of a device"
                                                     : "in bfloat16");
    if (by_tensor[port->tensor] || (is_output && t->role != TENSOR_COMPUTED))
        return roto_fail(ROTO_ERROR_INTERNAL, "%s '%s' is bound and has another place already",
                         side, port->name);
    by_tensor[port->tensor] = to;
    return ROTO_OK;
}

roto_status port_buffers_resolve(const graph *g, const port_buffers *ports, const backend *b,
                                 buffer **by_tensor)
{
    for (tensor_id t = 0; t < graph_n_tensors(g); t++)
        by_tensor[t] = NULL;
    for (int i = 0; ports && i < BACKEND_MAX_PORTS; i++) {
        if ((ports->in[i] && i >= graph_n_inputs(g)) || (ports->out[i] && i >= graph_n_outputs(g)))
            return roto_fail(ROTO_ERROR_INTERNAL,
                             "port %d is bound; the graph has %d inputs and %d outputs", i,
                             graph_n_inputs(g), graph_n_outputs(g));
        if (ports->in[i])
            ROTO_TRY(bind(g, graph_input_at(g, i), false, ports->in[i], b, by_tensor));
        if (ports->out[i])
            ROTO_TRY(bind(g, graph_output_at(g, i), true, ports->out[i], b, by_tensor));
    }
    return ROTO_OK;
}

roto_status port_buffers_lay_out(const graph *g, const plan_traits *traits,
                                 const port_buffers *ports, const backend *b, graph **fused,
                                 buffer ***by_tensor, graph_layout **places)
{
    ROTO_TRY(graph_fuse(g, traits, fused));
    const size_t n_tensors = (size_t)graph_n_tensors(*fused);
    bool *is_bound = memory_new_array(n_tensors, sizeof(*is_bound));
    buffer **bound = *by_tensor = memory_new_array(n_tensors, sizeof(*bound));
    roto_status status =
        is_bound && bound ? port_buffers_resolve(*fused, ports, b, bound) : ROTO_ERROR_MEMORY;
    for (size_t t = 0; status == ROTO_OK && t < n_tensors; t++)
        is_bound[t] = bound[t] != NULL;
    if (status == ROTO_OK)
        status = graph_layout_new(*fused, traits, is_bound, places);
    free(is_bound);
    return status;
}

roto_status buffer_copy_check(const buffer_copy *c)
{
    if (c->from_at > c->from->n || c->n > c->from->n - c->from_at || c->to_at > c->to->n ||
        c->n > c->to->n - c->to_at ||
        (c->from->kind == BUFFER_HOST && c->to->kind != BUFFER_DEVICE) ||
        (c->to->kind == BUFFER_HOST && c->from->kind != BUFFER_DEVICE) ||
        c->from->owner != c->to->owner)
        return roto_fail(ROTO_ERROR_INTERNAL,
                         "a copy of %zu elements from %zu of %zu to %zu of %zu", c->n, c->from_at,
                         c->from->n, c->to_at, c->to->n);
    return ROTO_OK;
}
