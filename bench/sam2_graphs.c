/* bench_sam2_graphs MODEL.safetensors [options] - the four graphs of a segmenter on one backend,
 * against the CPU backend in fp32 with the same pseudo-random inputs: errors and times, a JSON
 * object a line.
 *
 *   --backend NAME      cuda (default), cpu or reference
 *   --precision P       bf16 (default) or fp32
 *   --isa NAME          as backend_params.isa
 *   --objects N         computed together, default 1
 *   --size W H          of the frame, default 1024 1024
 *   --runs N            default 50
 *   --max-error E       fail when an output is further away in relative L2; default 2e-2
 *   --profile           also a line per kernel
 */
#include "backend/backend.h"
#include "base/clock.h"
#include "base/cpu_features.h"
#include "base/error.h"
#include "models/sam2/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *model, *backend, *isa;
    precision precision;
    int n_objects, w, h, n_runs;
    double max_error;
    bool profile;
} options;

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.backend = "cuda",
                   .precision = PRECISION_BF16,
                   .n_objects = 1,
                   .w = 1024,
                   .h = 1024,
                   .n_runs = 50,
                   .max_error = 2e-2};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const int left = argc - i - 1;
        if (strcmp(name, "--profile") == 0)
            o->profile = true;
        else if (strncmp(name, "--", 2) != 0 && !o->model)
            o->model = name;
        else if (left < 1)
            return false;
        else if (strcmp(name, "--backend") == 0)
            o->backend = argv[++i];
        else if (strcmp(name, "--isa") == 0)
            o->isa = argv[++i];
        else if (strcmp(name, "--precision") == 0)
            o->precision = strcmp(argv[++i], "fp32") == 0 ? PRECISION_FP32 : PRECISION_BF16;
        else if (strcmp(name, "--objects") == 0)
            o->n_objects = atoi(argv[++i]);
        else if (strcmp(name, "--runs") == 0)
            o->n_runs = atoi(argv[++i]);
        else if (strcmp(name, "--max-error") == 0)
            o->max_error = atof(argv[++i]);
        else if (strcmp(name, "--size") == 0 && left >= 2) {
            o->w = atoi(argv[++i]);
            o->h = atoi(argv[++i]);
        } else
            return false;
    }
    return o->model && o->n_objects > 0 && o->n_runs > 0 && o->w > 0 && o->h > 0;
}

typedef struct device {
    const backend_table *table;
    backend *b;
} device;

static roto_status device_open(device *d, const char *name, precision prec, const char *isa)
{
    backend_params params = {
        .precision = prec, .n_threads = cpu_features_detect().n_cores, .isa = isa};
    ROTO_TRY(backend_choose(name, &d->table, &params.device));
    return d->table->open(&params, &d->b);
}

static int64_t count_of(const graph *g, tensor_id t)
{
    return shape_count(&graph_tensor_at(g, t)->shape);
}

/* A number in [-1, 1): splitmix64 (Steele et al. 2014). */
static float noise(uint64_t seed)
{
    uint64_t z = seed * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (float)((z ^ z >> 31) >> 40) / (float)(1 << 23) - 1;
}

/* Inputs of the size of real ones; masks of keys say that nine of ten take part. */
static void fill(const graph *g, const device *d, executable *e)
{
    for (int i = 0; i < graph_n_inputs(g); i++) {
        const graph_port *port = graph_input_at(g, i);
        const bool is_mask = strstr(port->name, "valid") != NULL;
        float *to = d->table->input(e, i);
        for (int64_t k = 0; k < count_of(g, port->tensor); k++) {
            const float x = noise((uint64_t)k + ((uint64_t)i + 1) * 1000003);
            to[k] = is_mask ? (x > -0.8f ? 1 : 0) : x;
        }
    }
}

static double error_of(const float *got, const float *wanted, int64_t n)
{
    double error = 0, norm = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)got[i] - (double)wanted[i];
        error += d * d;
        norm += (double)wanted[i] * (double)wanted[i];
    }
    return sqrt(error / norm);
}

