/* Convolution and its transpose, as sums over every weight. */
#include "backend/reference/operators.h"

/* Element of an NHWC tensor, or of weights [out, kh, kw, in]. */
static int64_t at4(const tensor_shape *s, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return ((a * s->dim[1] + b) * s->dim[2] + c) * s->dim[3] + d;
}

/* Image, row, column and channel of an output element. */
typedef struct output_element {
    int64_t n, y, x, o;
} output_element;

static double conv2d_sum(const ref_call *call, const output_element *e)
{
    const conv2d_attr *a = &call->node->attr.conv2d;
    const tensor_shape *in = call->shape[0], *w = call->shape[1];
    const int64_t group_in = w->dim[3], group_out = w->dim[0] / a->groups;
    const int64_t first_channel = e->o / group_out * group_in;
    double sum = 0;
    for (int64_t ky = 0; ky < w->dim[1]; ky++) {
        const int64_t y = e->y * a->stride_h - a->pad_top + ky * a->dilation_h;
        if (y < 0 || y >= in->dim[1])
            continue;
        for (int64_t kx = 0; kx < w->dim[2]; kx++) {
            const int64_t x = e->x * a->stride_w - a->pad_left + kx * a->dilation_w;
            if (x < 0 || x >= in->dim[2])
                continue;
            const float *pixel = call->in[0] + at4(in, e->n, y, x, first_channel);
            const float *weight = call->in[1] + at4(w, e->o, ky, kx, 0);
            for (int64_t c = 0; c < group_in; c++)
                sum += (a->input.used ? a->input.scale * ref_unary_value(&a->input.act, pixel[c]) +
                                            a->input.shift
                                      : pixel[c]) *
                       weight[c];
        }
    }
    return sum;
}

/* Input pixel y reaches the output rows y * stride - pad + ky; seen from an output row, those ky
 * for which the distance is a multiple of the stride. */
static double conv_transpose2d_sum(const ref_call *call, const output_element *e)
{
    const conv_transpose2d_attr *a = &call->node->attr.conv_transpose2d;
    const tensor_shape *in = call->shape[0], *w = call->shape[1];
    double sum = 0;
    for (int64_t ky = 0; ky < w->dim[1]; ky++) {
        const int64_t down = e->y + a->pad_top - ky;
        if (down < 0 || down % a->stride_h || down / a->stride_h >= in->dim[1])
            continue;
        for (int64_t kx = 0; kx < w->dim[2]; kx++) {
            const int64_t right = e->x + a->pad_left - kx;
            if (right < 0 || right % a->stride_w || right / a->stride_w >= in->dim[2])
                continue;
            const float *pixel =
                call->in[0] + at4(in, e->n, down / a->stride_h, right / a->stride_w, 0);
            const float *weight = call->in[1] + at4(w, e->o, ky, kx, 0);
            for (int64_t c = 0; c < w->dim[3]; c++)
                sum += (double)pixel[c] * weight[c];
        }
    }
    return sum;
}

static void for_each_output(const ref_call *call, const epilogue *epi,
                            double (*sum)(const ref_call *, const output_element *))
{
    const tensor_shape *out = call->out_shape;
    int64_t i = 0;
    for (int64_t n = 0; n < out->dim[0]; n++)
        for (int64_t y = 0; y < out->dim[1]; y++)
            for (int64_t x = 0; x < out->dim[2]; x++)
                for (int64_t o = 0; o < out->dim[3]; o++, i++) {
                    double acc = sum(call, &(output_element){n, y, x, o});
                    if (call->in[2])
                        acc += call->in[2][o];
                    call->out[i] =
                        ref_epilogue_value(epi, acc, call->in[3] ? call->in[3] + i : NULL);
                }
}

void ref_conv2d(const ref_call *call)
{
    const conv2d_attr *a = &call->node->attr.conv2d;
    if (!a->norm) {
        for_each_output(call, &a->epi, conv2d_sum);
        return;
    }
    for_each_output(call, &(epilogue){.act = {.kind = UNARY_IDENTITY}}, conv2d_sum);
    const graph_node norm = {.op = OP_LAYER_NORM,
                             .attr.layer_norm = {.epsilon = a->epsilon, .act = a->epi.act}};
    const ref_call rows = {.node = &norm,
                           .in = {call->out, call->in[4], call->in[5]},
                           .shape = {call->out_shape, call->shape[4], call->shape[5]},
                           .out = call->out,
                           .out_shape = call->out_shape};
    ref_layer_norm(&rows);
}

void ref_conv_transpose2d(const ref_call *call)
{
    for_each_output(call, &call->node->attr.conv_transpose2d.epi, conv_transpose2d_sum);
}
