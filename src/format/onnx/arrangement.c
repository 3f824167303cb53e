/* Operators that only arrange elements: concatenation, slices, padding, reshapes, transposes. */
#include "format/onnx/internal.h"

#include <math.h>
#include <string.h>

/* ---- concat -----------------------------------------------------------------------------------
 */

static roto_status concat_constants(importer *im, onnx_node *node, int axis,
                                    const tensor_shape *shape)
{
    float *f32 = NULL;
    int64_t *i64 = NULL, inner = 1, outer = 1;
    const bool is_float = node->in[0].f32 != NULL;
    if (is_float)
        ROTO_TRY(constant_new_f32(im, shape, &node->out[0], &f32));
    else
        ROTO_TRY(constant_new_i64(im, shape, &node->out[0], &i64));
    for (int i = 0; i < axis; i++)
        outer *= shape->dim[i];
    for (int i = axis + 1; i < shape->rank; i++)
        inner *= shape->dim[i];
    for (int64_t o = 0, at = 0; o < outer && constant_count(shape) > 0; o++) {
        for (int k = 0; k < node->n_in; k++) {
            const onnx_value *part = &node->in[k];
            const int64_t n = part->shape.dim[axis] * inner;
            if (is_float)
                memcpy(f32 + at, part->f32 + o * n, (size_t)n * sizeof(*f32));
            else
                memcpy(i64 + at, part->i64 + o * n, (size_t)n * sizeof(*i64));
            at += n;
        }
    }
    return ROTO_OK;
}

/* More parts than an operator takes are joined in groups first. */
static tensor_id concat_many(graph *g, tensor_id *parts, int n, int axis)
{
    while (n > GRAPH_MAX_INPUTS) {
        int joined = 0;
        for (int i = 0; i < n; i += GRAPH_MAX_INPUTS) {
            int size = n - i < GRAPH_MAX_INPUTS ? n - i : GRAPH_MAX_INPUTS;
            parts[joined++] = size == 1 ? parts[i] : graph_concat(g, parts + i, size, axis);
        }
        n = joined;
    }
    return graph_concat(g, parts, n, axis);
}

roto_status import_concat(importer *im, onnx_node *node)
{
    int axis, lead = -1;
    bool constant = true;
    ROTO_TRY(node_axis(node, attribute_int(node, "axis", 0), node->in[0].shape.rank, &axis));
    tensor_shape shape = node->in[0].shape;
    for (int i = 0; i < node->n_in; i++) {
        const onnx_value *part = &node->in[i];
        if (part->kind == VALUE_ABSENT || part->shape.rank != shape.rank)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "input %d has %d dimensions, input 0 has %d",
                             i, part->shape.rank, shape.rank);
        for (int d = 0; d < shape.rank; d++) {
            if (d != axis && part->shape.dim[d] != shape.dim[d])
                return NODE_FAIL(node, ROTO_ERROR_FORMAT,
                                 "input %d differs from input 0 outside of axis %d", i, axis);
        }
        if (i > 0 &&
            __builtin_add_overflow(shape.dim[axis], part->shape.dim[axis], &shape.dim[axis]))
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its output is too large");
        if (part->kind == VALUE_CONSTANT && !part->f32 != !node->in[0].f32 &&
            node->in[0].kind == VALUE_CONSTANT)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its inputs have different types");
        constant = constant && part->kind == VALUE_CONSTANT;
        if (part->kind == VALUE_COMPUTED &&
            (lead < 0 || constant_count(&part->shape) > constant_count(&node->in[lead].shape)))
            lead = i;
    }
    if (constant)
        return concat_constants(im, node, axis, &shape);
    /* All parts take the order of the largest one. */
    const int *order = node->in[lead].order;
    tensor_id parts[NODE_MAX_INPUTS];
    for (int i = 0; i < node->n_in; i++) {
        parts[i] = value_in_order(im, &node->in[i], order);
        if (parts[i] == TENSOR_NONE)
            return graph_status(im->g);
    }
    const int place = order_find(&node->in[lead], axis);
    return value_define(im, node, 0, concat_many(im->g, parts, node->n_in, place), order);
}

