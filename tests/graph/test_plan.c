/* Fusion and layout, by running random graphs with and without them. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "graph/planned_run.h"
#include "graph/random_graph.h"
#include "support/relative_l2.h"

#include <stdlib.h>
#include <string.h>

enum { N_GRAPHS = 1500, MAX_OUTPUTS = 8 };

static int64_t output_count(const graph *g, int index)
{
    return shape_count(&graph_tensor_at(g, graph_output_at(g, index)->tensor)->shape);
}

/* Outputs of the graph as it is, straight from the reference backend. */
static void run_plain(const graph *g, float *out[MAX_OUTPUTS])
{
    backend *b = NULL;
    executable *e = NULL;
    assert_int_equal(backend_reference.open(&(backend_params){.n_threads = 1}, &b), ROTO_OK);
    assert_int_equal(backend_reference.compile(b, g, &e), ROTO_OK);
    for (int i = 0; i < graph_n_inputs(g); i++) {
        float *in = backend_reference.input(e, i);
        const int64_t n = shape_count(&graph_tensor_at(g, graph_input_at(g, i)->tensor)->shape);
        for (int64_t k = 0; k < n; k++)
            in[k] = planned_input(i, k);
    }
    assert_int_equal(backend_reference.run(e), ROTO_OK);
    for (int i = 0; i < graph_n_outputs(g); i++) {
        const size_t bytes = (size_t)output_count(g, i) * sizeof(float);
        out[i] = malloc(bytes);
        assert_non_null(out[i]);
        memcpy(out[i], backend_reference.output(e, i), bytes);
    }
    backend_reference.release(e);
    backend_reference.close(b);
}

/* Outputs of the graph as planned. */
static void run_planned(const graph *g, const plan_traits *traits, float *out[MAX_OUTPUTS],
                        uint32_t seed)
{
    graph *fused = NULL;
    graph_layout *layout = NULL;
    if (graph_fuse(g, traits, &fused) != ROTO_OK)
        fail_msg("graph %u: %s", seed, roto_error_message());
    assert_int_equal(graph_n_inputs(fused), graph_n_inputs(g));
    assert_int_equal(graph_n_outputs(fused), graph_n_outputs(g));
    assert_int_equal(graph_layout_new(fused, traits, NULL, &layout), ROTO_OK);
    if (!planned_places_are_disjoint(fused, layout))
        fail_msg("graph %u: tensors overlap", seed);
    float *arena = planned_run(fused, layout);
    assert_non_null(arena);
    for (int i = 0; i < graph_n_outputs(g); i++) {
        const graph_port *from = graph_output_at(g, i), *to = graph_output_at(fused, i);
        assert_string_equal(from->name, to->name);
        assert_int_equal(output_count(fused, i), output_count(g, i));
        const tensor_place *place = &layout->places[to->tensor];
        /* backend.h promises contiguous outputs */
        assert_int_equal(place->row_stride, shape_last(&graph_tensor_at(fused, to->tensor)->shape));
        assert_int_equal(place->offset_bytes % 64, 0);
        out[i] = planned_tensor(fused, layout, arena, to->tensor);
        assert_non_null(out[i]);
    }
    free(arena);
    graph_layout_free(layout);
    graph_free(fused);
}

static void random_graphs_compute_the_same_when_planned(void **state)
{
    (void)state;
    static const plan_traits each[] = {{.apart_bytes = 0},
                                       {.views = true},
                                       {.fuse = true},
                                       {.fuse = true, .views = true},
                                       {.fuse = true, .views = true, .apart_bytes = 64},
                                       {.fuse = true, .views = true, .norm_activations = true}};
    for (uint32_t seed = 1; seed <= N_GRAPHS; seed++) {
        graph *g = random_graph_new(seed);
        if (!g)
            fail_msg("graph %u: %s", seed, roto_error_message());
        float *expected[MAX_OUTPUTS];
        run_plain(g, expected);
        for (size_t t = 0; t < sizeof(each) / sizeof(each[0]); t++) {
            float *out[MAX_OUTPUTS];
            run_planned(g, &each[t], out, seed);
            for (int i = 0; i < graph_n_outputs(g); i++) {
                /* Layout moves values and must not change a bit. Fusion leaves out roundings of
                 * intermediate results to fp32, of 6e-8 each, in graphs of up to 16 operators. */
                const double bound = each[t].fuse ? 2e-6 : 0;
                const double error = relative_l2(out[i], expected[i], output_count(g, i));
                if (!(error <= bound))
                    fail_msg("graph %u, output %d, fuse %d, views %d: error %.3g", seed, i,
                             each[t].fuse, each[t].views, error);
                free(out[i]);
            }
        }
        for (int i = 0; i < graph_n_outputs(g); i++)
            free(expected[i]);
        graph_free(g);
    }
}

