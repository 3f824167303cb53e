#include "backend/checkops/bench.h"

#include "backend/checkops/row_graph.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* At least so many runs and so long, whichever takes longer; the shortest run counts, since
 * everything that disturbs a run makes it longer. */
enum { MIN_RUNS = 3, MIN_TOTAL_MS = 300 };

typedef struct run_time {
    double wall_s, cpu_s; /* shortest; the latter of all threads together */
} run_time;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static roto_status time_runs(const row_graph *rg, const backend_table *table, executable *e,
                             run_time *best)
{
    double total_s = 0;
    *best = (run_time){1e30, 1e30};
    for (int run = 0; run <= MIN_RUNS || total_s < MIN_TOTAL_MS * 1e-3; run++) {
        row_graph_fill(rg, table, e);
        const double cpu = cpu_seconds();
        const int64_t start = clock_now_ns();
        roto_status status = table->run(e);
        const double wall_s = (double)(clock_now_ns() - start) * 1e-9;
        const double cpu_s = cpu_seconds() - cpu;
        if (status != ROTO_OK)
            return status;
        if (run == 0) /* touches memory for the first time */
            continue;
        best->wall_s = wall_s < best->wall_s ? wall_s : best->wall_s;
        best->cpu_s = cpu_s < best->cpu_s ? cpu_s : best->cpu_s;
        total_s += wall_s;
    }
    return ROTO_OK;
}

/* A GPU's kernels alone, by its own clock: copies to and from the host are another matter; and the
 * one that does the arithmetic, without those that prepare its operands. */
static roto_status time_kernels(const backend_table *table, executable *e, run_time *best,
                                double *main_s)
{
    enum { N_PROFILES = 20 };
    best->wall_s = *main_s = 1e30;
    for (int run = 0; run < N_PROFILES; run++) {
        const kernel_info *infos;
        int n = 0;
        double seconds = 0;
        const roto_status status = table->profile(e, &infos, &n);
        if (status != ROTO_OK)
            return status;
        for (int i = 0; i < n; i++) {
            seconds += infos[i].seconds;
            if (infos[i].flops && infos[i].seconds < *main_s)
                *main_s = infos[i].seconds;
        }
        best->wall_s = seconds < best->wall_s ? seconds : best->wall_s;
    }
    return ROTO_OK;
}

/* The kernel that does the arithmetic, or the first. */
static const char *main_kernel(const kernel_info *infos, int n)
{
    for (int i = 0; i < n; i++) {
        if (infos[i].flops)
            return infos[i].kernel;
    }
    return n ? infos[0].kernel : "none";
}

static void print_line(const check_row *row, const char *kernel, int64_t flops,
                       const run_time *time, double main_s, int n_threads, const machine_roof *roof)
{
    const double bytes = row_bytes(row);
    const double compute_s = (double)flops / roof->flops_per_s,
                 memory_s = bytes / roof->bytes_per_s;
    const double least_s = compute_s > memory_s ? compute_s : memory_s;
    printf("%-16s %-45s %-17s %9.3f ms ", op_name(row->op), row->name, kernel, time->wall_s * 1e3);
    if (flops)
        printf("%7.1f GFLOP/s", (double)flops / time->wall_s * 1e-9);
    else
        printf("%7.1f GB/s   ", bytes / time->wall_s * 1e-9);
    printf(" %5.1f %% of the %s roof", 100 * least_s / time->wall_s,
           compute_s > memory_s ? "compute" : "memory");
    if (main_s > 0)
        printf(", %s alone %.3f ms\n", kernel, main_s * 1e3);
    else
        printf(", %5.1f %% by processor time\n", 100 * least_s * n_threads / time->cpu_s);
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
    run_time time = {0, 0};
    double main_s = 0; /* only a GPU's */
    const kernel_info *infos = NULL;
    int n_infos = 0;
    status = table->open(params, &b);
    if (status == ROTO_OK)
        status = table->compile(b, rg.g, &e);
    if (status == ROTO_OK)
        status = time_runs(&rg, table, e, &time);
    if (status == ROTO_OK)
        status = table->profile(e, &infos, &n_infos);
    if (status == ROTO_OK && table == &backend_cuda)
        status = time_kernels(table, e, &time, &main_s);
    if (status == ROTO_OK)
        print_line(row, main_kernel(infos, n_infos), graph_node_flops(rg.g, graph_node_at(rg.g, 0)),
                   &time, main_s, params->n_threads, roof);
    table->release(e);
    if (b)
        table->close(b);
    row_graph_free(&rg);
    return status;
}
