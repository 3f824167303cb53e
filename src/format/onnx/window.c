#include "format/onnx/window.h"

#include <math.h>
#include <string.h>

enum { LARGEST_EXTENT = 1 << 16 };

/* SAME: as many outputs as the stride divides the input into, rounded up; an odd element of padding
 * goes to the end (UPPER) or the start (LOWER). */
static void pad_same(const onnx_value *x, bool upper, window *w)
{
    for (int i = 0; i < 2; i++) {
        const int64_t size = x->shape.dim[2 + i],
                      extent = (int64_t)w->dilation[i] * (w->kernel[i] - 1) + 1,
                      n = (size + w->stride[i] - 1) / w->stride[i];
        int64_t total = (n - 1) * w->stride[i] + extent - size;
        total = total < 0 ? 0 : total > LARGEST_EXTENT ? LARGEST_EXTENT : total;
        w->pad[i] = (int)(upper ? total / 2 : total - total / 2);
        w->pad[i + 2] = (int)(total - w->pad[i]);
    }
}

roto_status window_read(const onnx_node *node, const onnx_value *x, const onnx_value *weights,
                        window *out)
{
    ROTO_TRY(attribute_extents(node, "strides", 2, 1, out->stride));
    ROTO_TRY(attribute_extents(node, "dilations", 2, 1, out->dilation));
    ROTO_TRY(attribute_extents(node, "pads", 4, 0, out->pad));
    ROTO_TRY(attribute_extents(node, "kernel_shape", 2, 0, out->kernel));
    const bool given = attribute_find(node, "kernel_shape") != NULL;
    for (int i = 0; i < 2; i++) {
        if (weights && given && weights->shape.dim[2 + i] != out->kernel[i])
            return NODE_FAIL(node, ROTO_ERROR_FORMAT,
                             "kernel_shape says %d where the weights have %lld", out->kernel[i],
                             (long long)weights->shape.dim[2 + i]);
        if (weights && weights->shape.dim[2 + i] > LARGEST_EXTENT)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "a kernel of %lld; at most %d",
                             (long long)weights->shape.dim[2 + i], LARGEST_EXTENT);
        if (weights)
            out->kernel[i] = (int)weights->shape.dim[2 + i];
        if (out->kernel[i] < 1 || out->stride[i] < 1 || out->dilation[i] < 1)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT,
                             "kernel, strides and dilations have to be at least 1");
    }
    if (attribute_is(node, "auto_pad", "NOTSET", "NOTSET"))
        return ROTO_OK;
    memset(out->pad, 0, sizeof(out->pad));
    if (attribute_is(node, "auto_pad", "", "SAME_UPPER"))
        pad_same(x, true, out);
    else if (attribute_is(node, "auto_pad", "", "SAME_LOWER"))
        pad_same(x, false, out);
    else if (!attribute_is(node, "auto_pad", "", "VALID"))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "this auto_pad is not known");
    return ROTO_OK;
}

static roto_status import_pool(importer *im, onnx_node *node, pool_kind kind)
{
    const onnx_value *x = &node->in[0];
    if (x->shape.rank != 4)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its input has %d dimensions; 4 are needed",
                         x->shape.rank);
    window w;
    ROTO_TRY(window_read(node, x, NULL, &w));
    if (w.dilation[0] != 1 || w.dilation[1] != 1 || attribute_int(node, "storage_order", 0) != 0)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "dilations and column-major order are not supported");
    const pool2d_attr attr = {.kind = kind,
                              .kernel_h = w.kernel[0],
                              .kernel_w = w.kernel[1],
                              .stride_h = w.stride[0],
                              .stride_w = w.stride[1],
                              .pad_top = w.pad[0],
                              .pad_left = w.pad[1],
                              .pad_bottom = w.pad[2],
                              .pad_right = w.pad[3],
                              .ceil_mode = attribute_int(node, "ceil_mode", 0) != 0,
                              .count_padding = attribute_int(node, "count_include_pad", 0) != 0};
    int order[TENSOR_MAX_RANK];
    order_image(order);
    tensor_id y = graph_pool2d(im->g, value_in_order(im, x, order), &attr);
    return value_define(im, node, 0, y, order);
}

roto_status import_max_pool(importer *im, onnx_node *node)
{
    return import_pool(im, node, POOL_MAX);
}

roto_status import_average_pool(importer *im, onnx_node *node)
{
    return import_pool(im, node, POOL_AVERAGE);
}

roto_status import_global_average_pool(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    if (x->shape.rank != 4 || x->kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its input has %d dimensions; 4 are needed",
                         x->shape.rank);
    const uint32_t axes = 1u << order_find(x, 2) | 1u << order_find(x, 3);
    return value_define(im, node, 0, graph_reduce(im->g, REDUCE_MEAN, x->id, axes), x->order);
}

/* ---- resize -----------------------------------------------------------------------------------
 */

/* Output sizes from the constant inputs: sizes (the last input of Resize from set 11 on) or scales.
 */