/* ---- slice and split --------------------------------------------------------------------------
 */

typedef struct range {
    int64_t start, step, size;
} range;

/* A window of `x` as the node's output k, one range a dimension of ONNX's. */
static roto_status take_window(importer *im, onnx_node *node, int k, const onnx_value *x,
                               const range *ranges)
{
    const int rank = x->shape.rank;
    if (x->kind == VALUE_CONSTANT) {
        tensor_shape shape = {.rank = rank};
        int64_t stride[TENSOR_MAX_RANK], start = 0;
        constant_strides(&x->shape, stride);
        for (int i = 0; i < rank; i++) {
            shape.dim[i] = ranges[i].size;
            start += ranges[i].start * stride[i];
            stride[i] *= ranges[i].step;
        }
        if (k >= node->n_out)
            node->n_out = k + 1;
        return constant_gather(im, x, &shape, start, stride, &node->out[k]);
    }
    slice_attr attr = {0};
    bool whole = true;
    for (int i = 0; i < rank; i++) {
        const range *r = &ranges[x->order[i]];
        if (r->step < 1 || r->size < 1)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "backward and empty slices are supported for constants alone");
        attr.start[i] = r->start;
        attr.step[i] = r->step;
        attr.size[i] = r->size;
        whole = whole && r->size == x->shape.dim[x->order[i]];
    }
    if (whole) {
        node->out[k] = *x;
        if (k >= node->n_out)
            node->n_out = k + 1;
        return ROTO_OK;
    }
    return value_define(im, node, k, graph_slice(im->g, x->id, &attr), x->order);
}

static void whole_ranges(const onnx_value *x, range *ranges)
{
    for (int i = 0; i < x->shape.rank; i++)
        ranges[i] = (range){.step = 1, .size = x->shape.dim[i]};
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* ONNX's rule: negative positions count from the end, all are clamped to the dimension. */
static range slice_range(int64_t start, int64_t end, int64_t step, int64_t size)
{
    if (start < 0)
        start = start < -size ? 0 : start + size;
    if (end < 0)
        end = end < -size - 1 ? -1 - size : end + size;
    if (step > 0) {
        start = clamp(start, 0, size);
        end = clamp(end, 0, size);
        return (range){start, step, end > start ? (end - start - 1) / step + 1 : 0};
    }
    start = clamp(start, 0, size - 1);
    end = clamp(end, -1, size - 1);
    return (range){start, step, start > end ? (start - end - 1) / -step + 1 : 0};
}

roto_status import_slice(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int64_t *starts, *ends, *axes, *steps;
    int n, n_ends, n_axes, n_steps;
    ROTO_TRY(node_integers(im, node, "starts", 1, &starts, &n));
    ROTO_TRY(node_integers(im, node, "ends", 2, &ends, &n_ends));
    ROTO_TRY(node_integers(im, node, "axes", 3, &axes, &n_axes));
    ROTO_TRY(node_integers(im, node, NULL, 4, &steps, &n_steps));
    if (!starts || n_ends != n || (axes && n_axes != n) || (steps && n_steps != n) ||
        (!axes && n > x->shape.rank))
        return NODE_FAIL(node, ROTO_ERROR_FORMAT,
                         "starts, ends, axes and steps have to have the same length");
    range ranges[TENSOR_MAX_RANK];
    whole_ranges(x, ranges);
    uint32_t seen = 0;
    for (int i = 0; i < n; i++) {
        int axis = i;
        if (axes)
            ROTO_TRY(node_axis(node, axes[i], x->shape.rank, &axis));
        const int64_t step = steps ? steps[i] : 1;
        if (step == 0 || step < -INT32_MAX || step > INT32_MAX || seen >> axis & 1)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "step %lld on axis %d, or the axis twice",
                             (long long)step, axis);
        seen |= 1u << axis;
        ranges[axis] = slice_range(starts[i], ends[i], step, x->shape.dim[axis]);
    }
    return take_window(im, node, 0, x, ranges);
}

