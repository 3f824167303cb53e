/* What the CPU backend's run() may not do, and what opening and compiling refuse. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "backend/values.h"
#include "base/cpu_features.h"
#include "support/count_allocations.h"

#include <stdlib.h>
#include <string.h>

static tensor_id weights(graph *g, tensor_shape shape)
{
    float values[8192] = {0};
    assert_in_range(shape_count(&shape), 1, 8192);
    values_fill(values, shape_count(&shape), 1, 0.2f);
    return graph_constant(g, "weights", DTYPE_F32, shape, values);
}

/* One of each kind of kernel that works on images. */
static graph *many_operators(void)
{
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    tensor_id x = graph_input(g, "x", DTYPE_F32, SHAPE(1, 12, 14, 3));
    conv2d_attr conv = conv2d_default();
    conv.pad_top = conv.pad_left = conv.pad_bottom = conv.pad_right = 1;
    tensor_id y = graph_conv2d(g, x, weights(g, SHAPE(16, 3, 3, 3)), TENSOR_NONE, &conv);
    y = graph_unary(g, UNARY_SILU, y);
    conv.groups = 16;
    tensor_id z = graph_conv2d(g, y, weights(g, SHAPE(16, 3, 3, 1)), TENSOR_NONE, &conv);
    tensor_id parts[2] = {graph_binary(g, BINARY_MUL, y, z), y};
    y = graph_concat(g, parts, 2, 3);
    const pool2d_attr pool = {
        .kind = POOL_MAX, .kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
    y = graph_pool2d(g, y, &pool);
    const conv_transpose2d_attr up = {.stride_h = 2, .stride_w = 2};
    y = graph_conv_transpose2d(g, y, weights(g, SHAPE(8, 2, 2, 32)), TENSOR_NONE, &up);
    const resize2d_attr resize = {
        .kind = RESIZE_NEAREST, .coords = RESIZE_ASYMMETRIC, .out_h = 24, .out_w = 28};
    y = graph_resize2d(g, y, &resize);
    const pad_attr pad = {.before = {0, 1, 1, 0}, .after = {0, 1, 1, 0}};
    y = graph_pad(g, y, &pad);
    y = graph_reshape(g, y, SHAPE(1, 26 * 30, 8));
    const matmul_attr product = {.transpose_b = true, .scale = 0.5f};
    graph_output(g, "y", graph_matmul(g, y, y, &product));
    assert_int_equal(graph_status(g), ROTO_OK);
    return g;
}

static void a_run_allocates_nothing(void **state)
{
    (void)state;
    graph *g = many_operators();
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        backend *b = NULL;
        executable *e = NULL;
        int before = allocations_counted();
        assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = n_threads}, &b), ROTO_OK);
        assert_int_equal(backend_cpu.compile(b, g, &e), ROTO_OK);
        assert_true(allocations_counted() > before); /* the counter counts */
        values_fill(backend_cpu.input(e, 0), 12 * 14 * 3, 2, 1);
        before = allocations_counted();
        for (int i = 0; i < 3; i++)
            assert_int_equal(backend_cpu.run(e), ROTO_OK);
        assert_int_equal(allocations_counted(), before);
        backend_cpu.release(e);
        backend_cpu.close(b);
    }
    graph_free(g);
}

static void a_profile_times_every_kernel(void **state)
{
    (void)state;
    graph *g = many_operators();
    backend *b = NULL;
    executable *e = NULL;
    assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 2}, &b), ROTO_OK);
    assert_int_equal(backend_cpu.compile(b, g, &e), ROTO_OK);
    values_fill(backend_cpu.input(e, 0), 12 * 14 * 3, 2, 1);
    assert_int_equal(backend_cpu.run(e), ROTO_OK);
    const size_t bytes = 26 * 30 * 26 * 30 * sizeof(float);
    float *wanted = malloc(bytes);
    assert_non_null(wanted);
    memcpy(wanted, backend_cpu.output(e, 0), bytes);
    values_fill(backend_cpu.input(e, 0), 12 * 14 * 3, 2, 1);
    const kernel_info *infos = NULL;
    int n = 0;
    assert_int_equal(backend_cpu.profile(e, &infos, &n), ROTO_OK);
    assert_memory_equal(wanted, backend_cpu.output(e, 0), bytes); /* a profiled run is a run */
    free(wanted);
    assert_true(n > 5);
    for (int i = 0; i < n; i++) {
        assert_non_null(infos[i].node);
        assert_non_null(infos[i].kernel);
        assert_true(infos[i].seconds > 0 && infos[i].seconds < 60);
    }
    assert_true(backend_cpu.memory_bytes(e) > bytes);
    backend_cpu.release(e);
    backend_cpu.close(b);
    graph_free(g);
}

static void what_the_processor_lacks_is_refused(void **state)
{
    (void)state;
    const cpu_features cpu = cpu_features_detect();
    backend *b = NULL;
    assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 1, .isa = "sse9"}, &b),
                     ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "sse9"));
    assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 0}, &b), ROTO_ERROR_ARGUMENT);
    if (!cpu.avx512)
        assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 1, .isa = "avx512"}, &b),
                         ROTO_ERROR_UNSUPPORTED);
    /* Never quietly fp32 instead. */
    const backend_params bf16 = {.n_threads = 1, .precision = PRECISION_BF16, .isa = "generic"};
    assert_int_equal(backend_cpu.open(&bf16, &b), ROTO_ERROR_UNSUPPORTED);
    assert_non_null(strstr(roto_error_message(), "bfloat16"));
    const backend_params fp32 = {.n_threads = 1, .isa = "amx-emulated"};
    assert_int_equal(backend_cpu.open(&fp32, &b), ROTO_ERROR_ARGUMENT);
    assert_null(b);
}

static void weights_that_are_computed_are_refused_by_name(void **state)
{
    (void)state;
    graph *g = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    tensor_id x = graph_input(g, "x", DTYPE_F32, SHAPE(1, 4, 4, 3));
    tensor_id w = graph_input(g, "w", DTYPE_F32, SHAPE(2, 1, 1, 3));
    const op_attr attr = {.conv2d = conv2d_default()};
    const tensor_id in[] = {x, w};
    graph_output(g, "y", graph_node_add(g, OP_CONV2D, "head.7", in, 2, &attr));
    backend *b = NULL;
    executable *e = NULL;
    assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 1}, &b), ROTO_OK);
    assert_int_equal(backend_cpu.compile(b, g, &e), ROTO_ERROR_UNSUPPORTED);
    assert_non_null(strstr(roto_error_message(), "conv2d"));
    assert_non_null(strstr(roto_error_message(), "head.7"));
    assert_null(e);
    backend_cpu.close(b);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(a_profile_times_every_kernel),
        cmocka_unit_test(what_the_processor_lacks_is_refused),
        cmocka_unit_test(weights_that_are_computed_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("cpu runs", tests, NULL, NULL);
}
