#include "support/cmocka_all.h"

#include "backend/backend_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Relative L2 error of sums of k products of floats, whose rounding errors of at most 2^-24 each
 * wander like a random walk; 8 more for what follows the sum. */
static double bound_of(int64_t k)
{
    return (8 + sqrt((double)k)) / (1 << 24);
}

typedef struct conv_case {
    int64_t n, h, w, c, out_c, kh, kw;
    int stride, pad, dilation, groups;
    unary_kind act;
    residual_mode residual;
} conv_case;

static void check_conv(const conv_case *t)
{
    char name[160];
    snprintf(name, sizeof(name),
             "conv [%d,%d,%d,%d] -> %d, kernel %dx%d stride %d pad %d dilation %d groups %d, %s, "
             "residual %d",
             (int)t->n, (int)t->h, (int)t->w, (int)t->c, (int)t->out_c, (int)t->kh, (int)t->kw,
             t->stride, t->pad, t->dilation, t->groups, unary_name(t->act), (int)t->residual);
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    tensor_id x = case_input(g, SHAPE(t->n, t->h, t->w, t->c));
    const float scale = 1 / sqrtf((float)(t->kh * t->kw * t->c / t->groups));
    tensor_id weight =
        case_constant(g, SHAPE(t->out_c, t->kh, t->kw, t->c / t->groups), 1, 2 * scale);
    tensor_id bias = t->out_c % 3 ? case_constant(g, SHAPE(t->out_c), 2, 1) : TENSOR_NONE;
    op_attr attr = {.conv2d = conv2d_default()};
    conv2d_attr *a = &attr.conv2d;
    a->stride_h = t->stride;
    a->stride_w = t->stride;
    a->pad_top = a->pad_left = t->pad;
    a->pad_bottom = a->pad_right = t->pad;
    a->dilation_h = a->dilation_w = t->dilation;
    a->groups = t->groups;
    a->epi =
        (epilogue){.act = {.kind = t->act, .alpha = 0.1f, .beta = 0.5f}, .residual = t->residual};
    tensor_id in[4] = {x, weight, bias, TENSOR_NONE};
    if (t->residual != RESIDUAL_NONE) {
        conv2d_attr plain = *a; /* for the shape alone */
        plain.epi = (epilogue){.residual = RESIDUAL_NONE};
        in[3] = graph_conv2d(
            g, x, case_constant(g, SHAPE(t->out_c, t->kh, t->kw, t->c / t->groups), 3, scale),
            TENSOR_NONE, &plain);
    }
    graph_output(g, "y", graph_node_add(g, OP_CONV2D, "conv", in, 4, &attr));
    case_check(name, g, bound_of(t->kh * t->kw * t->c / t->groups));
}

