#include "backend/backend_case.h"

#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "backend/values.h"
#include "base/cpu_features.h"
#include "support/relative_l2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OUTPUTS = 8 };

tensor_id case_constant(graph *g, tensor_shape shape, uint32_t seed, float scale)
{
    const int64_t count = shape_count(&shape);
    float *values = calloc((size_t)count, sizeof(float));
    assert_non_null(values);
    values_fill(values, count, seed, scale);
    tensor_id t = graph_constant(g, "constant", DTYPE_F32, shape, values);
    free(values);
    return t;
}

tensor_id case_input(graph *g, tensor_shape shape)
{
    return graph_input(g, "x", DTYPE_F32, shape);
}

static void assert_ok(const char *name, roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s: %s", name, roto_error_message());
}

/* Copies of the outputs of one run. */
typedef struct results {
    int n;
    float *values[MAX_OUTPUTS];
    int64_t count[MAX_OUTPUTS];
} results;

static void results_free(results *r)
{
    for (int i = 0; i < r->n; i++)
        free(r->values[i]);
}

static void run_once(const char *name, const backend_table *table, executable *e, const graph *g,
                     results *out)
{
    for (int i = 0; i < graph_n_inputs(g); i++) {
        const tensor_shape *shape = &graph_tensor_at(g, graph_input_at(g, i)->tensor)->shape;
        values_fill(table->input(e, i), shape_count(shape), 100 + (uint32_t)i, 2);
    }
    assert_ok(name, table->run(e));
    out->n = graph_n_outputs(g);
    assert_in_range(out->n, 1, MAX_OUTPUTS);
    for (int i = 0; i < out->n; i++) {
        out->count[i] = shape_count(&graph_tensor_at(g, graph_output_at(g, i)->tensor)->shape);
        const size_t bytes = (size_t)out->count[i] * sizeof(float);
        out->values[i] = malloc(bytes);
        assert_non_null(out->values[i]);
        memcpy(out->values[i], table->output(e, i), bytes);
    }
}

static void open_and_compile(const char *name, const backend_table *table,
                             const backend_params *params, const graph *g, backend **b,
                             executable **e)
{
    assert_ok(name, table->open(params, b));
    assert_ok(name, table->compile(*b, g, e));
}

static void run_backend(const char *name, const backend_table *table, const backend_params *params,
                        const graph *g, results *out)
{
    backend *b = NULL;
    executable *e = NULL;
    open_and_compile(name, table, params, g, &b, &e);
    run_once(name, table, e, g, out);
    results again = {.n = 0};
    run_once(name, table, e, g, &again);
    for (int i = 0; i < out->n; i++)
        assert_memory_equal(out->values[i], again.values[i], (size_t)out->count[i] * sizeof(float));
    results_free(&again);
    table->release(e);
    table->close(b);
}

static void check_isa(const char *name, const char *isa, const graph *g, const results *wanted,
                      double bound)
{
    static const int threads[] = {1, 2, 3};
    results first = {.n = 0};
    for (size_t t = 0; t < sizeof(threads) / sizeof(threads[0]); t++) {
        const backend_params params = {.n_threads = threads[t], .isa = isa};
        results got = {.n = 0};
        run_backend(name, &backend_cpu, &params, g, &got);
        for (int i = 0; i < got.n; i++) {
            double error = relative_l2(got.values[i], wanted->values[i], got.count[i]);
            if (!(error <= bound))
                fail_msg("%s, %s, output %d: relative L2 %g exceeds %g", name, isa, i, error,
                         bound);
            if (t > 0 &&
                memcmp(got.values[i], first.values[i], (size_t)got.count[i] * sizeof(float)) != 0)
                fail_msg("%s, %s, output %d: %d threads give other bits than 1", name, isa, i,
                         threads[t]);
        }
        if (t == 0)
            first = got;
        else
            results_free(&got);
    }
    results_free(&first);
}

void case_check(const char *name, graph *g, double bound)
{
    assert_ok(name, graph_status(g));
    results wanted = {.n = 0};
    run_backend(name, &backend_reference, &(backend_params){.n_threads = 1}, g, &wanted);
    const cpu_features features = cpu_features_detect();
    check_isa(name, "generic", g, &wanted, bound);
    if (features.avx2)
        check_isa(name, "avx2", g, &wanted, bound);
    if (features.avx512)
        check_isa(name, "avx512", g, &wanted, bound);
    results_free(&wanted);
    graph_free(g);
}

const char *case_kernel(const graph *g, op_kind op)
{
    backend *b = NULL;
    executable *e = NULL;
    open_and_compile("kernel", &backend_cpu, &(backend_params){.n_threads = 1}, g, &b, &e);
    const kernel_info *infos = NULL;
    int n_infos = 0;
    assert_ok("profile", backend_cpu.profile(e, &infos, &n_infos));
    const char *kernel = NULL;
    for (int i = 0; i < n_infos; i++) {
        if (infos[i].op == op)
            kernel = infos[i].kernel; /* static text */
    }
    backend_cpu.release(e);
    backend_cpu.close(b);
    return kernel;
}
