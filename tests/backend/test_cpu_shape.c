#include "support/cmocka_all.h"

#include "backend/backend_case.h"

#include <stdio.h>

static graph *new_graph(void)
{
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    return g;
}

static void functions_of_one_element_match_the_reference(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 7, 64, 5000};
    for (int kind = 0; kind < UNARY_COUNT; kind++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            graph *g = new_graph();
            tensor_id x = case_input(g, SHAPE(3, counts[i]));
            if (kind == UNARY_LOG || kind == UNARY_SQRT)
                x = graph_binary(g, BINARY_MUL, x, x); /* not negative */
            else                                       /* far enough out that saturation shows */
                x = graph_binary(g, BINARY_MUL, x, graph_scalar(g, 10));
            const unary_attr attr = {.kind = (unary_kind)kind, .alpha = 0.2f, .beta = 0.5f};
            graph_output(g, "y", graph_unary_attr(g, &attr, x));
            case_check(unary_name((unary_kind)kind), g, 5e-7);
        }
    }
}

/* A tail far below the largest values counts nothing in an L2 norm; here it is all there is. */
static void tails_of_activations_keep_their_relative_accuracy(void **state)
{
    (void)state;
    static const unary_kind kinds[] = {UNARY_SILU, UNARY_SIGMOID, UNARY_GELU, UNARY_TANH,
                                       UNARY_EXP};
    static const float at[] = {-80, -20, -5, -1, -0.3f, -1e-3f, 1e-3f, 0.3f, 0.6f, 3, 8};
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
            if (kinds[k] == UNARY_GELU && at[i] < -12)
                continue; /* below the range of floats */
            graph *g = new_graph();
            tensor_id x = case_input(g, SHAPE(1, 16));
            x = graph_binary(g, BINARY_MUL, x, graph_scalar(g, at[i] / 100)); /* 2 % about at[i] */
            x = graph_binary(g, BINARY_ADD, x, graph_scalar(g, at[i]));
            graph_output(g, "y", graph_unary(g, kinds[k], x));
            /* e^x multiplies the rounding error of an x that was computed by |x|. */
            case_check(unary_name(kinds[k]), g, 1e-6 * (1 + (at[i] < 0 ? -at[i] : at[i]) / 10));
        }
    }
}

static void functions_of_two_elements_broadcast(void **state)
{
    (void)state;
    const tensor_shape shapes[][2] = {
        {SHAPE(2, 3, 5, 7), SHAPE(2, 3, 5, 7)},
        {SHAPE(2, 3, 5, 7), SHAPE(7)},
        {SHAPE(2, 3, 5, 7), SHAPE(5, 1)},
        {SHAPE(2, 1, 5, 1), SHAPE(3, 1, 7)},
        {SHAPE(7), SHAPE(2, 3, 5, 7)},
        {SHAPE(1), SHAPE(4, 1)},
        {SHAPE(2, 9), SHAPE(1)},
        {SHAPE(1, 70, 130), SHAPE(1, 70, 130)},
        {SHAPE(64, 1), SHAPE(1, 33)},
        {SHAPE(1, 6, 6, 20), SHAPE(1, 1, 1, 20)},
    };
    for (int kind = 0; kind < BINARY_COUNT; kind++) {
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
            graph *g = new_graph();
            tensor_id a = graph_input(g, "a", DTYPE_F32, shapes[i][0]);
            tensor_id b = graph_input(g, "b", DTYPE_F32, shapes[i][1]);
            if (kind == BINARY_POW || kind == BINARY_DIV)
                a = graph_unary(g, UNARY_ABS, a);
            if (kind == BINARY_DIV) /* away from 0 */
                b = graph_binary(g, BINARY_ADD, graph_unary(g, UNARY_ABS, b), graph_scalar(g, 1));
            graph_output(g, "y", graph_binary(g, (binary_kind)kind, a, b));
            char name[64];
            snprintf(name, sizeof(name), "binary %d, shapes %zu", kind, i);
            case_check(name, g, 3e-7);
        }
    }
}

static void views_are_operands_of_elementwise_operators(void **state)
{
    (void)state;
    graph *g = new_graph();
    tensor_id x = case_input(g, SHAPE(1, 4, 5, 24));
    tensor_id y = graph_unary(g, UNARY_SIGMOID, x);
    slice_attr attr = {.step = {1, 1, 1, 1}, .size = {1, 4, 5, 11}};
    tensor_id a = graph_slice(g, y, &attr);
    attr.start[3] = 13;
    tensor_id b = graph_slice(g, y, &attr);
    attr.start[3] = 11;
    attr.size[3] = 1;
    tensor_id gate = graph_slice(g, y, &attr);
    tensor_id parts[] = {graph_binary(g, BINARY_MUL, a, b), graph_unary(g, UNARY_TANH, b),
                         graph_binary(g, BINARY_SUB, a, gate), gate, a};
    tensor_id all = graph_concat(g, parts, 5, 3);
    graph_output(g, "y", graph_unary(g, UNARY_NEG, all));
    graph_output(g, "rows", graph_reshape(g, a, SHAPE(22, 10)));
    case_check("views", g, 5e-7);
}

