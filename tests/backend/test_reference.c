/* The reference backend against golden/operators.json, which PyTorch and ONNX Runtime made in
 * double precision. */
#include "eval/golden.h"

#include "backend/backend.h"
#include "backend/values.h"

#include <string.h>

/* One rounding of the result to float, with room for sums of many terms that cancel. */
static const double max_relative_l2 = 1e-7;

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double number_or(const cJSON *attr, const char *key, double otherwise)
{
    const cJSON *item = member(attr, key);
    return item ? item->valuedouble : otherwise;
}

static int integer(const cJSON *attr, const char *key)
{
    return (int)golden_number(attr, key);
}

static int optional(const cJSON *attr, const char *key)
{
    return (int)number_or(attr, key, 0);
}

/* Index of a word in a list; the test fails when it is not there. */
static int word(const cJSON *attr, const char *key, const char *const *words, int n)
{
    const char *text = cJSON_GetStringValue(member(attr, key));
    assert_non_null(text);
    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
    }
    fail_msg("'%s' is no %s", text, key);
    return -1;
}
#define WORD(attr, key, ...)                                                                       \
    word(attr, key, (const char *const[]){__VA_ARGS__},                                            \
         (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))

static void integers(const cJSON *attr, const char *key, int64_t out[TENSOR_MAX_RANK])
{
    int i = 0;
    const cJSON *item;
    assert_true(cJSON_IsArray(member(attr, key)));
    cJSON_ArrayForEach(item, member(attr, key))
    {
        assert_in_range(i, 0, TENSOR_MAX_RANK - 1);
        out[i++] = (int64_t)item->valuedouble;
    }
}

static tensor_shape shape_from(const cJSON *object)
{
    tensor_shape shape = {.rank = cJSON_GetArraySize(member(object, "shape"))};
    integers(object, "shape", shape.dim);
    return shape;
}

static unary_attr unary_from(const cJSON *attr, const char *key)
{
    unary_attr unary = {.alpha = (float)number_or(attr, "alpha", 0),
                        .beta = (float)number_or(attr, "beta", 0)};
    const char *text = cJSON_GetStringValue(member(attr, key));
    for (int kind = 0; text && kind < UNARY_COUNT; kind++) {
        if (strcmp(unary_name(kind), text) == 0) {
            unary.kind = kind;
            return unary;
        }
    }
    assert_null(text);
    return unary;
}

static epilogue epilogue_from(const cJSON *attr)
{
    epilogue epi = {.act = unary_from(attr, "act")};
    if (member(attr, "residual"))
        epi.residual = WORD(attr, "residual", "none", "before", "after");
    return epi;
}

/* Fields whose names are the keys. */
#define INT(field) .field = integer(attr, #field)
#define OPTIONAL(field) .field = optional(attr, #field)

static op_attr window_attr(op_kind op, const cJSON *attr)
{
    switch (op) {
    case OP_CONV2D:
        return (op_attr){.conv2d = {INT(stride_h), INT(stride_w), INT(pad_top), INT(pad_left),
                                    INT(pad_bottom), INT(pad_right), INT(dilation_h),
                                    INT(dilation_w), INT(groups), .epi = epilogue_from(attr)}};
    case OP_CONV_TRANSPOSE2D:
        return (op_attr){.conv_transpose2d = {INT(stride_h), INT(stride_w), INT(pad_top),
                                              INT(pad_left), INT(pad_bottom), INT(pad_right),
                                              INT(extra_h), INT(extra_w),
                                              .epi = epilogue_from(attr)}};
    case OP_POOL2D:
        return (op_attr){.pool2d = {.kind = WORD(attr, "kind", "max", "average"),
                                    INT(kernel_h),
                                    INT(kernel_w),
                                    INT(stride_h),
                                    INT(stride_w),
                                    INT(pad_top),
                                    INT(pad_left),
                                    INT(pad_bottom),
                                    INT(pad_right),
                                    .ceil_mode = integer(attr, "ceil_mode") != 0,
                                    .count_padding = integer(attr, "count_padding") != 0}};
    default:
        return (op_attr){
            .resize2d = {
                .kind = WORD(attr, "kind", "nearest", "bilinear", "bicubic"),
                .coords = WORD(attr, "coords", "half_pixel", "asymmetric", "align_corners"),
                .antialias = integer(attr, "antialias") != 0,
                .out_h = integer(attr, "out_h"),
                .out_w = integer(attr, "out_w"),
            }};
    }
}

