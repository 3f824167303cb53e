#include "backend/checkops/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool only_moves(op_kind op)
{
    return op == OP_CONCAT || op == OP_SLICE || op == OP_PAD || op == OP_TRANSPOSE ||
           op == OP_RESHAPE;
}

check_error row_bound(const check_row *row, precision prec)
{
    if (only_moves(row->op))
        return (check_error){0, 0};
    const bool products = row->op == OP_CONV2D || row->op == OP_CONV_TRANSPOSE2D ||
                          row->op == OP_LINEAR || row->op == OP_MATMUL || row->op == OP_ATTENTION;
    /* bfloat16 keeps 8 bits: operands are off by up to 2^-9 each, 0.2 % and independently. */
    if (prec == PRECISION_BF16 && products)
        return (check_error){1e-2, 3e-2};
    /* Exponentials turn the absolute error of scores, which grows with their size (up to 30 here),
     * into a relative one of the weights; PyTorch's fp32 attention is off by up to 1.1e-6 in L2. */
    if (row->op == OP_ATTENTION)
        return (check_error){2e-6, 8e-6};
    /* fp32 keeps 24 bits, 6e-8. Sums of up to a few thousand terms in blocks lose about ten times
     * that; exponentials and error functions by polynomials a few units in the last place. */
    return (check_error){1e-6, 4e-6};
}

static check_result failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static check_result failed(const char *fmt, ...)
{
    check_result r = {.verdict = CHECK_FAILED};
    va_list args;
    va_start(args, fmt);
    vsnprintf(r.why, sizeof(r.why), fmt, args);
    va_end(args);
    return r;
}

/* A copy of what an executable computes from the row's inputs, run twice; NULL when a run fails or
 * the second run differs from the first. */
static float *results_of(const row_graph *rg, const backend_table *table, executable *e,
                         const char **why)
{
    const graph_tensor *out = graph_tensor_at(rg->g, graph_output_at(rg->g, 0)->tensor);
    const size_t bytes = (size_t)shape_count(&out->shape) * sizeof(float);
    float *copy = malloc(bytes);
    if (!copy) {
        *why = "out of memory";
        return NULL;
    }
    for (int run = 0; run < 2; run++) {
        /* Poison first: an output may lie where an input was. 0xff.. is a NaN. */
        float *poison = (float *)(uintptr_t)table->output(e, 0);
        memset(poison, 0xff, bytes);
        row_graph_fill(rg, table, e);
        if (table->run(e) != ROTO_OK) {
            *why = roto_error_message();
            free(copy);
            return NULL;
        }
        if (run == 0) {
            memcpy(copy, table->output(e, 0), bytes);
        } else if (memcmp(copy, table->output(e, 0), bytes) != 0) {
            *why = "a second run with the same input gives other bits";
            free(copy);
            return NULL;
        }
    }
    return copy;
}

/* Compiles and runs on a backend of its own; NULL unless *result is left as CHECK_PASSED. */
static float *run_on(const row_graph *rg, const backend_table *table, const backend_params *params,
                     check_result *result)
{
    backend *b = NULL;
    executable *e = NULL;
    float *out = NULL;
    if (table->open(params, &b) != ROTO_OK) {
        *result = failed("open: %s", roto_error_message());
        return NULL;
    }
    const roto_status status = table->compile(b, rg->g, &e);
    if (status != ROTO_OK) {
        *result = failed("compile: %s", roto_error_message());
        if (status == ROTO_ERROR_UNSUPPORTED)
            result->verdict = CHECK_MISSING;
    } else {
        const char *why = NULL;
        out = results_of(rg, table, e, &why);
        if (!out)
            *result = failed("%s", why);
    }
    table->release(e);
    table->close(b);
    return out;
}

static check_error error_of(const float *out, const float *expected, int64_t n)
{
    double difference_l2 = 0, expected_l2 = 0, max = 0, magnitude = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs((double)out[i] - expected[i]);
        if (!(d <= max)) /* so that NaN sticks */
            max = d;
        difference_l2 += d * d;
        expected_l2 += (double)expected[i] * expected[i];
        magnitude = fmax(magnitude, fabs((double)expected[i]));
    }
    const double tiny = 1e-30; /* 0 of 0 is no error */
    return (check_error){sqrt(difference_l2 / (expected_l2 + tiny)), max / (magnitude + tiny)};
}

static check_result check_graph(const check_row *row, const row_graph *rg,
                                const backend_table *table, const char *isa, precision prec)
{
    check_result r = {.verdict = CHECK_PASSED};
    const tensor_shape *shape = &graph_tensor_at(rg->g, graph_output_at(rg->g, 0)->tensor)->shape;
    const int64_t n = shape_count(shape);
    float *one = NULL, *two = NULL;
    float *expected = run_on(rg, &backend_reference, &(backend_params){.n_threads = 1}, &r);
    if (!expected)
        goto done;
    one = run_on(rg, table, &(backend_params){.precision = prec, .n_threads = 1, .isa = isa}, &r);
    if (!one)
        goto done;
    two = run_on(rg, table, &(backend_params){.precision = prec, .n_threads = 2, .isa = isa}, &r);
    if (!two)
        goto done;
    const check_error bound = row_bound(row, prec);
    r.error = error_of(one, expected, n);
    if (!(r.error.relative_l2 <= bound.relative_l2) || !(r.error.max <= bound.max)) {
        const check_error error = r.error;
        r = failed("error %.3g in L2, %.3g at most; bounds %.3g and %.3g", error.relative_l2,
                   error.max, bound.relative_l2, bound.max);
        r.error = error;
    } else if (memcmp(one, two, (size_t)n * sizeof(float)) != 0) {
        r = failed("1 and 2 threads give different bits");
    }
done:
    free(expected);
    free(one);
    free(two);
    return r;
}

check_result check_row_on(const check_row *row, const backend_table *table, const char *isa,
                          precision prec)
{
    static const char *const names[CONTEXT_COUNT] = {"alone", "with strided rows",
                                                     "before a product"};
    check_result all = {.verdict = CHECK_PASSED};
    for (int context = 0; context < CONTEXT_COUNT && all.verdict == CHECK_PASSED; context++) {
        if (!row_has_context(row, (row_context)context))
            continue;
        row_graph rg;
        if (row_graph_new(row, (row_context)context, &rg) != ROTO_OK)
            return failed("the row is no graph: %s", roto_error_message());
        check_result r = check_graph(row, &rg, table, isa, prec);
        row_graph_free(&rg);
        r.error.relative_l2 = fmax(r.error.relative_l2, all.error.relative_l2);
        r.error.max = fmax(r.error.max, all.error.max);
        all = r;
        if (r.verdict == CHECK_FAILED)
            snprintf(all.why, sizeof(all.why), "%s: %.400s", names[context], r.why);
    }
    return all;
}