static roto_status resize_extents(const onnx_node *node, int scales_at, int64_t out[2])
{
    const onnx_value *x = &node->in[0], *scales = &node->in[scales_at];
    const onnx_value *sizes = node->n_in > 3 ? &node->in[3] : NULL;
    const Onnx__Attribute *attribute = attribute_find(node, "scales"); /* Upsample before set 9 */
    if (sizes && sizes->kind != VALUE_ABSENT && constant_count(&sizes->shape) > 0) {
        if (sizes->kind != VALUE_CONSTANT || !sizes->i64 || constant_count(&sizes->shape) != 4 ||
            sizes->i64[0] != x->shape.dim[0] || sizes->i64[1] != x->shape.dim[1])
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "sizes have to be 4 constants that keep batch and channels");
        out[0] = sizes->i64[2];
        out[1] = sizes->i64[3];
        return ROTO_OK;
    }
    const float *factors = NULL;
    if (scales_at < node->n_in && scales->kind == VALUE_CONSTANT && scales->f32 &&
        constant_count(&scales->shape) == 4)
        factors = scales->f32;
    else if (attribute && attribute->n_floats == 4)
        factors = attribute->floats;
    if (!factors || factors[0] != 1 || factors[1] != 1)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "scales have to be 4 constants that keep batch and channels");
    for (int i = 0; i < 2; i++) {
        const double exact = (double)factors[2 + i] * (double)x->shape.dim[2 + i];
        /* Our operator takes the ratio of the sizes as the scale; ONNX takes the scale itself,
         * which samples elsewhere when the size was rounded. */
        if (!(exact >= 1 && exact <= LARGEST_EXTENT) || fabs(exact - rint(exact)) > 1e-3)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "the scale %g makes a size of %g from %lld; it has to be whole",
                             (double)factors[2 + i], exact, (long long)x->shape.dim[2 + i]);
        out[i] = (int64_t)rint(exact);
    }
    return ROTO_OK;
}

static roto_status resize_coordinates(const onnx_node *node, resize2d_attr *attr)
{
    static const char mode[] = "coordinate_transformation_mode";
    /* Upsample, and Resize in set 10, had no choice. */
    const bool old = strcmp(node->proto->op_type, "Upsample") == 0 || node->n_in == 2;
    const char *otherwise = old ? "asymmetric" : "half_pixel";
    const onnx_value *x = &node->in[0];
    if (attribute_is(node, mode, otherwise, "asymmetric"))
        attr->coords = RESIZE_ASYMMETRIC;
    else if (attribute_is(node, mode, otherwise, "align_corners"))
        attr->coords = RESIZE_ALIGN_CORNERS;
    else if (attribute_is(node, mode, otherwise, "half_pixel") ||
             (attribute_is(node, mode, otherwise, "pytorch_half_pixel") && attr->out_h > 1 &&
              attr->out_w > 1))
        attr->coords = RESIZE_HALF_PIXEL;
    else
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "this %s is not supported", mode);
    if (attr->kind != RESIZE_NEAREST)
        return ROTO_OK;
    const char *rounding = old ? "floor" : "round_prefer_floor";
    const bool is_floor = attribute_is(node, "nearest_mode", rounding, "floor"),
               half_down = attribute_is(node, "nearest_mode", rounding, "round_prefer_floor");
    /* By factors of 1 and 2 all sources end in .0 or .5, where these two agree. */
    const bool at_most_double =
        (attr->out_h == x->shape.dim[2] || attr->out_h == 2 * x->shape.dim[2]) &&
        (attr->out_w == x->shape.dim[3] || attr->out_w == 2 * x->shape.dim[3]);
    if (!(attr->coords == RESIZE_ASYMMETRIC && (is_floor || (half_down && at_most_double))) &&
        !(attr->coords == RESIZE_HALF_PIXEL && half_down))
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "nearest with these coordinates and this rounding is not supported");
    return ROTO_OK;
}

roto_status import_resize(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    if (x->shape.rank != 4 || x->kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its input has %d dimensions; 4 are needed",
                         x->shape.rank);
    resize2d_attr attr = {0};
    int64_t out[2] = {0};
    ROTO_TRY(resize_extents(node, node->n_in > 2 ? 2 : 1, out));
    attr.out_h = out[0];
    attr.out_w = out[1];
    if (attribute_is(node, "mode", "nearest", "nearest"))
        attr.kind = RESIZE_NEAREST;
    else if (attribute_is(node, "mode", "nearest", "linear") ||
             attribute_is(node, "mode", "nearest", "bilinear"))
        attr.kind = RESIZE_BILINEAR;
    else if (attribute_is(node, "mode", "nearest", "cubic"))
        attr.kind = RESIZE_BICUBIC;
    else
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "this mode is not known");
    if (attribute_int(node, "antialias", 0) != 0 ||
        attribute_int(node, "exclude_outside", 0) != 0 ||
        !attribute_is(node, "keep_aspect_ratio_policy", "stretch", "stretch") ||
        fabsf(attribute_float(node, "cubic_coeff_a", -0.75f) + 0.75f) > 1e-6f)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "antialias, exclude_outside, keep_aspect_ratio_policy and cubic_coeff_a "
                         "have to have their default values");
    ROTO_TRY(resize_coordinates(node, &attr));
    int order[TENSOR_MAX_RANK];
    order_image(order);
    tensor_id y = graph_resize2d(im->g, value_in_order(im, x, order), &attr);
    return value_define(im, node, 0, y, order);
}