static op_attr token_attr(op_kind op, const cJSON *attr)
{
    switch (op) {
    case OP_LINEAR:
        return (op_attr){.linear.epi = epilogue_from(attr)};
    case OP_MATMUL:
        return (op_attr){.matmul = {.transpose_b = integer(attr, "transpose_b") != 0,
                                    .scale = (float)golden_number(attr, "scale")}};
    case OP_ATTENTION:
        return (op_attr){.attention = {INT(heads), .scale = (float)golden_number(attr, "scale"),
                                       INT(rope_keys), OPTIONAL(grid_h), OPTIONAL(grid_w),
                                       OPTIONAL(window_h), OPTIONAL(window_w), OPTIONAL(q_grid_h),
                                       OPTIONAL(q_grid_w), OPTIONAL(q_window_h),
                                       OPTIONAL(q_window_w)}};
    case OP_LAYER_NORM:
        return (op_attr){.layer_norm.epsilon = (float)golden_number(attr, "epsilon")};
    case OP_UNARY:
        return (op_attr){.unary = unary_from(attr, "kind")};
    case OP_BINARY:
        return (op_attr){.binary =
                             WORD(attr, "kind", "add", "sub", "mul", "div", "max", "min", "pow")};
    default: /* OP_REDUCE */
        return (op_attr){.reduce = {.kind = WORD(attr, "kind", "sum", "mean", "max"),
                                    .axes = (uint32_t)integer(attr, "axes")}};
    }
}

static op_attr move_attr(op_kind op, const cJSON *attr)
{
    op_attr out = {0};
    int64_t perm[TENSOR_MAX_RANK] = {0};
    switch (op) {
    case OP_SLICE:
        integers(attr, "start", out.slice.start);
        integers(attr, "step", out.slice.step);
        integers(attr, "size", out.slice.size);
        break;
    case OP_PAD:
        integers(attr, "before", out.pad.before);
        integers(attr, "after", out.pad.after);
        out.pad.value = (float)golden_number(attr, "value");
        break;
    case OP_TRANSPOSE:
        integers(attr, "perm", perm);
        for (int i = 0; i < TENSOR_MAX_RANK; i++)
            out.transpose.perm[i] = (int)perm[i];
        break;
    case OP_RESHAPE:
        out.reshape = shape_from(attr);
        break;
    default: /* softmax, concat */
        out.axis.axis = integer(attr, "axis");
    }
    return out;
}

static op_attr attr_from(op_kind op, const cJSON *attr)
{
    switch (op) {
    case OP_CONV2D:
    case OP_CONV_TRANSPOSE2D:
    case OP_POOL2D:
    case OP_RESIZE2D:
        return window_attr(op, attr);
    case OP_LINEAR:
    case OP_MATMUL:
    case OP_ATTENTION:
    case OP_LAYER_NORM:
    case OP_UNARY:
    case OP_BINARY:
    case OP_REDUCE:
        return token_attr(op, attr);
    default:
        return move_attr(op, attr);
    }
}

static op_kind op_from(const cJSON *test)
{
    const char *text = cJSON_GetStringValue(member(test, "op"));
    assert_non_null(text);
    for (int op = 0; op < OP_COUNT; op++) {
        if (strcmp(op_name(op), text) == 0)
            return op;
    }
    fail_msg("'%s' is no operator", text);
    return OP_COUNT;
}