roto_status import_split(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int n_parts = (int)node->proto->n_output;
    int axis, n;
    const int64_t *sizes;
    ROTO_TRY(node_axis(node, attribute_int(node, "axis", 0), x->shape.rank, &axis));
    ROTO_TRY(node_integers(im, node, "split", 1, &sizes, &n));
    const int64_t total = x->shape.dim[axis], even = (total + n_parts - 1) / n_parts;
    if (sizes && n != n_parts)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "%d sizes for %d outputs", n, n_parts);
    int64_t at = 0;
    for (int k = 0; k < n_parts; k++) {
        int64_t size = sizes ? sizes[k] : k < n_parts - 1 ? even : total - at;
        if (size < 0 || size > total - at)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "part %d of %lld does not fit %lld", k,
                             (long long)size, (long long)total);
        range ranges[TENSOR_MAX_RANK];
        whole_ranges(x, ranges);
        ranges[axis] = (range){at, 1, size};
        ROTO_TRY(take_window(im, node, k, x, ranges));
        at += size;
    }
    if (at != total)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its parts have %lld of %lld elements",
                         (long long)at, (long long)total);
    return ROTO_OK;
}

/* ---- gather -----------------------------------------------------------------------------------
 */

/* Of constants: [before axis], [indices], [behind axis]. */
static roto_status gather_constants(importer *im, onnx_node *node, int axis)
{
    const onnx_value *x = &node->in[0], *index = &node->in[1];
    tensor_shape shape = {.rank = x->shape.rank - 1 + index->shape.rank};
    if (shape.rank > TENSOR_MAX_RANK)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "%d dimensions; at most %d", shape.rank,
                         TENSOR_MAX_RANK);
    int n = 0;
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < axis; i++)
        outer *= shape.dim[n++] = x->shape.dim[i];
    for (int i = 0; i < index->shape.rank; i++)
        shape.dim[n++] = index->shape.dim[i];
    for (int i = axis + 1; i < x->shape.rank; i++)
        inner *= shape.dim[n++] = x->shape.dim[i];
    float *f32 = NULL;
    int64_t *i64 = NULL;
    if (x->f32)
        ROTO_TRY(constant_new_f32(im, &shape, &node->out[0], &f32));
    else
        ROTO_TRY(constant_new_i64(im, &shape, &node->out[0], &i64));
    const int64_t size = x->shape.dim[axis], n_index = constant_count(&index->shape);
    for (int64_t o = 0, at = 0; o < outer && constant_count(&shape) > 0; o++) {
        for (int64_t k = 0; k < n_index; k++, at += inner) {
            int64_t from = index->i64[k];
            if (from < -size || from >= size)
                return NODE_FAIL(node, ROTO_ERROR_FORMAT, "index %lld of %lld", (long long)from,
                                 (long long)size);
            from = (o * size + (from < 0 ? from + size : from)) * inner;
            if (f32)
                memcpy(f32 + at, x->f32 + from, (size_t)inner * sizeof(*f32));
            else
                memcpy(i64 + at, x->i64 + from, (size_t)inner * sizeof(*i64));
        }
    }
    return ROTO_OK;
}