/* What planning did to the random graphs, so that the test above cannot pass by doing nothing. */
typedef struct feats {
    int silu, residual_before, residual_after, activation, wide_stride;
    int concat_skipped, concat_partly, slice_skipped, reshape_skipped, reshape_copied;
} feats;

static void count_feats(const graph *g, const graph_layout *layout, feats *f)
{
    for (int i = 0; i < graph_n_nodes(g); i++) {
        const graph_node *node = graph_node_at(g, i);
        const bool skipped = layout->skipped[i];
        if (node->op == OP_UNARY && node->attr.unary.kind == UNARY_SILU)
            f->silu++;
        if (node->op == OP_CONV2D || node->op == OP_LINEAR) {
            const epilogue *epi =
                node->op == OP_LINEAR ? &node->attr.linear.epi : &node->attr.conv2d.epi;
            f->activation += epi->act.kind != UNARY_IDENTITY;
            f->residual_before += epi->residual == RESIDUAL_BEFORE;
            f->residual_after += epi->residual == RESIDUAL_AFTER;
            f->wide_stride += node->op == OP_CONV2D && node->attr.conv2d.stride_h == 2;
        }
        f->concat_skipped += node->op == OP_CONCAT && skipped;
        for (int k = 0; k < node->n_in && node->op == OP_CONCAT && !skipped; k++)
            f->concat_partly += layout->places[node->in[k]].offset_bytes % 64 != 0;
        f->slice_skipped += node->op == OP_SLICE && skipped;
        f->reshape_skipped += node->op == OP_RESHAPE && skipped;
        f->reshape_copied += node->op == OP_RESHAPE && !skipped;
    }
}

static void random_graphs_exercise_every_rewrite(void **state)
{
    (void)state;
    const plan_traits traits = {.fuse = true, .views = true};
    feats f = {0};
    for (uint32_t seed = 1; seed <= N_GRAPHS; seed++) {
        graph *g = random_graph_new(seed), *fused = NULL;
        graph_layout *layout = NULL;
        assert_non_null(g);
        assert_int_equal(graph_fuse(g, &traits, &fused), ROTO_OK);
        assert_int_equal(graph_layout_new(fused, &traits, NULL, &layout), ROTO_OK);
        count_feats(fused, layout, &f);
        graph_layout_free(layout);
        graph_free(fused);
        graph_free(g);
    }
    const int counts[] = {
        f.silu,           f.residual_before, f.residual_after, f.activation,      f.wide_stride,
        f.concat_skipped, f.concat_partly,   f.slice_skipped,  f.reshape_skipped, f.reshape_copied};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (counts[i] < 20)
            fail_msg("rewrite %zu happens %d times in %d graphs", i, counts[i], N_GRAPHS);
    }
}

static size_t end_of(const graph *g, const graph_layout *layout, tensor_id t)
{
    return layout->places[t].offset_bytes +
           (size_t)shape_count(&graph_tensor_at(g, t)->shape) * sizeof(float);
}

static bool has_memory(const graph_layout *layout, tensor_id t)
{
    return layout->places[t].kind == PLACE_ARENA && layout->places[t].root == t;
}

static void small_tensors_share_memory_with_none(void **state)
{
    (void)state;
    enum { APART_BYTES = 256 };
    const plan_traits traits = {.fuse = true, .views = true, .apart_bytes = APART_BYTES};
    int n_small = 0;
    for (uint32_t seed = 1; seed <= N_GRAPHS; seed++) {
        graph *g = random_graph_new(seed);
        graph_layout *layout = NULL;
        assert_non_null(g);
        assert_int_equal(graph_layout_new(g, &traits, NULL, &layout), ROTO_OK);
        for (tensor_id t = 0; t < graph_n_tensors(g); t++) {
            const size_t first = layout->places[t].offset_bytes, end = end_of(g, layout, t);
            if (!has_memory(layout, t) || end - first > APART_BYTES)
                continue;
            n_small++;
            for (tensor_id u = 0; u < graph_n_tensors(g); u++) {
                if (u != t && has_memory(layout, u) && layout->places[u].offset_bytes < end &&
                    end_of(g, layout, u) > first)
                    fail_msg("graph %u: tensors %d and %d overlap", seed, (int)t, (int)u);
            }
        }
        graph_layout_free(layout);
        graph_free(g);
    }
    assert_true(n_small > N_GRAPHS);
}

