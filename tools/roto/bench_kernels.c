#include "bench.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each kernel's time is the least of several profiled runs. */
enum { PROFILE_RUNS = 10 };

static const char name[] = "roto bench";

static int slower_first(const void *a, const void *b)
{
    double x = ((const roto_kernel_time *)a)->seconds, y = ((const roto_kernel_time *)b)->seconds;
    return (x < y) - (x > y);
}

static double gflops(const roto_kernel_time *k)
{
    return k->seconds > 0 ? (double)k->flops / k->seconds * 1e-9 : 0;
}

/* The least times over several runs; *least is the caller's, NULL for a network without kernels. */
static roto_status profile(roto_detector *detector, roto_kernel_time **least, int32_t *n)
{
    *least = NULL;
    for (int run = 0; run < PROFILE_RUNS; run++) {
        const roto_kernel_time *kernels;
        roto_status status = roto_detector_profile(detector, &kernels, n);
        if (status != ROTO_OK)
            return status;
        if (!*least) {
            *least = malloc((size_t)*n * sizeof(**least) + 1);
            if (!*least)
                return ROTO_ERROR_MEMORY;
            memcpy(*least, kernels, (size_t)*n * sizeof(**least));
        }
        for (int32_t i = 0; i < *n; i++)
            if (kernels[i].seconds < (*least)[i].seconds)
                (*least)[i].seconds = kernels[i].seconds;
        if (interrupt_requested())
            return ROTO_CANCELLED;
    }
    return ROTO_OK;
}

static int print_kernels(const roto_kernel_time *kernels, int32_t n, double total_s)
{
    table *t = table_new("node operator kernel ms share GFLOP GFLOP/s", n);
    if (!t) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) {
        const roto_kernel_time *k = &kernels[i];
        table_text(t, k->node);
        table_text(t, k->op);
        table_text(t, k->kernel);
        table_real(t, k->seconds * 1e3, 3);
        table_percent(t, total_s > 0 ? k->seconds / total_s : 0);
        table_real(t, (double)k->flops * 1e-9, 3);
        table_real(t, gflops(k), 1);
    }
    return table_print_free(t) ? EXIT_OK : failure_report_file(name, "write", "standard output");
}

static void write_kernels(json_out *json, const roto_kernel_time *kernels, int32_t n)
{
    json_begin(json, "kernels", '[');
    for (int32_t i = 0; i < n; i++) {
        json_begin(json, NULL, '{');
        json_string(json, "node", kernels[i].node);
        json_string(json, "operator", kernels[i].op);
        json_string(json, "kernel", kernels[i].kernel);
        json_integer(json, "flops", kernels[i].flops);
        json_real(json, "ms", kernels[i].seconds * 1e3);
        json_end(json, '}');
    }
    json_end(json, ']');
}

int bench_kernels(roto_detector *detector, const bench_options *o, bench_results *results)
{
    roto_kernel_time *kernels = NULL;
    int32_t n = 0;
    int code = EXIT_OK;
    roto_status status = profile(detector, &kernels, &n);
    if (status != ROTO_OK) {
        code = failure_report(name, status);
        goto done;
    }
    double total_s = 0, total_flops = 0;
    for (int32_t i = 0; i < n; i++) {
        total_s += kernels[i].seconds;
        total_flops += (double)kernels[i].flops;
    }
    printf("network    %.2f GFLOP, %d kernels, %.2f ms in all, %.1f GFLOP/s; %.1f GFLOP/s with "
           "pre- and post-processing\n",
           total_flops * 1e-9, n, total_s * 1e3, total_s > 0 ? total_flops / total_s * 1e-9 : 0,
           total_flops / results->median_s * 1e-9);
    qsort(kernels, (size_t)n, sizeof(*kernels), slower_first);
    int32_t shown = o->n_kernels < n ? (int32_t)o->n_kernels : n;
    if (shown > 0)
        code = print_kernels(kernels, shown, total_s);
    if (results->json)
        write_kernels(results->json, kernels, n);
done:
    free(kernels);
    return code;
}