roto_status import_gather(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0], *index = &node->in[1];
    int axis;
    ROTO_TRY(node_axis(node, attribute_int(node, "axis", 0), x->shape.rank, &axis));
    if (index->kind != VALUE_CONSTANT || !index->i64)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its indices have to be constant integers");
    if (x->kind == VALUE_CONSTANT)
        return gather_constants(im, node, axis);
    const int64_t n = constant_count(&index->shape), size = x->shape.dim[axis];
    if (index->shape.rank > 1 || n < 1)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its indices have to be one list");
    /* Evenly spaced, rising indices are a slice. */
    range ranges[TENSOR_MAX_RANK];
    whole_ranges(x, ranges);
    int64_t first = index->i64[0] < 0 ? index->i64[0] + size : index->i64[0], step = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = index->i64[i];
        if (at < -size || at >= size)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "index %lld of %lld", (long long)at,
                             (long long)size);
        at = at < 0 ? at + size : at;
        if (i == 1)
            step = at - first;
        if (step < 1 || at != first + i * step)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "its indices have to rise in equal steps");
    }
    ranges[axis] = (range){first, step, n};
    ROTO_TRY(take_window(im, node, 0, x, ranges));
    if (index->shape.rank == 1)
        return ROTO_OK;
    tensor_shape shape = {0}; /* a single index removes the dimension */
    for (int i = 0; i < x->shape.rank; i++) {
        if (i != axis)
            shape.dim[shape.rank++] = x->shape.dim[i];
    }
    return value_reshape(im, node, &node->out[0], &shape, &node->out[0]);
}

/* ---- pad --------------------------------------------------------------------------------------
 */

roto_status import_pad(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int64_t *pads, *axes;
    int n, n_axes;
    double value = (double)attribute_float(node, "value", 0);
    ROTO_TRY(node_integers(im, node, "pads", 1, &pads, &n));
    ROTO_TRY(node_integers(im, node, NULL, 3, &axes, &n_axes));
    if (node->n_in > 2 && node->in[2].kind != VALUE_ABSENT &&
        !constant_scalar(&node->in[2], &value))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its value has to be a constant");
    if (!attribute_is(node, "mode", "constant", "constant"))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "only constant padding is supported");
    if (x->kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "padding constants is not supported");
    const int n_padded = axes ? n_axes : x->shape.rank;
    if (!pads || n != 2 * n_padded)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "%d paddings for %d dimensions", n, n_padded);
    pad_attr attr = {.value = (float)value};
    bool any = false;
    for (int i = 0; i < n_padded; i++) {
        int axis = i;
        if (axes)
            ROTO_TRY(node_axis(node, axes[i], x->shape.rank, &axis));
        if (pads[i] < 0 || pads[i + n_padded] < 0)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "negative paddings are not supported");
        attr.before[order_find(x, axis)] = pads[i];
        attr.after[order_find(x, axis)] = pads[i + n_padded];
        any = any || pads[i] || pads[i + n_padded];
    }
    if (!any) {
        node->out[0] = *x;
        return ROTO_OK;
    }
    return value_define(im, node, 0, graph_pad(im->g, x->id, &attr), x->order);
}

/* ---- transpose and reshapes -------------------------------------------------------------------
 */

roto_status import_transpose(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const Onnx__Attribute *a = attribute_find(node, "perm");
    const int rank = x->shape.rank;
    int perm[TENSOR_MAX_RANK] = {0}, inverse[TENSOR_MAX_RANK] = {0};
    uint32_t seen = 0;
    if (a && a->n_ints != (size_t)rank)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "perm has %zu values for %d dimensions",
                         a->n_ints, rank);
    for (int i = 0; i < rank; i++) {
        ROTO_TRY(node_axis(node, a ? a->ints[i] : rank - 1 - i, rank, &perm[i]));
        seen |= 1u << perm[i];
        inverse[perm[i]] = i;
    }
    if (seen != (1u << rank) - 1)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "perm is no permutation");
    onnx_value *out = &node->out[0];
    tensor_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dim[i] = x->shape.dim[perm[i]];
    if (x->kind == VALUE_CONSTANT) {
        int64_t from[TENSOR_MAX_RANK], stride[TENSOR_MAX_RANK];
        constant_strides(&x->shape, from);
        for (int i = 0; i < rank; i++)
            stride[i] = from[perm[i]];
        return constant_gather(im, x, &shape, 0, stride, out);
    }
    *out = *x; /* the elements stay where they are; their dimensions get new numbers */
    out->shape = shape;
    for (int i = 0; i < rank; i++)
        out->order[i] = inverse[x->order[i]];
    return ROTO_OK;
}

