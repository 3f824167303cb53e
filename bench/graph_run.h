/* bench/graph_run.h - runs a compiled graph over and over, for the programs that time graphs. */
#ifndef BENCH_GRAPH_RUN_H
#define BENCH_GRAPH_RUN_H

#include "backend/backend.h"

typedef struct graph_run {
    const backend_table *table;
    backend *b;
    const graph *g;
    executable *e;
    float *input; /* all inputs, one after the other */
} graph_run;

/* Sets the inputs from a file of float32, or without one (NULL) to a ramp of 256 values from
 * `first` in steps of `step`. Needs run->g alone. */
roto_status graph_run_set_input(graph_run *run, const char *path, float first, float step);

/* Opens the backend and compiles the graph. */
roto_status graph_run_compile(graph_run *run, const backend_params *params);

roto_status graph_run_many(graph_run *run, int n_runs, double *median_ms, double *least_ms);

/* For every line "N" on standard input runs N times and prints the milliseconds of each. */
roto_status graph_run_serve(graph_run *run);

/* *least: the kernels in order, each with its least time over n_runs profiled runs: what others do
 * on the machine meanwhile only adds. The caller frees it. */
roto_status graph_run_profile(graph_run *run, int n_runs, kernel_info **least, int *n);

/* Writes the outputs of the last run, float32, one after the other. */
roto_status graph_run_write_outputs(const graph_run *run, const char *path);

/* Frees all but the graph. */
void graph_run_free(graph_run *run);

#endif