static int by_time(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static roto_status time_runs(const device *d, executable *e, int n, double *ms)
{
    for (int i = -3; i < n; i++) { /* the first ones warm up */
        const int64_t start = clock_now_ns();
        ROTO_TRY(d->table->run(e));
        if (i >= 0)
            ms[i] = (double)(clock_now_ns() - start) * 1e-6;
    }
    qsort(ms, (size_t)n, sizeof(*ms), by_time);
    return ROTO_OK;
}

/* Of the kernels alone, copies to and from the host left out. */
static roto_status print_kernels(const options *o, const char *part, const device *d, executable *e,
                                 double *total_ms)
{
    const kernel_info *infos;
    int n = 0;
    *total_ms = 0;
    ROTO_TRY(d->table->profile(e, &infos, &n)); /* warms events up */
    ROTO_TRY(d->table->profile(e, &infos, &n));
    for (int i = 0; i < n; i++) {
        *total_ms += infos[i].seconds * 1e3;
        if (o->profile)
            printf("{\"part\": \"%s\", \"node\": \"%s\", \"op\": \"%s\", \"kernel\": \"%s\", "
                   "\"ms\": %.5f, \"gflop\": %.4f}\n",
                   part, infos[i].node, op_name(infos[i].op), infos[i].kernel,
                   infos[i].seconds * 1e3, (double)infos[i].flops * 1e-9);
    }
    return ROTO_OK;
}

static roto_status compare(const options *o, const char *part, const graph *g, const device *d,
                           executable *e, const device *cpu, executable *expected, bool *ok)
{
    fill(g, d, e);
    fill(g, cpu, expected);
    ROTO_TRY(d->table->run(e));
    ROTO_TRY(cpu->table->run(expected));
    for (int i = 0; i < graph_n_outputs(g); i++) {
        const graph_port *port = graph_output_at(g, i);
        const double error = error_of(d->table->output(e, i), cpu->table->output(expected, i),
                                      count_of(g, port->tensor));
        const bool good = error <= o->max_error; /* false for NaN */
        printf("{\"part\": \"%s\", \"output\": \"%s\", \"relative_error\": %.3g, \"ok\": %s}\n",
               part, port->name, error, good ? "true" : "false");
        *ok = *ok && good;
    }
    return ROTO_OK;
}

static roto_status measure(const options *o, const char *part, const graph *g, const device *d,
                           executable *e)
{
    double *ms = calloc((size_t)o->n_runs, sizeof(*ms)), kernels_ms = 0;
    if (!ms)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    int64_t flops = 0;
    for (int i = 0; i < graph_n_nodes(g); i++)
        flops += graph_node_flops(g, graph_node_at(g, i));
    roto_status status = time_runs(d, e, o->n_runs, ms);
    if (status == ROTO_OK)
        status = print_kernels(o, part, d, e, &kernels_ms);
    if (status == ROTO_OK)
        printf("{\"part\": \"%s\", \"device\": \"%s\", \"precision\": \"%s\", \"objects\": %d, "
               "\"median_ms\": %.4f, \"p99_ms\": %.4f, \"kernels_ms\": %.4f, \"gflop\": %.3f, "
               "\"tflops\": %.2f, \"device_mb\": %.1f}\n",
               part, o->backend, o->precision == PRECISION_BF16 ? "bf16" : "fp32", o->n_objects,
               ms[o->n_runs / 2], ms[(o->n_runs * 99 - 1) / 100], kernels_ms, (double)flops * 1e-9,
               (double)flops * 1e-9 / (kernels_ms > 0 ? kernels_ms : 1e9),
               (double)d->table->memory_bytes(e) / (1 << 20));
    fflush(stdout);
    free(ms);
    return status;
}

static roto_status run_part(const options *o, const char *part, graph *g, const device *d,
                            const device *cpu, bool *ok)
{
    executable *e = NULL, *expected = NULL;
    roto_status status = d->table->compile(d->b, g, &e);
    if (status == ROTO_OK)
        status = cpu->table->compile(cpu->b, g, &expected);
    if (status == ROTO_OK)
        status = compare(o, part, g, d, e, cpu, expected, ok);
    if (status == ROTO_OK)
        status = measure(o, part, g, d, e);
    if (e)
        d->table->release(e);
    if (expected)
        cpu->table->release(expected);
    graph_free(g);
    return status;
}

static roto_status run_all(const options *o, const sam2_model *m, const device *d,
                           const device *cpu, bool *ok)
{
    enum { N_CONDITIONING = 1 };
    const sam2_size size = sam2_size_for(&m->config, o->w, o->h);
    graph *g = NULL;
    ROTO_TRY(sam2_frame_graph(m, &size, &g));
    ROTO_TRY(run_part(o, "frame", g, d, cpu, ok));
    ROTO_TRY(sam2_memory_attention_graph(m, &size, o->n_objects, N_CONDITIONING, &g));
    ROTO_TRY(run_part(o, "memory_attention", g, d, cpu, ok));
    ROTO_TRY(sam2_mask_decoder_graph(m, &size, o->n_objects, 0, &g));
    ROTO_TRY(run_part(o, "mask_decoder", g, d, cpu, ok));
    ROTO_TRY(sam2_memory_encoder_graph(m, &size, o->n_objects, &g));
    return run_part(o, "memory_encoder", g, d, cpu, ok);
}

int main(int argc, char **argv)
{
    options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: bench_sam2_graphs MODEL.safetensors [--backend NAME] [--precision P] "
                "[--isa NAME] [--objects N] [--size W H] [--runs N] [--max-error E] "
                "[--profile]\n");
        return 2;
    }
    sam2_model *m = NULL;
    device d = {NULL, NULL}, cpu = {NULL, NULL};
    bool ok = true;
    roto_status status = sam2_model_open(o.model, &m);
    if (status == ROTO_OK)
        status = device_open(&d, o.backend, o.precision, o.isa);
    if (status == ROTO_OK)
        status = device_open(&cpu, "cpu", PRECISION_FP32, NULL);
    if (status == ROTO_OK)
        status = run_all(&o, m, &d, &cpu, &ok);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_sam2_graphs: %s\n", roto_error_message());
    if (d.b)
        d.table->close(d.b);
    if (cpu.b)
        cpu.table->close(cpu.b);
    sam2_model_free(m);
    return status == ROTO_OK && ok ? 0 : 1;
}