static void fill_input(const cJSON *spec, float *out)
{
    const tensor_shape shape = shape_from(spec);
    const cJSON *data = member(spec, "data"), *item;
    if (!data) {
        values_fill(out, shape_count(&shape), (uint32_t)golden_number(spec, "seed"),
                    (float)golden_number(spec, "scale"));
        return;
    }
    assert_int_equal(cJSON_GetArraySize(data), shape_count(&shape));
    cJSON_ArrayForEach(item, data) *out++ = (float)item->valuedouble;
}

static void compare(const char *name, const cJSON *expected, const float *out)
{
    double error = 0, norm = 0;
    int i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, member(expected, "data"))
    {
        const double difference = out[i++] - item->valuedouble;
        error += difference * difference;
        norm += item->valuedouble * item->valuedouble;
    }
    assert_true(i > 0 && norm > 0);
    if (!(sqrt(error / norm) <= max_relative_l2))
        fail_msg("%s: relative L2 error %.3g, at most %.3g", name, sqrt(error / norm),
                 max_relative_l2);
}

static op_kind check_case(const cJSON *test)
{
    const op_kind op = op_from(test);
    const op_attr attr = attr_from(op, member(test, "attr"));
    const cJSON *inputs = member(test, "in"), *expected = member(test, "out");
    char name[128];
    snprintf(name, sizeof(name), "%s '%s'", op_name(op),
             cJSON_GetStringValue(member(test, "name")));

    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    tensor_id in[GRAPH_MAX_INPUTS];
    const int n_in = cJSON_GetArraySize(inputs);
    for (int i = 0; i < n_in; i++) {
        const cJSON *spec = cJSON_GetArrayItem(inputs, i);
        in[i] = cJSON_IsNull(spec) ? TENSOR_NONE : graph_input(g, "x", DTYPE_F32, shape_from(spec));
    }
    const tensor_id out = graph_node_add(g, op, name, in, n_in, &attr);
    graph_output(g, "y", out);
    if (graph_status(g) != ROTO_OK)
        fail_msg("%s: %s", name, roto_error_message());
    const tensor_shape expected_shape = shape_from(expected);
    char text[SHAPE_TEXT_BYTES];
    if (!shape_equal(&graph_tensor_at(g, out)->shape, &expected_shape))
        fail_msg("%s: output shape %s", name, shape_text(&graph_tensor_at(g, out)->shape, text));

    backend *b = NULL;
    executable *e = NULL;
    assert_int_equal(backend_reference.open(&(backend_params){.n_threads = 1}, &b), ROTO_OK);
    assert_int_equal(backend_reference.compile(b, g, &e), ROTO_OK);
    for (int i = 0, port = 0; i < n_in; i++) {
        if (in[i] != TENSOR_NONE)
            fill_input(cJSON_GetArrayItem(inputs, i), backend_reference.input(e, port++));
    }
    assert_int_equal(backend_reference.run(e), ROTO_OK);
    compare(name, expected, backend_reference.output(e, 0));
    backend_reference.release(e);
    backend_reference.close(b);
    graph_free(g);
    return op;
}

static void every_operator_agrees_with_published_implementations(void **state)
{
    (void)state;
    cJSON *cases = golden_read("backend/golden/operators.json");
    int n_cases[OP_COUNT] = {0};
    const cJSON *test;
    cJSON_ArrayForEach(test, cases) n_cases[check_case(test)]++;
    for (int op = 0; op < OP_COUNT; op++) {
        if (n_cases[op] == 0)
            fail_msg("no case of %s", op_name(op));
    }
    cJSON_Delete(cases);
}

static void backends_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(backend_find("reference"), &backend_reference);
    assert_null(backend_find("abacus"));
}

static void other_precisions_are_refused(void **state)
{
    (void)state;
    backend *b = NULL;
    const backend_params params = {.precision = PRECISION_BF16, .n_threads = 1};
    assert_int_equal(backend_reference.open(&params, &b), ROTO_ERROR_UNSUPPORTED);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_agrees_with_published_implementations),
        cmocka_unit_test(backends_are_found_by_name),
        cmocka_unit_test(other_precisions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
