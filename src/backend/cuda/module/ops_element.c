/* Operators on single elements and those that only move them. */
#include "backend/cuda/module/site.h"

#include "base/error.h"

#include <limits.h>

_Static_assert(UNARY_CLAMP == 17 && UNARY_COUNT == 18 && UNARY_SILU == 3 && UNARY_TANH == 9 &&
                   BINARY_POW == 6 && BINARY_COUNT == 7 && REDUCE_MAX == 2 && RESIDUAL_AFTER == 2 &&
                   (int)TENSOR_MAX_RANK == (int)KERNEL_MAX_RANK,
               "the kernels' numbers are those of graph.h");

roto_status unary_prepare(dev_site *site)
{
    unary_params p = {
        .out = site->out.at, .x = site->in[0].at, .fn = unary_of(&site->node->attr.unary)};
    nest_make(&site->out, &site->in[0], NULL, &p.nest);
    return site_add(site, "unary", unary_launch, &p, sizeof(p), 0);
}

roto_status binary_prepare(dev_site *site)
{
    binary_params p = {.out = site->out.at,
                       .a = site->in[0].at,
                       .b = site->in[1].at,
                       .kind = (int32_t)site->node->attr.binary};
    nest_make(&site->out, &site->in[0], &site->in[1], &p.nest);
    return site_add(site, "binary", binary_launch, &p, sizeof(p), 0);
}

/* A copy of x into `out`, dimension by dimension; strides and starts are for the caller to change.
 */
static move_params plain_move(const dev_operand *out, const dev_operand *x)
{
    move_params p = {.out = out->at,
                     .x = x->at,
                     .rank = (int32_t)out->shape.rank,
                     .count = (int32_t)shape_count(&out->shape)};
    operand_strides(x, p.x_stride);
    operand_strides(out, p.out_stride);
    for (int i = 0; i < out->shape.rank; i++) {
        p.dim[i] = (int32_t)out->shape.dim[i];
        p.limit[i] = INT32_MAX;
    }
    return p;
}

static roto_status add_move(dev_site *site, const move_params *p)
{
    return site_add(site, "move", move_launch, p, sizeof(*p), 0);
}

roto_status slice_prepare(dev_site *site)
{
    const slice_attr *a = &site->node->attr.slice;
    move_params p = plain_move(&site->out, &site->in[0]);
    int64_t first = 0;
    for (int i = 0; i < p.rank; i++) {
        first += a->start[i] * p.x_stride[i];
        p.x_stride[i] *= a->step[i];
    }
    p.x.data = (char *)p.x.data + first * (p.x.is_bf16 ? 2 : 4);
    return add_move(site, &p);
}

roto_status pad_prepare(dev_site *site)
{
    const pad_attr *a = &site->node->attr.pad;
    move_params p = plain_move(&site->out, &site->in[0]);
    p.checked = 1;
    p.value = a->value;
    for (int i = 0; i < p.rank; i++) {
        p.start[i] = (int32_t)-a->before[i];
        p.limit[i] = (int32_t)site->in[0].shape.dim[i];
    }
    return add_move(site, &p);
}

roto_status transpose_prepare(dev_site *site)
{
    move_params p = plain_move(&site->out, &site->in[0]);
    int64_t stride[TENSOR_MAX_RANK] = {0};
    operand_strides(&site->in[0], stride);
    for (int i = 0; i < p.rank; i++)
        p.x_stride[i] = stride[site->node->attr.transpose.perm[i]];
    return add_move(site, &p);
}

roto_status reshape_prepare(dev_site *site)
{
    const dev_operand *x = &site->in[0], *out = &site->out;
    move_params p = {.out = out->at,
                     .x = x->at,
                     .x_last = (int32_t)shape_last(&x->shape),
                     .out_last = (int32_t)shape_last(&out->shape),
                     .count = (int32_t)shape_count(&out->shape)};
    p.x_stride[0] = x->row_stride;
    p.out_stride[0] = out->row_stride;
    return add_move(site, &p);
}

roto_status concat_prepare(dev_site *site)
{
    const int axis = site->node->attr.axis.axis;
    int64_t stride[TENSOR_MAX_RANK] = {0}, at = 0;
    operand_strides(&site->out, stride);
    for (int i = 0; i < site->node->n_in; i++) {
        const dev_operand *x = &site->in[i];
        dev_operand part = site->out;
        part.shape = x->shape;
        part.at.data = (char *)part.at.data + at * stride[axis] * (part.at.is_bf16 ? 2 : 4);
        at += x->shape.dim[axis];
        if (part.at.data == x->at.data) /* written in place */
            continue;
        move_params p = plain_move(&part, x);
        for (int d = 0; d < p.rank;
             d++) /* the whole's, not those of a tensor of the part's shape */
            p.out_stride[d] = stride[d];
        ROTO_TRY(add_move(site, &p));
    }
    return ROTO_OK;
}
