/* What fusion puts around a norm for backends that have kernels for it: the first layers of SAM 2's
 * mask downsampler, and an activation behind a layer norm. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "graph/plan.h"
#include "graph/planned_run.h"
#include "support/relative_l2.h"

#include <stdlib.h>
#include <string.h>

static tensor_id constant(graph *g, tensor_shape shape, int seed)
{
    float data[256];
    const int64_t n = shape_count(&shape);
    assert_in_range(n, 1, 256);
    for (int64_t i = 0; i < n; i++)
        data[i] = planned_input(seed, i);
    return graph_constant(g, "c", DTYPE_F32, shape, data);
}

static tensor_id normalised(graph *g, tensor_id x, int64_t in, int64_t out, const conv2d_attr *attr)
{
    x = graph_conv2d(g, x, constant(g, SHAPE(out, 3, 3, in), 7), TENSOR_NONE, attr);
    x = graph_layer_norm(g, x, constant(g, SHAPE(out), 8), constant(g, SHAPE(out), 9), 1e-6f);
    return graph_unary(g, UNARY_GELU, x);
}

/* 20 sigmoid(x) - 10, a convolution, a norm and GELU; the channels' maximum; the last three again.
 */
static graph *downsampler(bool read_twice)
{
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    conv2d_attr half = conv2d_default();
    half.stride_h = half.stride_w = 2;
    half.pad_top = half.pad_left = half.pad_bottom = half.pad_right = 1;
    tensor_id x = graph_input(g, "mask", DTYPE_F32, SHAPE(2, 9, 12, 1));
    x = graph_unary(g, UNARY_SIGMOID, x);
    x = graph_binary(g, BINARY_MUL, x, graph_scalar(g, 20));
    x = graph_binary(g, BINARY_ADD, graph_scalar(g, -10), x);
    if (read_twice)
        graph_output(g, "scaled", x);
    x = normalised(g, x, 1, 4, &half);
    x = graph_reduce(g, REDUCE_MAX, x, 1u << 3);
    x = normalised(g, x, 1, 16, &half);
    graph_output(g, "y", x);
    assert_int_equal(graph_status(g), ROTO_OK);
    return g;
}

static float *last_output(const graph *g, int64_t *count)
{
    backend *b = NULL;
    executable *e = NULL;
    assert_int_equal(backend_reference.open(&(backend_params){.n_threads = 1}, &b), ROTO_OK);
    assert_int_equal(backend_reference.compile(b, g, &e), ROTO_OK);
    float *in = backend_reference.input(e, 0);
    const int64_t n = shape_count(&graph_tensor_at(g, graph_input_at(g, 0)->tensor)->shape);
    for (int64_t i = 0; i < n; i++)
        in[i] = 4 * planned_input(0, i);
    assert_int_equal(backend_reference.run(e), ROTO_OK);
    const int last = graph_n_outputs(g) - 1;
    *count = shape_count(&graph_tensor_at(g, graph_output_at(g, last)->tensor)->shape);
    float *out = malloc((size_t)*count * sizeof(*out));
    assert_non_null(out);
    memcpy(out, backend_reference.output(e, last), (size_t)*count * sizeof(*out));
    backend_reference.release(e);
    backend_reference.close(b);
    return out;
}

static bool all_take_norms(const graph *g, const graph_node *conv2d)
{
    (void)g;
    (void)conv2d;
    return true;
}

static graph *fused_with(const graph *g, const plan_traits *traits)
{
    graph *fused = NULL;
    assert_int_equal(graph_fuse(g, traits, &fused), ROTO_OK);
    int64_t n = 0, n_fused = 0;
    float *expected = last_output(g, &n), *out = last_output(fused, &n_fused);
    assert_int_equal(n, n_fused);
    assert_true(relative_l2(out, expected, n) < 2e-6);
    free(expected);
    free(out);
    return fused;
}

static void convolutions_take_what_is_around_them(void **state)
{
    (void)state;
    const plan_traits traits = {.fuse = true, .takes_norm = all_take_norms};
    graph *g = downsampler(false), *fused = fused_with(g, &traits);
    assert_int_equal(graph_n_nodes(fused), 3); /* convolution, maximum, convolution */
    const conv2d_attr *first = &graph_node_at(fused, 0)->attr.conv2d;
    assert_true(first->norm && first->input.used);
    assert_int_equal(first->input.act.kind, UNARY_SIGMOID);
    assert_true(first->input.scale == 20 && first->input.shift == -10);
    assert_int_equal(first->epi.act.kind, UNARY_GELU);
    assert_true(graph_node_at(fused, 2)->attr.conv2d.norm);
    assert_false(graph_node_at(fused, 2)->attr.conv2d.input.used);
    graph_free(fused);
    graph_free(g);
}

static void what_others_read_stays(void **state)
{
    (void)state;
    const plan_traits traits = {.fuse = true, .takes_norm = all_take_norms};
    graph *g = downsampler(true), *fused = fused_with(g, &traits);
    assert_int_equal(graph_n_nodes(fused), 6);
    assert_false(graph_node_at(fused, 3)->attr.conv2d.input.used);
    graph_free(fused);
    graph_free(g);
}

static void layer_norms_take_activations_where_asked(void **state)
{
    (void)state;
    graph *g = downsampler(false);
    graph *apart = fused_with(g, &(plan_traits){.fuse = true});
    graph *fused = fused_with(g, &(plan_traits){.fuse = true, .norm_activations = true});
    assert_int_equal(graph_n_nodes(apart), 10);
    assert_int_equal(graph_n_nodes(fused), 8);
    graph_free(apart);
    graph_free(fused);
    graph_free(g);
}

static void a_norm_and_a_residual_exclude_each_other(void **state)
{
    (void)state;
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    conv2d_attr attr = conv2d_default();
    attr.norm = true;
    attr.epi.residual = RESIDUAL_BEFORE;
    const tensor_id x = graph_input(g, "x", DTYPE_F32, SHAPE(1, 2, 2, 4));
    const tensor_id in[4] = {x, constant(g, SHAPE(4, 1, 1, 4), 1), TENSOR_NONE, x};
    assert_int_equal(graph_node_add(g, OP_CONV2D, NULL, in, 4, &(op_attr){.conv2d = attr}),
                     TENSOR_NONE);
    assert_int_equal(graph_status(g), ROTO_ERROR_ARGUMENT);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_take_what_is_around_them),
        cmocka_unit_test(what_others_read_stays),
        cmocka_unit_test(layer_norms_take_activations_where_asked),
        cmocka_unit_test(a_norm_and_a_residual_exclude_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
