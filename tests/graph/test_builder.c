#include "support/cmocka_all.h"

#include "graph/graph.h"

#include <string.h>

static graph *fresh(void)
{
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    return g;
}

static tensor_id input(graph *g, tensor_shape shape)
{
    return graph_input(g, "x", DTYPE_F32, shape);
}

static void assert_shape(const graph *g, tensor_id t, tensor_shape expected)
{
    assert_int_not_equal(t, TENSOR_NONE);
    assert_true(shape_equal(&graph_tensor_at(g, t)->shape, &expected));
}

static void assert_refused(graph *g, tensor_id t, const char *part_of_message)
{
    assert_int_equal(t, TENSOR_NONE);
    assert_int_equal(graph_status(g), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), part_of_message));
    graph_free(g);
}

static void convolutions_have_the_published_output_sizes(void **state)
{
    (void)state;
    graph *g = fresh();
    tensor_id x = input(g, SHAPE(2, 13, 17, 8));
    conv2d_attr attr = conv2d_default();
    attr.stride_h = 2;
    attr.pad_top = attr.pad_left = attr.pad_right = 1;
    attr.dilation_w = 2;
    tensor_id y = graph_conv2d(g, x, input(g, SHAPE(5, 3, 3, 8)), TENSOR_NONE, &attr);
    assert_shape(g, y, SHAPE(2, 6, 15, 5));
    assert_int_equal(graph_node_flops(g, graph_node_at(g, 0)), 2LL * 2 * 6 * 15 * 5 * 9 * 8);
    conv_transpose2d_attr up = {.stride_h = 2, .stride_w = 2, .extra_h = 1};
    assert_shape(g, graph_conv_transpose2d(g, x, input(g, SHAPE(4, 2, 2, 8)), TENSOR_NONE, &up),
                 SHAPE(2, 27, 34, 4));
    assert_int_equal(graph_status(g), ROTO_OK);
    graph_free(g);
}

static void ceil_mode_never_starts_a_window_in_the_padding_behind(void **state)
{
    (void)state;
    graph *g = fresh();
    pool2d_attr pool = {.kernel_h = 2,
                        .kernel_w = 2,
                        .stride_h = 2,
                        .stride_w = 2,
                        .pad_top = 1,
                        .pad_bottom = 1,
                        .ceil_mode = true};
    /* height: ceil((3 + 2 - 2) / 2) + 1 = 3 would start at 4 = 3 + 1, so 2; width: ceil(3/2)+1 = 3
     */
    assert_shape(g, graph_pool2d(g, input(g, SHAPE(1, 3, 5, 1)), &pool), SHAPE(1, 2, 3, 1));
    graph_free(g);
}

static void the_first_error_stays_and_later_calls_do_nothing(void **state)
{
    (void)state;
    graph *g = fresh();
    tensor_id x = input(g, SHAPE(1, 4, 6));
    tensor_id bad = graph_linear(g, x, input(g, SHAPE(3, 5)), TENSOR_NONE);
    tensor_id later = graph_softmax(g, bad, 1);
    assert_int_equal(later, TENSOR_NONE);
    assert_int_equal(graph_n_nodes(g), 0);
    assert_refused(g, bad, "6 input channels and weights for 5");
}

static void wrong_operands_are_refused_by_name(void **state)
{
    (void)state;
    graph *g = fresh();
    tensor_id x = input(g, SHAPE(2, 3)), y = input(g, SHAPE(2, 4));
    assert_refused(g, graph_binary(g, BINARY_ADD, x, y), "[2, 3] and [2, 4]");

    g = fresh();
    assert_refused(g, graph_reshape(g, input(g, SHAPE(2, 3)), SHAPE(7)), "cannot become [7]");

    g = fresh();
    assert_refused(g, graph_transpose(g, input(g, SHAPE(2, 3)), (int[]){1, 1}), "permutation");

    g = fresh();
    slice_attr slice = {.start = {0, 1}, .step = {1, 2}, .size = {2, 2}};
    assert_refused(g, graph_slice(g, input(g, SHAPE(2, 3)), &slice), "dimension 1 with 3");

    g = fresh();
    x = input(g, SHAPE(2, 3));
    assert_refused(g, graph_concat(g, (tensor_id[]){x, input(g, SHAPE(3, 3))}, 2, 1), "input 1");

    g = fresh();
    x = graph_input(g, "ids", DTYPE_I32, SHAPE(2, 3));
    assert_refused(g, graph_unary(g, UNARY_EXP, x), "i32");

    g = fresh();
    pad_attr pad = {.before = {INT32_MAX}, .after = {INT32_MAX}};
    assert_refused(g, graph_pad(g, input(g, SHAPE(1, 1 << 20)), &pad), "would have shape");
}

static void attention_checks_windows_masks_and_rotary_tables(void **state)
{
    (void)state;
    graph *g = fresh();
    tensor_id q = input(g, SHAPE(2, 12, 8)), k = input(g, SHAPE(1, 48, 8)),
              v = input(g, SHAPE(1, 48, 4));
    tensor_id in[8] = {q,
                       k,
                       v,
                       input(g, SHAPE(12, 2, 2)),
                       input(g, SHAPE(16, 2, 2)),
                       input(g, SHAPE(2, 48)),
                       TENSOR_NONE,
                       TENSOR_NONE};
    attention_attr attr = {.heads = 2, .scale = 0.5f, .rope_keys = 40};
    assert_shape(g, graph_attention(g, in, &attr), SHAPE(2, 12, 4));
    attr = (attention_attr){.heads = 2,
                            .scale = 1,
                            .grid_h = 6,
                            .grid_w = 8,
                            .window_h = 4,
                            .window_w = 4,
                            .q_grid_h = 3,
                            .q_grid_w = 4,
                            .q_window_h = 2,
                            .q_window_w = 2};
    assert_shape(g, graph_attention(g, in, &attr), SHAPE(2, 12, 4));
    attr.q_window_w = 3;
    attr.q_window_h = 3;
    assert_refused(g, graph_attention(g, in, &attr), "different numbers of windows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_have_the_published_output_sizes),
        cmocka_unit_test(ceil_mode_never_starts_a_window_in_the_padding_behind),
        cmocka_unit_test(the_first_error_stays_and_later_calls_do_nothing),
        cmocka_unit_test(wrong_operands_are_refused_by_name),
        cmocka_unit_test(attention_checks_windows_masks_and_rotary_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