static void elements_are_moved_exactly(void **state)
{
    (void)state;
    graph *g = new_graph();
    tensor_id x = case_input(g, SHAPE(2, 6, 5, 7));
    const slice_attr stepped = {.start = {0, 1, 0, 2}, .step = {1, 2, 3, 2}, .size = {2, 3, 2, 3}};
    graph_output(g, "slice", graph_slice(g, x, &stepped));
    const pad_attr padding = {.before = {0, 1, 2, 3}, .after = {1, 0, 2, 5}, .value = -3};
    graph_output(g, "pad", graph_pad(g, x, &padding));
    for (int axis = 0; axis < 4; axis++) {
        tensor_id parts[] = {x, graph_unary(g, UNARY_NEG, x), x};
        graph_output(g, "concat", graph_concat(g, parts, 3, axis));
    }
    graph_output(g, "reshape", graph_reshape(g, x, SHAPE(20, 21)));
    graph_output(g, "same", x);
    case_check("moves", g, 0);
}

static void windows_are_pooled(void **state)
{
    (void)state;
    static const pool2d_attr attrs[] = {
        {POOL_MAX, 5, 5, 1, 1, 2, 2, 2, 2, false, false},
        {POOL_MAX, 13, 13, 1, 1, 6, 6, 6, 6, false, false},
        {POOL_MAX, 3, 3, 2, 2, 1, 1, 1, 1, true, false},
        {POOL_MAX, 2, 3, 2, 1, 0, 1, 0, 1, true, false},
        {POOL_AVERAGE, 3, 3, 2, 2, 1, 1, 1, 1, false, false},
        {POOL_AVERAGE, 3, 3, 2, 2, 1, 1, 1, 1, true, true},
        {POOL_AVERAGE, 11, 13, 1, 1, 0, 0, 0, 0, false, false},
    };
    static const int64_t channels[] = {1, 13, 64};
    for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
        for (size_t c = 0; c < sizeof(channels) / sizeof(channels[0]); c++) {
            graph *g = new_graph();
            tensor_id x = case_input(g, SHAPE(2, 11, 13, channels[c]));
            tensor_id twice[] = {x, graph_pool2d(g, x, &attrs[i])};
            graph_output(g, "y", twice[1]);
            char name[64];
            snprintf(name, sizeof(name), "pool %zu, %d channels", i, (int)channels[c]);
            case_check(name, g, attrs[i].kind == POOL_MAX ? 0 : 5e-7);
        }
    }
    /* A pyramid that is pooled and concatenated in place, as in YOLO. */
    graph *g = new_graph();
    tensor_id x = graph_unary(g, UNARY_NEG, case_input(g, SHAPE(1, 11, 13, 20)));
    tensor_id parts[] = {x, graph_pool2d(g, x, &attrs[0]), graph_pool2d(g, x, &attrs[1])};
    graph_output(g, "y", graph_unary(g, UNARY_RELU, graph_concat(g, parts, 3, 3)));
    case_check("pyramid", g, 0);
}

static void images_are_resized_by_the_nearest_pixel(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{26, 22}, {5, 7}, {13, 11}, {1, 1}, {40, 3}};
    for (int coords = RESIZE_HALF_PIXEL; coords <= RESIZE_ALIGN_CORNERS; coords++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            graph *g = new_graph();
            const resize2d_attr attr = {.kind = RESIZE_NEAREST,
                                        .coords = (resize_coords)coords,
                                        .out_h = sizes[i][0],
                                        .out_w = sizes[i][1]};
            graph_output(g, "y", graph_resize2d(g, case_input(g, SHAPE(2, 13, 11, 5)), &attr));
            case_check("nearest", g, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_element_match_the_reference),
        cmocka_unit_test(tails_of_activations_keep_their_relative_accuracy),
        cmocka_unit_test(functions_of_two_elements_broadcast),
        cmocka_unit_test(views_are_operands_of_elementwise_operators),
        cmocka_unit_test(elements_are_moved_exactly),
        cmocka_unit_test(windows_are_pooled),
        cmocka_unit_test(images_are_resized_by_the_nearest_pixel),
    };
    return cmocka_run_group_tests_name("cpu elementwise and shapes", tests, NULL, NULL);
}