static void convolutions_match_the_reference(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        /* 1x1, thin and thick, with whole and partial tiles and panels */
        {1, 13, 13, 64, 64, 1, 1, 1, 0, 1, 1, UNARY_SILU, RESIDUAL_NONE},
        {1, 5, 7, 16, 16, 1, 1, 1, 0, 1, 1, UNARY_IDENTITY, RESIDUAL_NONE},
        {2, 3, 3, 17, 85, 1, 1, 1, 0, 1, 1, UNARY_SIGMOID, RESIDUAL_NONE},
        {1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, UNARY_RELU, RESIDUAL_NONE},
        {1, 9, 11, 700, 40, 1, 1, 1, 0, 1, 1, UNARY_GELU, RESIDUAL_AFTER},
        {1, 9, 11, 300, 300, 1, 1, 1, 0, 1, 1, UNARY_RELU, RESIDUAL_BEFORE},
        {1, 20, 20, 8, 4, 1, 1, 2, 0, 1, 1, UNARY_HARD_SWISH, RESIDUAL_NONE},
        /* kernels of several taps */
        {1, 14, 10, 3, 16, 6, 6, 2, 2, 1, 1, UNARY_SILU, RESIDUAL_NONE},
        {2, 8, 9, 3, 33, 7, 7, 4, 3, 1, 1, UNARY_IDENTITY, RESIDUAL_NONE},
        {1, 2, 2, 3, 16, 6, 6, 2, 2, 1, 1, UNARY_TANH, RESIDUAL_NONE},
        {1, 12, 12, 15, 20, 3, 3, 1, 1, 1, 1, UNARY_LEAKY_RELU, RESIDUAL_BEFORE},
        {1, 12, 12, 64, 48, 3, 3, 1, 1, 1, 1, UNARY_HARD_SIGMOID, RESIDUAL_AFTER},
        {1, 11, 9, 300, 24, 3, 3, 2, 1, 1, 1, UNARY_GELU_TANH, RESIDUAL_NONE},
        {1, 15, 15, 6, 10, 3, 3, 1, 2, 2, 1, UNARY_CLAMP, RESIDUAL_NONE},
        {1, 15, 15, 20, 10, 5, 3, 1, 2, 2, 1, UNARY_IDENTITY, RESIDUAL_BEFORE},
        {1, 6, 6, 4, 8, 3, 3, 1, 9, 1, 1, UNARY_IDENTITY,
         RESIDUAL_NONE}, /* more padding than image */
        /* groups */
        {1, 10, 10, 12, 18, 3, 3, 1, 1, 1, 3, UNARY_SILU, RESIDUAL_NONE},
        {1, 7, 7, 64, 64, 1, 1, 1, 0, 1, 2, UNARY_RELU, RESIDUAL_AFTER},
        {1, 9, 9, 6, 12, 3, 3, 1, 1, 1, 6, UNARY_SILU, RESIDUAL_NONE},
        /* depthwise */
        {1, 13, 13, 64, 64, 3, 3, 1, 1, 1, 64, UNARY_SILU, RESIDUAL_NONE},
        {2, 13, 12, 19, 19, 3, 3, 2, 1, 1, 19, UNARY_RELU, RESIDUAL_BEFORE},
        {1, 9, 40, 24, 24, 5, 5, 1, 2, 1, 24, UNARY_IDENTITY, RESIDUAL_AFTER},
        {1, 20, 20, 8, 8, 7, 7, 1, 3, 1, 8, UNARY_GELU, RESIDUAL_NONE},
        {1, 20, 21, 5, 5, 3, 3, 1, 2, 2, 5, UNARY_SILU, RESIDUAL_NONE},
        {1, 1, 1, 3, 3, 3, 3, 1, 1, 1, 3, UNARY_IDENTITY, RESIDUAL_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_conv(&cases[i]);
}

static void linear_layers_match_the_reference(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1},      {5, 3, 7},     {97, 64, 33},
                                        {200, 600, 40}, {7, 512, 600}, {1, 33, 1000}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const int64_t m = shapes[i][0], k = shapes[i][1], n = shapes[i][2];
        graph *g = NULL;
        assert_int_equal(graph_new(&g), ROTO_OK);
        tensor_id x = case_input(g, SHAPE(2, m, k));
        tensor_id y = graph_linear(g, x, case_constant(g, SHAPE(n, k), 1, 1),
                                   case_constant(g, SHAPE(n), 2, 1));
        y = graph_unary(g, UNARY_GELU, y);
        graph_output(g, "y", y);
        case_check("linear", g, bound_of(k));
    }
}

static void slices_and_concatenations_are_read_and_written_in_place(void **state)
{
    (void)state;
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    tensor_id x = case_input(g, SHAPE(1, 9, 10, 48));
    const conv2d_attr one = conv2d_default();
    conv2d_attr three = conv2d_default();
    three.pad_top = three.pad_left = three.pad_bottom = three.pad_right = 1;
    tensor_id y =
        graph_conv2d(g, x, case_constant(g, SHAPE(40, 1, 1, 48), 1, 0.2f), TENSOR_NONE, &one);
    tensor_id half[2];
    for (int i = 0; i < 2; i++) {
        slice_attr part = {
            .start = {0, 0, 0, i ? 13 : 0}, .step = {1, 1, 1, 1}, .size = {1, 9, 10, i ? 27 : 13}};
        half[i] = graph_slice(g, y, &part);
    }
    /* 13 channels: rows of the kernel cannot be joined when rows of the view lie apart. */
    tensor_id a = graph_conv2d(g, half[0], case_constant(g, SHAPE(12, 3, 3, 13), 2, 0.1f),
                               TENSOR_NONE, &three);
    tensor_id b = graph_conv2d(g, half[1], case_constant(g, SHAPE(20, 3, 3, 27), 3, 0.1f),
                               TENSOR_NONE, &three);
    conv2d_attr depthwise = three;
    depthwise.groups = 27;
    tensor_id c = graph_conv2d(g, half[1], case_constant(g, SHAPE(27, 3, 3, 1), 4, 0.3f),
                               TENSOR_NONE, &depthwise);
    tensor_id parts[3] = {a, b, c};
    tensor_id all = graph_concat(g, parts, 3, 3);
    tensor_id sum =
        graph_conv2d(g, all, case_constant(g, SHAPE(27, 1, 1, 59), 5, 0.2f), TENSOR_NONE, &one);
    sum = graph_binary(g, BINARY_ADD, sum, c); /* becomes a residual that is a view */
    graph_output(g, "y", sum);
    case_check("views", g, bound_of(9 * 27));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_match_the_reference),
        cmocka_unit_test(linear_layers_match_the_reference),
        cmocka_unit_test(slices_and_concatenations_are_read_and_written_in_place),
    };
    return cmocka_run_group_tests_name("cpu convolutions", tests, NULL, NULL);
}
