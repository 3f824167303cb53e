/* bench_sam2 MODEL.safetensors PART [options] - times one of the segmenter's graphs.
 *
 *   PART             frame, attention, decoder or encoder
 *   --size WxH       of the frames that the model is sized for; default 1280x720
 *   --batch N        objects computed together; default 1
 *   --backend NAME   cpu (default) or reference
 *   --threads N      default 2
 *   --profile        time per kernel, in order, with its GFLOP/s
 *   --input FILE     float32, all inputs one after the other; default: a ramp in -1..1
 *   --output FILE    write the outputs of the last run there, float32, one after the other
 *   --serve          instead of --runs: for every line "N" on standard input run N times and print
 *                    the milliseconds of each; bench/peers/segmenter_parts.py alternates with
 * others
 *   --runs N         default 50
 */
#include "backend/backend.h"
#include "base/clock.h"
#include "base/error.h"
#include "models/sam2/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *model, *part, *backend, *input, *output;
    int n_threads, n_runs, batch, frame_w, frame_h;
    bool profile, serve;
} options;

typedef struct bench {
    options o;
    const backend_table *table;
    backend *b;
    sam2_model *model;
    graph *g;
    executable *e;
    float *input; /* all inputs, one after the other */
} bench;

static bool parse_value(const char *name, const char *value, options *o)
{
    if (strcmp(name, "--backend") == 0)
        o->backend = value;
    else if (strcmp(name, "--input") == 0)
        o->input = value;
    else if (strcmp(name, "--output") == 0)
        o->output = value;
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

static int64_t port_count(const graph *g, const graph_port *port)
{
    return shape_count(&graph_tensor_at(g, port->tensor)->shape);
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

static roto_status make_input(bench *b)
{
    int64_t count = 0, n_read = 0;
    for (int i = 0; i < graph_n_inputs(b->g); i++)
        count += port_count(b->g, graph_input_at(b->g, i));
    b->input = calloc((size_t)count, sizeof(float));
    if (!b->input)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: inputs");
    for (int64_t i = 0; i < count; i++)
        b->input[i] = (float)(i * 7919 % 256) / 128 - 1;
    if (!b->o.input)
        return ROTO_OK;
    FILE *f = fopen(b->o.input, "rb");
    if (f) {
        n_read = (int64_t)fread(b->input, sizeof(float), (size_t)count, f);
        fclose(f);
    }
    if (n_read != count)
        return roto_fail(ROTO_ERROR_IO, "%s: it has to hold %lld floats", b->o.input,
                         (long long)count);
    return ROTO_OK;
}

static roto_status run_once(bench *b, double *ms)
{
    const float *from = b->input;
    for (int i = 0; i < graph_n_inputs(b->g); i++) { /* a run may have overwritten them */
        const int64_t count = port_count(b->g, graph_input_at(b->g, i));
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
        printf("%s, %d objects, %d threads: median %.3f ms, least %.3f ms of %d runs; %.1f MB\n",
               b->o.part, b->o.batch, b->o.n_threads, ms[b->o.n_runs / 2], ms[0], b->o.n_runs,
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

/* The least time of each kernel over several runs. */
static roto_status print_profile(bench *b)
{
    enum { RUNS = 20 };
    const kernel_info *infos = NULL;
    int n = 0;
    double *least = NULL;
    for (int r = 0; r < RUNS; r++) {
        double ms = 0;
        ROTO_TRY(run_once(b, &ms)); /* sets the inputs */
        ROTO_TRY(b->table->profile(b->e, &infos, &n));
        if (!least)
            least = calloc((size_t)n + 1, sizeof(*least));
        if (!least)
            return roto_fail(ROTO_ERROR_MEMORY, "out of memory: profile");
        for (int i = 0; i < n; i++)
            least[i] = r == 0 || infos[i].seconds < least[i] ? infos[i].seconds : least[i];
    }
    for (int i = 0; i < n; i++)
        printf("%9.1f us %7.1f GFLOP/s  %-18s %-20s %s\n", least[i] * 1e6,
               (double)infos[i].flops / least[i] * 1e-9, op_name(infos[i].op), infos[i].kernel,
               infos[i].node);
    free(least);
    return ROTO_OK;
}

static roto_status write_outputs(bench *b)
{
    FILE *f = fopen(b->o.output, "wb");
    if (!f)
        return roto_fail(ROTO_ERROR_IO, "cannot create %s", b->o.output);
    bool written = true;
    for (int i = 0; i < graph_n_outputs(b->g); i++) {
        const size_t count = (size_t)port_count(b->g, graph_output_at(b->g, i));
        written = fwrite(b->table->output(b->e, i), sizeof(float), count, f) == count && written;
    }
    written = fclose(f) == 0 && written;
    return written ? ROTO_OK : roto_fail(ROTO_ERROR_IO, "cannot write %s", b->o.output);
}

static roto_status measure(bench *b)
{
    ROTO_TRY(sam2_model_open(b->o.model, &b->model));
    ROTO_TRY(build(b));
    ROTO_TRY(make_input(b));
    const backend_params params = {.n_threads = b->o.n_threads};
    ROTO_TRY(b->table->open(&params, &b->b));
    ROTO_TRY(b->table->compile(b->b, b->g, &b->e));
    ROTO_TRY(b->o.serve ? serve(b) : run_many(b));
    if (b->o.output)
        ROTO_TRY(write_outputs(b));
    return b->o.profile ? print_profile(b) : ROTO_OK;
}

int main(int argc, char **argv)
{
    bench b = {.table = NULL};
    if (!parse(argc, argv, &b.o) || !(b.table = backend_find(b.o.backend))) {
        fprintf(stderr, "bench_sam2 MODEL.safetensors frame|attention|decoder|encoder "
                        "[--size WxH] [--batch N] [--backend NAME] [--threads N] [--profile] "
                        "[--input FILE] [--output FILE] [--serve] [--runs N]\n");
        return 2;
    }
    const roto_status status = measure(&b);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_sam2: %s\n", roto_error_message());
    b.table->release(b.e);
    if (b.b)
        b.table->close(b.b);
    graph_free(b.g);
    sam2_model_free(b.model);
    free(b.input);
    return status == ROTO_OK ? 0 : 1;
}