/* An ONNX file may ask for any step where one element is taken. */
static void huge_steps_of_single_elements_do_not_overflow(void **state)
{
    (void)state;
    graph *g = NULL, *fused = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    tensor_id x = graph_input(g, "x", DTYPE_F32, SHAPE(8));
    x = graph_slice(g, x, &(slice_attr){.start = {1}, .step = {2}, .size = {3}});
    x = graph_slice(g, x, &(slice_attr){.start = {1}, .step = {INT64_MAX}, .size = {1}});
    graph_output(g, "y", x);
    assert_int_equal(graph_fuse(g, &(plan_traits){.fuse = true}, &fused), ROTO_OK);
    assert_int_equal(graph_n_nodes(fused), 1);
    assert_int_equal(graph_node_at(fused, 0)->attr.slice.start[0], 3);
    assert_int_equal(graph_node_at(fused, 0)->attr.slice.step[0], 1);
    graph_free(fused);
    graph_free(g);
}

static tensor_id constant(graph *g, tensor_shape shape)
{
    static const float data[4096];
    assert_in_range(shape_count(&shape), 1, 4096);
    return graph_constant_borrow(g, "w", DTYPE_F32, shape, data);
}

static tensor_id silu(graph *g, tensor_id x)
{
    return graph_binary(g, BINARY_MUL, x, graph_unary(g, UNARY_SIGMOID, x));
}

/* YOLOX's first layers: Focus, convolution, SiLU, and a bottleneck with its sum. */
static void yolox_stem_becomes_three_convolutions(void **state)
{
    (void)state;
    graph *g = NULL, *fused = NULL;
    assert_int_equal(graph_new(&g), ROTO_OK);
    const tensor_id image = graph_input(g, "x", DTYPE_F32, SHAPE(1, 16, 16, 3));
    tensor_id parts[4];
    for (int i = 0; i < 4; i++)
        parts[i] = graph_slice(g, image,
                               &(slice_attr){.start = {0, i % 2, i / 2, 0},
                                             .step = {1, 2, 2, 1},
                                             .size = {1, 8, 8, 3}});
    conv2d_attr same = conv2d_default();
    same.pad_top = same.pad_left = same.pad_bottom = same.pad_right = 1;
    tensor_id x = graph_conv2d(g, graph_concat(g, parts, 4, 3), constant(g, SHAPE(8, 3, 3, 12)),
                               constant(g, SHAPE(8)), &same);
    x = silu(g, x);
    conv2d_attr plain = conv2d_default();
    tensor_id y = graph_conv2d(g, x, constant(g, SHAPE(8, 1, 1, 8)), TENSOR_NONE, &plain);
    y = silu(g, y);
    y = graph_conv2d(g, y, constant(g, SHAPE(8, 3, 3, 8)), TENSOR_NONE, &same);
    y = graph_binary(g, BINARY_ADD, silu(g, y), x);
    graph_output(g, "y", y);
    assert_int_equal(graph_fuse(g, &(plan_traits){.fuse = true}, &fused), ROTO_OK);
    assert_int_equal(graph_n_nodes(fused), 3);
    const conv2d_attr *stem = &graph_node_at(fused, 0)->attr.conv2d;
    assert_int_equal(stem->stride_h, 2);
    assert_int_equal(stem->pad_left, 2);
    assert_int_equal(stem->epi.act.kind, UNARY_SILU);
    assert_int_equal(graph_node_at(fused, 2)->attr.conv2d.epi.residual, RESIDUAL_AFTER);
    graph_free(fused);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(huge_steps_of_single_elements_do_not_overflow),
        cmocka_unit_test(yolox_stem_becomes_three_convolutions),
        cmocka_unit_test(random_graphs_compute_the_same_when_planned),
        cmocka_unit_test(random_graphs_exercise_every_rewrite),
        cmocka_unit_test(small_tensors_share_memory_with_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
