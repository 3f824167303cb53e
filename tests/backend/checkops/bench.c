#include "backend/checkops/bench.h"

#include "backend/checkops/row_graph.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* At least so many runs and so long, whichever takes longer; the shortest run counts, since
 * everything that disturbs a run makes it longer. */
enum { MIN_RUNS = 3, MIN_TOTAL_MS = 300 };

static roto_status time_runs(const row_graph *rg, const backend_table *table, executable *e,
                             double *best_s)
{
    int64_t total_ns = 0, best_ns = INT64_MAX;
    for (int run = 0; run <= MIN_RUNS || total_ns < MIN_TOTAL_MS * 1000000LL; run++) {
        row_graph_fill(rg, table, e);
        const int64_t start = clock_now_ns();
        roto_status status = table->run(e);
        const int64_t ns = clock_now_ns() - start;
        if (status != ROTO_OK)
            return status;
        if (run > 0) { /* the first one touches memory for the first time */
            best_ns = ns < best_ns ? ns : best_ns;
            total_ns += ns;
        }
    }
    *best_s = (double)best_ns * 1e-9;
    return ROTO_OK;
}

static void print_line(const check_row *row, const char *kernels, int64_t flops, double seconds,
                       const machine_roof *roof)
{
    const double bytes = row_bytes(row);
    const double compute_s = (double)flops / roof->flops_per_s,
                 memory_s = bytes / roof->bytes_per_s;
    const double least_s = compute_s > memory_s ? compute_s : memory_s;
    printf("%-16s %-52s %-18s %10.3f ms ", op_name(row->op), row->name, kernels, seconds * 1e3);
    if (flops)
        printf("%8.1f GFLOP/s", (double)flops / seconds * 1e-9);
    else
        printf("%8.1f GB/s   ", bytes / seconds * 1e-9);
    printf("  %5.1f %% of the %s roof\n", 100 * least_s / seconds,
           compute_s > memory_s ? "compute" : "memory");
    fflush(stdout);
}

roto_status bench_row(const check_row *row, const backend_table *table,
                      const backend_params *params, const machine_roof *roof)
{
    row_graph rg;
    backend *b = NULL;
    executable *e = NULL;
    roto_status status = row_graph_new(row, CONTEXT_PLAIN, &rg);
    if (status != ROTO_OK)
        return status;
    double seconds = 0;
    const kernel_info *infos = NULL;
    int n_infos = 0;
    status = table->open(params, &b);
    if (status == ROTO_OK)
        status = table->compile(b, rg.g, &e);
    if (status == ROTO_OK)
        status = time_runs(&rg, table, e, &seconds);
    if (status == ROTO_OK)
        status = table->profile(e, &infos, &n_infos);
    if (status == ROTO_OK)
        print_line(row, n_infos ? infos[0].kernel : "none",
                   graph_node_flops(rg.g, graph_node_at(rg.g, 0)), seconds, roof);
    table->release(e);
    if (b)
        table->close(b);
    row_graph_free(&rg);
    return status;
}
