#include "graph_run.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t port_count(const graph *g, const graph_port *port)
{
    return shape_count(&graph_tensor_at(g, port->tensor)->shape);
}

roto_status graph_run_set_input(graph_run *run, const char *path, float first, float step)
{
    int64_t count = 0;
    for (int i = 0; i < graph_n_inputs(run->g); i++)
        count += port_count(run->g, graph_input_at(run->g, i));
    run->input = calloc((size_t)count, sizeof(float));
    if (!run->input)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: inputs");
    for (int64_t i = 0; i < count; i++)
        run->input[i] = (float)(i * 7919 % 256) * step + first;
    if (!path)
        return ROTO_OK;
    FILE *f = fopen(path, "rb");
    const size_t n_read = f ? fread(run->input, sizeof(float), (size_t)count, f) : 0;
    if (f)
        fclose(f);
    if (n_read != (size_t)count)
        return roto_fail(ROTO_ERROR_IO, "%s: it has to hold %lld floats", path, (long long)count);
    return ROTO_OK;
}

roto_status graph_run_compile(graph_run *run, const backend_params *params)
{
    ROTO_TRY(run->table->open(params, &run->b));
    return run->table->compile(run->b, run->g, &run->e);
}

static roto_status run_once(graph_run *run, double *ms)
{
    const float *from = run->input;
    for (int i = 0; i < graph_n_inputs(run->g); i++) { /* a run may have overwritten them */
        const int64_t count = port_count(run->g, graph_input_at(run->g, i));
        memcpy(run->table->input(run->e, i), from, (size_t)count * sizeof(float));
        from += count;
    }
    const int64_t start = clock_now_ns();
    ROTO_TRY(run->table->run(run->e));
    *ms = (double)(clock_now_ns() - start) * 1e-6;
    return ROTO_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

roto_status graph_run_many(graph_run *run, int n_runs, double *median_ms, double *least_ms)
{
    double *ms = calloc((size_t)n_runs, sizeof(*ms));
    if (!ms)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: times");
    roto_status status = ROTO_OK;
    for (int i = 0; i < n_runs && status == ROTO_OK; i++)
        status = run_once(run, &ms[i]);
    if (status == ROTO_OK) {
        qsort(ms, (size_t)n_runs, sizeof(*ms), by_value);
        *median_ms = ms[n_runs / 2];
        *least_ms = ms[0];
    }
    free(ms);
    return status;
}

roto_status graph_run_serve(graph_run *run)
{
    char line[64];
    while (fgets(line, sizeof(line), stdin)) {
        for (int n = atoi(line); n > 0; n--) {
            double ms = 0;
            ROTO_TRY(run_once(run, &ms));
            printf("%.4f ", ms);
        }
        printf("\n");
        fflush(stdout);
    }
    return ROTO_OK;
}

roto_status graph_run_profile(graph_run *run, int n_runs, kernel_info **least, int *n)
{
    kernel_info *kept = NULL;
    roto_status status = ROTO_OK;
    for (int r = 0; r < n_runs && status == ROTO_OK; r++) {
        const kernel_info *infos = NULL;
        double ms = 0;
        status = run_once(run, &ms); /* sets the inputs */
        if (status == ROTO_OK)
            status = run->table->profile(run->e, &infos, n);
        if (status == ROTO_OK && !kept) {
            kept = calloc((size_t)*n + 1, sizeof(*kept));
            if (!kept)
                status = roto_fail(ROTO_ERROR_MEMORY, "out of memory: profile");
        }
        for (int i = 0; i < *n && status == ROTO_OK; i++) {
            if (r == 0 || infos[i].seconds < kept[i].seconds)
                kept[i] = infos[i];
        }
    }
    if (status != ROTO_OK) {
        free(kept);
        kept = NULL;
    }
    *least = kept;
    return status;
}

roto_status graph_run_write_outputs(const graph_run *run, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return roto_fail(ROTO_ERROR_IO, "cannot create %s", path);
    bool written = true;
    for (int i = 0; i < graph_n_outputs(run->g); i++) {
        const size_t count = (size_t)port_count(run->g, graph_output_at(run->g, i));
        written =
            written && fwrite(run->table->output(run->e, i), sizeof(float), count, f) == count;
    }
    written = fclose(f) == 0 && written;
    return written ? ROTO_OK : roto_fail(ROTO_ERROR_IO, "cannot write %s", path);
}

void graph_run_free(graph_run *run)
{
    run->table->release(run->e);
    if (run->b)
        run->table->close(run->b);
    free(run->input);
}
