/* Values that know which ONNX dimension each of their dimensions in memory is. */
#include "format/onnx/internal.h"

#include <string.h>

#define MAX_TENSOR_ELEMENTS ((int64_t)1 << 28) /* 1 GiB; far above any detector's largest */

void order_identity(int rank, int *order)
{
    for (int i = 0; i < TENSOR_MAX_RANK; i++)
        order[i] = i < rank ? i : 0;
}

void order_image(int *order)
{
    static const int nhwc[TENSOR_MAX_RANK] = {0, 2, 3, 1};
    memcpy(order, nhwc, sizeof(nhwc));
}

int order_find(const onnx_value *v, int dimension)
{
    int i = 0;
    while (i < v->shape.rank - 1 && v->order[i] != dimension)
        i++;
    return i;
}

static tensor_shape shape_in_order(const tensor_shape *shape, const int *order)
{
    tensor_shape result = {.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++)
        result.dim[i] = shape->dim[order[i]];
    return result;
}

tensor_id value_constant(importer *im, const char *name, tensor_shape shape, const float *data)
{
    return graph_constant(im->g, name, DTYPE_F32, shape, data);
}

/* With `trim`, without the leading dimensions of 1 in memory. */
static tensor_id constant_in_order(importer *im, const onnx_value *v, const int *order, bool trim)
{
    if (!v->f32)
        return graph_fail(im->g, ROTO_ERROR_UNSUPPORTED,
                          "integers take part in a computation on the image");
    if (constant_count(&v->shape) == 0)
        return graph_fail(im->g, ROTO_ERROR_UNSUPPORTED,
                          "an empty tensor takes part in a computation on the image");
    tensor_shape shape = {0};
    int64_t logical[TENSOR_MAX_RANK] = {0}, stride[TENSOR_MAX_RANK] = {0};
    constant_strides(&v->shape, logical);
    for (int i = 0; i < v->shape.rank; i++) {
        if (trim && shape.rank == 0 && v->shape.dim[order[i]] == 1)
            continue;
        stride[shape.rank] = logical[order[i]];
        shape.dim[shape.rank++] = v->shape.dim[order[i]];
    }
    onnx_value permuted;
    if (constant_gather(im, v, &shape, 0, stride, &permuted) != ROTO_OK)
        return graph_fail(im->g, ROTO_ERROR_UNSUPPORTED, "%s", roto_error_message());
    return value_constant(im, NULL, shape, permuted.f32);
}

tensor_id value_operand(importer *im, const onnx_value *v, const int *order)
{
    return v->kind == VALUE_CONSTANT ? constant_in_order(im, v, order, true)
                                     : value_in_order(im, v, order);
}

/* Dimensions of size 1 can go anywhere without a byte moving. */
static bool moves_elements(const onnx_value *v, const int *order)
{
    int last = -1;
    for (int i = 0; i < v->shape.rank; i++) {
        if (v->shape.dim[order[i]] == 1)
            continue;
        int place = order_find(v, order[i]);
        if (place < last)
            return true;
        last = place;
    }
    return false;
}

tensor_id value_in_order(importer *im, const onnx_value *v, const int *order)
{
    if (v->kind == VALUE_CONSTANT)
        return constant_in_order(im, v, order, false);
    const int rank = v->shape.rank;
    int perm[TENSOR_MAX_RANK] = {0};
    bool same = true;
    for (int i = 0; i < rank; i++) {
        perm[i] = order_find(v, order[i]);
        same = same && perm[i] == i;
    }
    if (same)
        return v->id;
    if (!moves_elements(v, order))
        return graph_reshape(im->g, v->id, shape_in_order(&v->shape, order));
    im->model->n_transposes++;
    return graph_transpose(im->g, v->id, perm);
}

roto_status value_extend(importer *im, const onnx_node *node, const onnx_value *v, int rank,
                         onnx_value *out)
{
    *out = *v;
    const int extra = rank - v->shape.rank;
    if (extra == 0)
        return ROTO_OK;
    if (rank > TENSOR_MAX_RANK)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "%d dimensions; at most %d", rank,
                         TENSOR_MAX_RANK);
    for (int i = rank - 1; i >= 0; i--) {
        out->shape.dim[i] = i < extra ? 1 : v->shape.dim[i - extra];
        out->order[i] = i < extra ? i : v->order[i - extra] + extra;
    }
    out->shape.rank = rank;
    if (v->kind == VALUE_COMPUTED) {
        out->id = graph_reshape(im->g, v->id, shape_in_order(&out->shape, out->order));
        if (out->id == TENSOR_NONE)
            return graph_status(im->g);
    }
    return ROTO_OK;
}

