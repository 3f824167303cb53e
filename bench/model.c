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
#include "backend/backend.h"
#include "base/clock.h"
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
    const backend_table *table;
    backend *b;
    executable *e;
    onnx_model *model;
    float *input; /* all inputs, one after the other */
} bench;

static int64_t port_count(const graph *g, const graph_port *port)
{
    return shape_count(&graph_tensor_at(g, port->tensor)->shape);
}

static roto_status make_input(bench *b)
{
    const graph *g = b->model->graph;
    int64_t count = 0;
    for (int i = 0; i < graph_n_inputs(g); i++)
        count += port_count(g, graph_input_at(g, i));
    b->input = calloc((size_t)count, sizeof(float));
    if (!b->input)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: inputs");
    for (int64_t i = 0; i < count; i++)
        b->input[i] = (float)(i * 7919 % 256);
    if (!b->o.input)
        return ROTO_OK;
    FILE *f = fopen(b->o.input, "rb");
    const size_t n_read = f ? fread(b->input, sizeof(float), (size_t)count, f) : 0;
    if (f)
        fclose(f);
    if (n_read != (size_t)count)
        return roto_fail(ROTO_ERROR_IO, "%s: it has to hold %lld floats", b->o.input,
                         (long long)count);
    return ROTO_OK;
}

static roto_status run_once(bench *b, double *ms)
{
    const graph *g = b->model->graph;
    const float *from = b->input;
    for (int i = 0; i < graph_n_inputs(g); i++) { /* a run may have overwritten them */
        const int64_t count = port_count(g, graph_input_at(g, i));
        memcpy(b->table->input(b->e, i), from, (size_t)count * sizeof(float));
        from += count;
    }
    const int64_t start = clock_now_ns();
    ROTO_TRY(b->table->run(b->e));
    *ms = (double)(clock_now_ns() - start) * 1e-6;
    return ROTO_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static roto_status run_many(bench *b)
{
    double *ms = calloc((size_t)b->o.n_runs, sizeof(*ms));
    if (!ms)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: times");
    roto_status status = ROTO_OK;
    for (int i = 0; i < b->o.n_runs && status == ROTO_OK; i++)
        status = run_once(b, &ms[i]);
    if (status == ROTO_OK) {
        qsort(ms, (size_t)b->o.n_runs, sizeof(*ms), by_value);
        printf("%d threads: median %.3f ms, least %.3f ms of %d runs; %.1f MB\n", b->o.n_threads,
               ms[b->o.n_runs / 2], ms[0], b->o.n_runs,
               (double)b->table->memory_bytes(b->e) * 1e-6);
    }
    free(ms);
    return status;
}

static roto_status serve(bench *b)
{
    char line[64];
    while (fgets(line, sizeof(line), stdin)) {
        for (int n = atoi(line); n > 0; n--) {
            double ms = 0;
            ROTO_TRY(run_once(b, &ms));
            printf("%.4f ", ms);
        }
        printf("\n");
        fflush(stdout);
    }
    return ROTO_OK;
}

static int by_falling_seconds(const void *a, const void *b)
{
    const kernel_info *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* The least time of each kernel over several profiled runs: what others do on the machine meanwhile
 * only adds. */
static roto_status print_profile(bench *b)
{
    enum { RUNS = 30 };
    const kernel_info *infos = NULL;
    int n = 0;
    ROTO_TRY(b->table->profile(b->e, &infos, &n));
    kernel_info *sorted = calloc((size_t)n + 1, sizeof(*sorted));
    double *seconds = calloc((size_t)(n + 1) * RUNS, sizeof(*seconds));
    roto_status status = ROTO_OK;
    if (!sorted || !seconds)
        status = roto_fail(ROTO_ERROR_MEMORY, "out of memory: profile");
    for (int r = 0; r < RUNS && status == ROTO_OK; r++) {
        double ms = 0;
        status = run_once(b, &ms); /* sets the inputs */
        if (status == ROTO_OK)
            status = b->table->profile(b->e, &infos, &n);
        for (int i = 0; i < n && status == ROTO_OK; i++)
            seconds[i * RUNS + r] = infos[i].seconds;
    }
    if (status == ROTO_OK) {
        double total = 0;
        for (int i = 0; i < n; i++) {
            qsort(seconds + i * RUNS, RUNS, sizeof(*seconds), by_value);
            sorted[i] = infos[i];
            sorted[i].seconds = seconds[i * RUNS];
            total += sorted[i].seconds;
        }
        qsort(sorted, (size_t)n, sizeof(*sorted), by_falling_seconds);
        printf("%d kernels, %.3f ms\n", n, total * 1e3);
        printf("%9s %6s %8s  %-18s %-16s %s\n", "us", "%", "GFLOP/s", "operator", "kernel", "name");
        for (int i = 0; i < n; i++)
            printf("%9.1f %6.2f %8.1f  %-18s %-16s %s\n", sorted[i].seconds * 1e6,
                   sorted[i].seconds / total * 100,
                   (double)sorted[i].flops / sorted[i].seconds * 1e-9, op_name(sorted[i].op),
                   sorted[i].kernel, sorted[i].node);
    }
    free(sorted);
    free(seconds);
    return status;
}

static roto_status write_outputs(bench *b)
{
    FILE *f = fopen(b->o.output, "wb");
    if (!f)
        return roto_fail(ROTO_ERROR_IO, "cannot create %s", b->o.output);
    bool written = true;
    const graph *g = b->model->graph;
    for (int i = 0; i < graph_n_outputs(g); i++) {
        const size_t count = (size_t)port_count(g, graph_output_at(g, i));
        written = written && fwrite(b->table->output(b->e, i), sizeof(float), count, f) == count;
    }
    written = fclose(f) == 0 && written;
    return written ? ROTO_OK : roto_fail(ROTO_ERROR_IO, "cannot write %s", b->o.output);
}

static roto_status measure(bench *b)
{
    ROTO_TRY(onnx_import(b->o.model, NULL, &b->model));
    ROTO_TRY(make_input(b));
    const backend_params params = {.n_threads = b->o.n_threads, .isa = b->o.isa};
    ROTO_TRY(b->table->open(&params, &b->b));
    ROTO_TRY(b->table->compile(b->b, b->model->graph, &b->e));
    ROTO_TRY(b->o.serve ? serve(b) : run_many(b));
    if (b->o.output)
        ROTO_TRY(write_outputs(b));
    return b->o.profile ? print_profile(b) : ROTO_OK;
}

int main(int argc, char **argv)
{
    bench b = {.table = NULL};
    if (!parse(argc, argv, &b.o) || !(b.table = backend_find(b.o.backend))) {
        fprintf(stderr, "bench_model MODEL.onnx [--backend NAME] [--threads N] [--isa NAME] "
                        "[--runs N] [--profile] [--input FILE] [--output FILE] [--serve]\n");
        return 2;
    }
    const roto_status status = measure(&b);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_model: %s\n", roto_error_message());
    b.table->release(b.e);
    if (b.b)
        b.table->close(b.b);
    onnx_model_free(b.model);
    free(b.input);
    return status == ROTO_OK ? 0 : 1;
}