roto_status import_reshape(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int64_t *dims;
    int n, open = -1;
    ROTO_TRY(node_integers(im, node, "shape", 1, &dims, &n));
    if (!dims || n > TENSOR_MAX_RANK)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "its shape has to be a constant list of at most %d", TENSOR_MAX_RANK);
    const bool zero_is_zero = attribute_int(node, "allowzero", 0) != 0;
    tensor_shape shape = {.rank = n};
    int64_t known = 1;
    const int64_t total = constant_count(&x->shape);
    for (int i = 0; i < n; i++) {
        shape.dim[i] = dims[i];
        if (dims[i] == 0 && !zero_is_zero && i < x->shape.rank)
            shape.dim[i] = x->shape.dim[i];
        if (shape.dim[i] == -1 && open < 0) {
            open = i;
            continue;
        }
        if (shape.dim[i] < 0 || __builtin_mul_overflow(known, shape.dim[i], &known) ||
            known > SHAPE_MAX_ELEMENTS)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "dimension %d would be %lld", i,
                             (long long)dims[i]);
    }
    if (open >= 0)
        shape.dim[open] = known > 0 ? total / known : 0;
    return value_reshape(im, node, x, &shape, &node->out[0]);
}

roto_status import_flatten(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    int64_t axis = attribute_int(node, "axis", 1);
    if (axis < -x->shape.rank || axis > x->shape.rank)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "axis %lld of %d dimensions", (long long)axis,
                         x->shape.rank);
    axis = axis < 0 ? axis + x->shape.rank : axis;
    tensor_shape shape = SHAPE(1, 1);
    for (int i = 0; i < x->shape.rank; i++)
        shape.dim[i >= axis] *= x->shape.dim[i];
    return value_reshape(im, node, x, &shape, &node->out[0]);
}

roto_status import_squeeze(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int64_t *axes;
    int n;
    uint32_t drop = 0;
    ROTO_TRY(node_integers(im, node, "axes", 1, &axes, &n));
    for (int i = 0; i < n; i++) {
        int axis;
        ROTO_TRY(node_axis(node, axes[i], x->shape.rank, &axis));
        if (x->shape.dim[axis] != 1)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "axis %d has %lld elements", axis,
                             (long long)x->shape.dim[axis]);
        drop |= 1u << axis;
    }
    tensor_shape shape = {0};
    for (int i = 0; i < x->shape.rank; i++) {
        if (axes ? !(drop >> i & 1) : x->shape.dim[i] != 1)
            shape.dim[shape.rank++] = x->shape.dim[i];
    }
    return value_reshape(im, node, x, &shape, &node->out[0]);
}

roto_status import_unsqueeze(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const int64_t *axes;
    int n;
    uint32_t insert = 0;
    ROTO_TRY(node_integers(im, node, "axes", 1, &axes, &n));
    const int rank = x->shape.rank + n;
    if (!axes || rank > TENSOR_MAX_RANK)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "%d dimensions; at most %d", rank,
                         TENSOR_MAX_RANK);
    for (int i = 0; i < n; i++) {
        int axis;
        ROTO_TRY(node_axis(node, axes[i], rank, &axis));
        if (insert >> axis & 1)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "axis %d is there twice", axis);
        insert |= 1u << axis;
    }
    tensor_shape shape = {.rank = rank};
    for (int i = 0, k = 0; i < rank; i++)
        shape.dim[i] = insert >> i & 1 ? 1 : x->shape.dim[k++];
    return value_reshape(im, node, x, &shape, &node->out[0]);
}

roto_status import_identity(importer *im, onnx_node *node)
{
    (void)im;
    double training = 0;
    /* Dropout's third input, from set 12 on. */
    if (node->n_in > 2 && node->in[2].kind != VALUE_ABSENT &&
        (!constant_scalar(&node->in[2], &training) || training != 0))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "training mode is not supported");
    node->out[0] = node->in[0];
    return ROTO_OK;
}