roto_status value_define(importer *im, onnx_node *node, int k, tensor_id id, const int *order)
{
    if (id == TENSOR_NONE) {
        roto_status status = graph_status(im->g);
        return status == ROTO_OK ? ROTO_ERROR_INTERNAL
                                 : NODE_FAIL(node, status, "%s", roto_error_message());
    }
    const tensor_shape *memory = &graph_tensor_at(im->g, id)->shape;
    onnx_value *out = &node->out[k];
    *out = (onnx_value){.kind = VALUE_COMPUTED, .id = id, .shape.rank = memory->rank};
    for (int i = 0; i < memory->rank; i++) {
        out->order[i] = order[i];
        out->shape.dim[order[i]] = memory->dim[i];
    }
    const int64_t count = shape_count(memory);
    im->tensor_elements -= count;
    if (count > MAX_TENSOR_ELEMENTS || im->tensor_elements < 0) {
        char text[SHAPE_TEXT_BYTES];
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its output %s is larger than any network's",
                         shape_text(&out->shape, text));
    }
    if (k >= node->n_out)
        node->n_out = k + 1;
    return ROTO_OK;
}

/* ---- reshape ----------------------------------------------------------------------------------
 */

/* Dimensions of the input and of the output between two places where the row-major elements before
 * are equally many. Those of size 1 are left out. */
typedef struct span {
    int in[TENSOR_MAX_RANK], out[TENSOR_MAX_RANK];
    int n_in, n_out;
} span;

static int split_spans(const tensor_shape *in, const tensor_shape *out, span *spans)
{
    int n = 0;
    for (int i = 0, k = 0; i < in->rank || k < out->rank;) {
        span *s = &spans[n];
        *s = (span){0};
        int64_t left = 1, right = 1;
        do {
            if (left <= right && i < in->rank) {
                if (in->dim[i] > 1)
                    s->in[s->n_in++] = i;
                left *= in->dim[i++];
            } else if (k < out->rank) {
                if (out->dim[k] > 1)
                    s->out[s->n_out++] = k;
                right *= out->dim[k++];
            } else if (i < in->rank) {
                left *= in->dim[i++];
            }
        } while (left != right && (i < in->rank || k < out->rank));
        n += s->n_in > 0 || s->n_out > 0;
    }
    return n;
}

/* The order in memory nearest to the value's in which each span lies together and in sequence. */
static void gather_spans(const onnx_value *v, const span *spans, int n_spans, int *order,
                         int *sequence)
{
    bool taken[TENSOR_MAX_RANK] = {0};
    int n = 0, n_sequence = 0;
    for (int i = 0; i < v->shape.rank; i++) {
        if (v->shape.dim[i] == 1)
            order[n++] = i;
    }
    for (int i = 0; i < v->shape.rank; i++) {
        for (int s = 0; s < n_spans; s++) {
            bool in_span = false;
            for (int k = 0; k < spans[s].n_in; k++)
                in_span = in_span || spans[s].in[k] == v->order[i];
            if (!in_span || taken[s])
                continue;
            taken[s] = true;
            sequence[n_sequence++] = s;
            for (int k = 0; k < spans[s].n_in; k++)
                order[n++] = spans[s].in[k];
        }
    }
}

roto_status value_reshape(importer *im, onnx_node *node, const onnx_value *in,
                          const tensor_shape *shape, onnx_value *out)
{
    int64_t count;
    if (!constant_shape_valid(shape, &count) || count != constant_count(&in->shape)) {
        char a[SHAPE_TEXT_BYTES], b[SHAPE_TEXT_BYTES];
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "%s cannot become %s", shape_text(&in->shape, a),
                         shape_text(shape, b));
    }
    if (in->kind == VALUE_CONSTANT) {
        onnx_value reshaped = *in;
        reshaped.shape = *shape;
        *out = reshaped;
        return ROTO_OK;
    }
    span spans[2 * TENSOR_MAX_RANK + 1];
    const int n_spans = split_spans(&in->shape, shape, spans);
    int order[TENSOR_MAX_RANK] = {0}, sequence[2 * TENSOR_MAX_RANK + 1] = {0};
    gather_spans(in, spans, n_spans, order, sequence);
    /* Dimensions of size 1 need no move of their own: the reshape below places them. */
    const bool together = !moves_elements(in, order);
    tensor_id id = together ? in->id : value_in_order(im, in, order);
    if (id == TENSOR_NONE)
        return graph_status(im->g);

    onnx_value result = {.kind = VALUE_COMPUTED, .shape = *shape};
    int n = 0;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 1)
            result.order[n++] = i;
    }
    for (int s = 0; s < n_spans; s++) {
        const span *part = &spans[sequence[s]];
        for (int k = 0; k < part->n_out; k++)
            result.order[n++] = part->out[k];
    }
    const tensor_shape memory = shape_in_order(shape, result.order);
    result.id = shape_equal(&memory, &graph_tensor_at(im->g, id)->shape)
                    ? id
                    : graph_reshape(im->g, id, memory);
    if (result.id == TENSOR_NONE)
        return graph_status(im->g);
    *out = result;
    return ROTO_OK;
}
