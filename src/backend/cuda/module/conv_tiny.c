#include "backend/cuda/module/conv_tiny.h"

#include "backend/cuda/module/executable.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

bool conv_is_tiny(const graph *g, const graph_node *conv2d)
{
    const graph_tensor *w = graph_tensor_at(g, conv2d->in[1]);
    const conv2d_attr *a = &conv2d->attr.conv2d;
    return w->role == TENSOR_CONSTANT && a->groups == 1 && a->epi.residual == RESIDUAL_NONE &&
           w->shape.dim[1] == 3 && w->shape.dim[2] == 3 &&
           conv_tiny_has(w->shape.dim[3], w->shape.dim[0]);
}

/* [out][tap][in] to [tap][in][out]. */
static roto_status upload_weights(dev_site *site, const float **out)
{
    const int64_t *dim = site->in[1].shape.dim, outputs = dim[0], inputs = dim[1] * dim[2] * dim[3];
    float *turned = memory_new_array((size_t)(outputs * inputs), sizeof(*turned));
    void *at = NULL;
    if (!turned)
        return ROTO_ERROR_MEMORY;
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t i = 0; i < inputs; i++)
            turned[i * outputs + o] = site->in[1].constant[o * inputs + i];
    const roto_status status =
        site_upload(site, turned, (size_t)(outputs * inputs) * sizeof(*turned), &at);
    free(turned);
    *out = at;
    return status;
}

roto_status conv_tiny_add(dev_site *site, const dev_window *window)
{
    const conv2d_attr *a = &site->node->attr.conv2d;
    conv_tiny_params p = {.out = rows_of(&site->out),
                          .x = rows_of(&site->in[0]),
                          .window = *window,
                          .rows = (int32_t)shape_rows(&site->out.shape),
                          .in_channels = (int32_t)site->in[1].shape.dim[3],
                          .channels = (int32_t)site->in[1].shape.dim[0],
                          .norm = a->norm,
                          .vector = operand_aligned(&site->out, 4) ? 4 : 1,
                          .input_act = unary_of(&a->input.act),
                          .act = unary_of(&a->epi.act),
                          .input_scale = a->input.used ? a->input.scale : 1,
                          .input_shift = a->input.used ? a->input.shift : 0,
                          .epsilon = a->epsilon};
    ROTO_TRY(upload_weights(site, &p.w));
    ROTO_TRY(site_constant(site, 2, &p.bias));
    ROTO_TRY(site_constant(site, 4, &p.gamma));
    ROTO_TRY(site_constant(site, 5, &p.beta));
    return site_add(site, "conv.tiny", conv_tiny_launch, &p, sizeof(p),
                    graph_node_flops(site->e->g, site->node));
}
