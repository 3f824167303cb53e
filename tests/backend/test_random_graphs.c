/* Random graphs on the CPU backend, fused and with views, against the reference: what checkops does
 * for single operators. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "backend/values.h"
#include "graph/random_graph.h"
#include "support/relative_l2.h"

#include <stdlib.h>
#include <string.h>

enum { N_GRAPHS = 2000, FIRST_SEED = 50000, MAX_OUTPUTS = 8 };

/* The design's bound for a whole graph in fp32. */
static const double max_relative_l2 = 1e-5;

static int64_t count_of(const graph *g, tensor_id t)
{
    return shape_count(&graph_tensor_at(g, t)->shape);
}

/* Runs twice, the second time over what the first left behind; copies of the outputs. */
static void run_on(const graph *g, const backend_table *table, const backend_params *params,
                   float *out[MAX_OUTPUTS], uint32_t seed)
{
    backend *b = NULL;
    executable *e = NULL;
    assert_int_equal(table->open(params, &b), ROTO_OK);
    if (table->compile(b, g, &e) != ROTO_OK)
        fail_msg("graph %u: %s", seed, roto_error_message());
    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < graph_n_inputs(g); i++)
            values_fill(table->input(e, i), count_of(g, graph_input_at(g, i)->tensor),
                        (uint32_t)i + 1, 1);
        assert_int_equal(table->run(e), ROTO_OK);
        for (int i = 0; i < graph_n_outputs(g); i++) {
            const size_t bytes = (size_t)count_of(g, graph_output_at(g, i)->tensor) * sizeof(float);
            if (run == 0) {
                out[i] = malloc(bytes);
                assert_non_null(out[i]);
                memcpy(out[i], table->output(e, i), bytes);
            } else if (memcmp(out[i], table->output(e, i), bytes) != 0) {
                fail_msg("graph %u, output %d: a second run gives other bits", seed, i);
            }
        }
    }
    table->release(e);
    table->close(b);
}

static void cpu_computes_random_graphs_like_the_reference(void **state)
{
    (void)state;
    static const backend_params ways[] = {
        {.n_threads = 1}, {.n_threads = 2}, {.n_threads = 2, .isa = "generic"}};
    enum { N_WAYS = sizeof(ways) / sizeof(ways[0]) };
    for (uint32_t seed = FIRST_SEED; seed < FIRST_SEED + N_GRAPHS; seed++) {
        graph *g = random_graph_new(seed);
        assert_non_null(g);
        float *expected[MAX_OUTPUTS], *out[N_WAYS][MAX_OUTPUTS];
        run_on(g, &backend_reference, &ways[0], expected, seed);
        for (int w = 0; w < N_WAYS; w++)
            run_on(g, &backend_cpu, &ways[w], out[w], seed);
        for (int i = 0; i < graph_n_outputs(g); i++) {
            const int64_t n = count_of(g, graph_output_at(g, i)->tensor);
            for (int w = 0; w < N_WAYS; w++) {
                const double error = relative_l2(out[w][i], expected[i], n);
                if (!(error <= max_relative_l2))
                    fail_msg("graph %u, output %d, way %d: error %.3g", seed, i, w, error);
            }
            if (memcmp(out[0][i], out[1][i], (size_t)n * sizeof(float)) != 0)
                fail_msg("graph %u, output %d: 1 and 2 threads give other bits", seed, i);
            free(expected[i]);
            for (int w = 0; w < N_WAYS; w++)
                free(out[w][i]);
        }
        graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_computes_random_graphs_like_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
