/* Layer norm, softmax, reductions, products of computed matrices. */
#include "backend/cuda/module/site.h"

#include "base/error.h"

roto_status layer_norm_prepare(dev_site *site)
{
    layer_norm_params p = {.out = rows_of(&site->out),
                           .x = rows_of(&site->in[0]),
                           .rows = (int32_t)shape_rows(&site->in[0].shape),
                           .channels = (int32_t)shape_last(&site->in[0].shape),
                           .epsilon = site->node->attr.layer_norm.epsilon,
                           .act = unary_of(&site->node->attr.layer_norm.act)};
    const bool fours =
        p.channels % 4 == 0 && operand_aligned(&site->in[0], 4) && operand_aligned(&site->out, 4);
    p.vector = fours ? 4 : 1;
    ROTO_TRY(site_constant(site, 1, &p.gamma));
    ROTO_TRY(site_constant(site, 2, &p.beta));
    return site_add(site, "layer_norm", layer_norm_launch, &p, sizeof(p), 0);
}

roto_status softmax_prepare(dev_site *site)
{
    const dev_operand *x = &site->in[0], *out = &site->out;
    const tensor_shape *shape = &x->shape;
    const int axis = site->node->attr.axis.axis, last = shape->rank - 1;
    const int64_t n = shape->dim[axis];
    softmax_params p = {.out = out->at, .x = x->at, .n = (int32_t)n};
    p.lines = (int32_t)(shape_count(shape) / n);
    if (axis == last) {
        p.along_rows = 1;
        p.x_outer = x->row_stride;
        p.out_outer = out->row_stride;
    } else {
        int64_t rows = 1; /* from one element of a line to the next */
        for (int i = axis + 1; i < last; i++)
            rows *= shape->dim[i];
        p.inner_row = (int32_t)shape->dim[last];
        p.inner = (int32_t)(rows * shape->dim[last]);
        p.x_row = x->row_stride;
        p.out_row = out->row_stride;
        p.x_step = rows * x->row_stride;
        p.out_step = rows * out->row_stride;
        p.x_outer = n * p.x_step;
        p.out_outer = n * p.out_step;
    }
    return site_add(site, "softmax", softmax_launch, &p, sizeof(p), 0);
}

enum { REDUCE_LEAST = 256, REDUCE_OUTPUTS = 32, REDUCE_CUTS = 64 };

/* Inputs of one output are cut until blocks fill the device twice, but into no less than
 * REDUCE_LEAST each. */
static int reduce_cuts(const dev_site *site, int64_t n_out, int64_t n_in)
{
    const int64_t blocks = (n_out + REDUCE_OUTPUTS - 1) / REDUCE_OUTPUTS;
    int64_t cuts = 2 * (int64_t)site->n_multiprocessors / blocks;
    cuts = cuts < n_in / REDUCE_LEAST ? cuts : n_in / REDUCE_LEAST;
    cuts = cuts < REDUCE_CUTS ? cuts : REDUCE_CUTS;
    return cuts > 1 ? (int)cuts : 1;
}

/* Neighbouring axes that lie in memory like one become one. */
static void reduce_merge(reduce_params *p)
{
    int n = 0;
    for (int i = 1; i < p->in_rank; i++) {
        if (p->in_stride[n] == p->in_dim[i] * p->in_stride[i]) {
            p->in_dim[n] *= p->in_dim[i];
            p->in_stride[n] = p->in_stride[i];
        } else {
            n++;
            p->in_dim[n] = p->in_dim[i];
            p->in_stride[n] = p->in_stride[i];
        }
    }
    p->in_rank = n + 1;
}

roto_status reduce_prepare(dev_site *site)
{
    const reduce_attr *a = &site->node->attr.reduce;
    const dev_operand *x = &site->in[0], *out = &site->out;
    int64_t x_stride[TENSOR_MAX_RANK] = {0}, out_stride[TENSOR_MAX_RANK] = {0};
    operand_strides(x, x_stride);
    operand_strides(out, out_stride);
    reduce_params p = {.out = out->at,
                       .x = x->at,
                       .kind = (int32_t)a->kind,
                       .n_out = (int32_t)shape_count(&out->shape)};
    p.n_in = (int32_t)(shape_count(&x->shape) / p.n_out);
    for (int i = 0; i < x->shape.rank; i++) {
        if (a->axes >> i & 1) {
            p.in_dim[p.in_rank] = (int32_t)x->shape.dim[i];
            p.in_stride[p.in_rank++] = x_stride[i];
        } else {
            p.out_dim[p.out_rank] = (int32_t)x->shape.dim[i];
            p.out_stride[p.out_rank] = out_stride[i];
            p.outer_stride[p.out_rank++] = x_stride[i];
        }
    }
    if (p.in_rank > 0)
        reduce_merge(&p);
    p.cuts = reduce_cuts(site, p.n_out, p.n_in);
    if (p.cuts == 1)
        return site_add(site, "reduce", reduce_launch, &p, sizeof(p), 0);
    p.partial = site_workspace(site, (size_t)p.cuts * (size_t)p.n_out * sizeof(float));
    ROTO_TRY(site_add(site, "reduce", reduce_launch, &p, sizeof(p), 0));
    return site_add(site, "reduce.join", reduce_join_launch, &p, sizeof(p), 0);
}

/* Rows of the operand's matrices from one step of each leading dimension of `out` to the next. */
static void leading_rows(const dev_operand *o, const tensor_shape *out,
                         int64_t rows[KERNEL_MAX_RANK])
{
    int64_t step = o->shape.dim[o->shape.rank - 2];
    for (int i = out->rank - 3; i >= 0; i--) {
        const int own = i - (out->rank - o->shape.rank);
        rows[i] = own < 0 || o->shape.dim[own] == 1 ? 0 : step;
        if (own >= 0)
            step *= o->shape.dim[own];
    }
}

roto_status matmul_prepare(dev_site *site)
{
    const matmul_attr *a = &site->node->attr.matmul;
    const tensor_shape *out = &site->out.shape;
    matmul_params p = {.out = rows_of(&site->out),
                       .a = rows_of(&site->in[0]),
                       .b = rows_of(&site->in[1]),
                       .m = (int32_t)out->dim[out->rank - 2],
                       .n = (int32_t)out->dim[out->rank - 1],
                       .k = (int32_t)shape_last(&site->in[0].shape),
                       .transpose_b = a->transpose_b,
                       .matrices = 1,
                       .fours = shape_last(&site->in[0].shape) % 4 == 0 &&
                                operand_aligned(&site->in[0], 4) &&
                                operand_aligned(&site->in[1], 4),
                       .scale = a->scale,
                       .rank = (int32_t)out->rank - 2};
    for (int i = 0; i < p.rank; i++) {
        p.dim[i] = (int32_t)out->dim[i];
        p.matrices *= p.dim[i];
    }
    leading_rows(&site->in[0], out, p.a_rows);
    leading_rows(&site->in[1], out, p.b_rows);
    if ((p.n + 63) / 64 > 65535)
        return site_refuse(site, "more than 4 million columns");
    return site_add(site, "matmul.simt", matmul_launch, &p, sizeof(p), 2 * shape_count(out) * p.k);
}
