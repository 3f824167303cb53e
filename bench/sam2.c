/* bench_sam2 MODEL.safetensors PART [options] - times one of the segmenter's graphs.
 *
 *   PART             frame, attention, decoder or encoder
 *   --size WxH       of the frames that the model is sized for; default 1280x720
 *   --batch N        objects computed together; default 1
 *   --backend NAME   cpu (default) or reference
 *   --precision P    fp32 (default) or bf16
 *   --isa NAME       as backend_params.isa
 *   --threads N      default 2
 *   --profile        time per kernel, in order, with its GFLOP/s
 *   --input FILE     float32, all inputs one after the other; default: a ramp in -1..1
 *   --output FILE    write the outputs of the last run there, float32, one after the other
 *   --serve          instead of --runs: for every line "N" on standard input run N times and print
 *                    the milliseconds of each; bench/peers/segmenter_parts.py alternates so
 *   --runs N         default 50
 */
#include "graph_run.h"

#include "base/error.h"
#include "models/sam2/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *model, *part, *backend, *isa, *input, *output;
    precision precision;
    int n_threads, n_runs, batch, frame_w, frame_h;
    bool profile, serve;
} options;

typedef struct bench {
    options o;
    sam2_model *model;
    graph *g;
    graph_run run;
} bench;

static bool parse_value(const char *name, const char *value, options *o)
{
    if (strcmp(name, "--backend") == 0)
        o->backend = value;
    else if (strcmp(name, "--input") == 0)
        o->input = value;
    else if (strcmp(name, "--output") == 0)
        o->output = value;
    else if (strcmp(name, "--isa") == 0)
        o->isa = value;
    else if (strcmp(name, "--precision") == 0 && strcmp(value, "bf16") == 0)
        o->precision = PRECISION_BF16;
    else if (strcmp(name, "--precision") == 0)
        return strcmp(value, "fp32") == 0;
    else if (strcmp(name, "--threads") == 0)
        o->n_threads = atoi(value);
    else if (strcmp(name, "--runs") == 0)
        o->n_runs = atoi(value);
    else if (strcmp(name, "--batch") == 0)
        o->batch = atoi(value);
    else if (strcmp(name, "--size") == 0)
        return sscanf(value, "%dx%d", &o->frame_w, &o->frame_h) == 2;
    else
        return false;
    return true;
}

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.backend = "cpu",
                   .n_threads = 2,
                   .n_runs = 50,
                   .batch = 1,
                   .frame_w = 1280,
                   .frame_h = 720};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--profile") == 0)
            o->profile = true;
        else if (strcmp(name, "--serve") == 0)
            o->serve = true;
        else if (strncmp(name, "--", 2) != 0 && !o->model)
            o->model = name;
        else if (strncmp(name, "--", 2) != 0 && !o->part)
            o->part = name;
        else if (i + 1 == argc || !parse_value(name, argv[++i], o))
            return false;
    }
    return o->part && o->n_threads > 0 && o->n_runs > 0 && o->batch > 0 && o->frame_w > 0 &&
           o->frame_h > 0;
}

static roto_status build(bench *b)
{
    const sam2_size size = sam2_size_for(&b->model->config, b->o.frame_w, b->o.frame_h);
    if (strcmp(b->o.part, "frame") == 0)
        return sam2_frame_graph(b->model, &size, &b->g);
    if (strcmp(b->o.part, "attention") == 0)
        return sam2_memory_attention_graph(b->model, &size, b->o.batch, 1, &b->g);
    if (strcmp(b->o.part, "decoder") == 0)
        return sam2_mask_decoder_graph(b->model, &size, b->o.batch, 0, &b->g);
    if (strcmp(b->o.part, "encoder") == 0)
        return sam2_memory_encoder_graph(b->model, &size, b->o.batch, &b->g);
    return roto_fail(ROTO_ERROR_ARGUMENT, "no part \"%s\"", b->o.part);
}

static roto_status print_times(bench *b)
{
    double median_ms = 0, least_ms = 0;
    ROTO_TRY(graph_run_many(&b->run, b->o.n_runs, &median_ms, &least_ms));
    printf("%s, %d objects, %d threads: median %.3f ms, least %.3f ms of %d runs; %.1f MB\n",
           b->o.part, b->o.batch, b->o.n_threads, median_ms, least_ms, b->o.n_runs,
           (double)b->run.table->memory_bytes(b->run.e) * 1e-6);
    return ROTO_OK;
}

static roto_status print_profile(bench *b)
{
    enum { RUNS = 20 };
    kernel_info *kernels;
    int n = 0;
    ROTO_TRY(graph_run_profile(&b->run, RUNS, &kernels, &n));
    for (int i = 0; i < n; i++)
        printf("%9.1f us %7.1f GFLOP/s  %-18s %-20s %s\n", kernels[i].seconds * 1e6,
               (double)kernels[i].flops / kernels[i].seconds * 1e-9, op_name(kernels[i].op),
               kernels[i].kernel, kernels[i].node);
    free(kernels);
    return ROTO_OK;
}

static roto_status measure(bench *b)
{
    ROTO_TRY(sam2_model_open(b->o.model, &b->model));
    ROTO_TRY(build(b));
    b->run.g = b->g;
    ROTO_TRY(graph_run_set_input(&b->run, b->o.input, -1, 1.0f / 128));
    const backend_params params = {
        .n_threads = b->o.n_threads, .precision = b->o.precision, .isa = b->o.isa};
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
        fprintf(stderr, "bench_sam2 MODEL.safetensors frame|attention|decoder|encoder "
                        "[--size WxH] [--batch N] [--backend NAME] [--precision P] [--isa NAME] "
                        "[--threads N] [--profile] "
                        "[--input FILE] [--output FILE] [--serve] [--runs N]\n");
        return 2;
    }
    const roto_status status = measure(&b);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_sam2: %s\n", roto_error_message());
    graph_run_free(&b.run);
    graph_free(b.g);
    sam2_model_free(b.model);
    return status == ROTO_OK ? 0 : 1;
}
