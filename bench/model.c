/* bench_model MODEL.onnx [options] - times a model from an ONNX file on one backend.
 *
 *   --backend NAME   cpu (default) or reference
 *   --threads N      default 1
 *   --isa NAME       generic, avx2 or avx512; default: the best this processor has
 *   --runs N         default 50
 *   --profile        time per kernel, heaviest first, with its GFLOP/s
 *   --input FILE     float32, as the graph lays out its first input (images: NHWC); default: a ramp
 *   --output FILE    write the outputs of the last run there, float32, one after the other
 *   --serve          instead of --runs: for every line "N" on standard input run N times and print
 *                    the milliseconds of each; bench/peers/onnx_models.py alternates with others so
 */
#include "graph_run.h"

#include "base/error.h"
#include "format/onnx/onnx.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *model, *backend, *isa, *input, *output;
    int n_threads, n_runs;
    bool profile, serve;
} options;

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.backend = "cpu", .n_threads = 1, .n_runs = 50};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--profile") == 0)
            o->profile = true;
        else if (strcmp(name, "--serve") == 0)
            o->serve = true;
        else if (strncmp(name, "--", 2) != 0 && !o->model)
            o->model = name;
        else if (i + 1 == argc)
            return false;
        else if (strcmp(name, "--backend") == 0)
            o->backend = argv[++i];
        else if (strcmp(name, "--isa") == 0)
            o->isa = argv[++i];
        else if (strcmp(name, "--input") == 0)
            o->input = argv[++i];
        else if (strcmp(name, "--output") == 0)
            o->output = argv[++i];
        else if (strcmp(name, "--threads") == 0)
            o->n_threads = atoi(argv[++i]);
        else if (strcmp(name, "--runs") == 0)
            o->n_runs = atoi(argv[++i]);
        else
            return false;
    }
    return o->model && o->n_threads > 0 && o->n_runs > 0;
}

typedef struct bench {
    options o;
    onnx_model *model;
    graph_run run;
} bench;

static roto_status print_times(bench *b)
{
    double median_ms = 0, least_ms = 0;
    ROTO_TRY(graph_run_many(&b->run, b->o.n_runs, &median_ms, &least_ms));
    printf("%d threads: median %.3f ms, least %.3f ms of %d runs; %.1f MB\n", b->o.n_threads,
           median_ms, least_ms, b->o.n_runs, (double)b->run.table->memory_bytes(b->run.e) * 1e-6);
    return ROTO_OK;
}

static int by_falling_seconds(const void *a, const void *b)
{
    const kernel_info *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static roto_status print_profile(bench *b)
{
    enum { RUNS = 30 };
    kernel_info *kernels;
    int n = 0;
    ROTO_TRY(graph_run_profile(&b->run, RUNS, &kernels, &n));
    double total = 0;
    for (int i = 0; i < n; i++)
        total += kernels[i].seconds;
    qsort(kernels, (size_t)n, sizeof(*kernels), by_falling_seconds);
    printf("%d kernels, %.3f ms\n", n, total * 1e3);
    printf("%9s %6s %8s  %-18s %-16s %s\n", "us", "%", "GFLOP/s", "operator", "kernel", "name");
    for (int i = 0; i < n; i++)
        printf("%9.1f %6.2f %8.1f  %-18s %-16s %s\n", kernels[i].seconds * 1e6,
               kernels[i].seconds / total * 100,
               (double)kernels[i].flops / kernels[i].seconds * 1e-9, op_name(kernels[i].op),
               kernels[i].kernel, kernels[i].node);
    free(kernels);
    return ROTO_OK;
}

static roto_status measure(bench *b)
{
    ROTO_TRY(onnx_import(b->o.model, NULL, &b->model));
    b->run.g = b->model->graph;
    ROTO_TRY(graph_run_set_input(&b->run, b->o.input, 0, 1));
    const backend_params params = {.n_threads = b->o.n_threads, .isa = b->o.isa};
    ROTO_TRY(graph_run_compile(&b->run, &params));
    ROTO_TRY(b->o.serve ? graph_run_serve(&b->run) : print_times(b));
    if (b->o.output)
        ROTO_TRY(graph_run_write_outputs(&b->run, b->o.output));
    return b->o.profile ? print_profile(b) : ROTO_OK;
}

int main(int argc, char **argv)
{
    bench b = {.run = {.table = NULL}};
    if (!parse(argc, argv, &b.o) || !(b.run.table = backend_find(b.o.backend))) {
        fprintf(stderr, "bench_model MODEL.onnx [--backend NAME] [--threads N] [--isa NAME] "
                        "[--runs N] [--profile] [--input FILE] [--output FILE] [--serve]\n");
        return 2;
    }
    const roto_status status = measure(&b);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_model: %s\n", roto_error_message());
    graph_run_free(&b.run);
    onnx_model_free(b.model);
    return status == ROTO_OK ? 0 : 1;
}
