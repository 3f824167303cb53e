#include "compute_options.h"

#include <string.h>

static const char *const precisions[] = {
    [ROTO_PRECISION_FP32] = "fp32", [ROTO_PRECISION_BF16] = "bf16", NULL};

enum { MAX_THREADS = 256 };

void compute_options_append(compute_options *o, option *options)
{
    const option rows[N_COMPUTE_OPTIONS] = {
        option_text("--model", "FILE",
                    "detector: an ONNX file, its JSON description beside it;\n"
                    "default: the YOLOX-nano that comes with roto. A bare\n"
                    "name is looked up in the folder ROTO_MODEL_DIR, else\n"
                    "among the models that came with the program",
                    &o->model),
        option_text("--device", "NAME",
                    "where models run: cpu (default), reference (slow,\n"
                    "defines what is right), cuda or cuda:N",
                    &o->device),
        option_choice("--precision", "P", "fp32 (default), or bf16 where the device has it",
                      &o->precision, precisions),
        option_integer("--threads", "N", "threads for the models; default: one per core",
                       &o->n_threads, 1, MAX_THREADS),
    };
    while (options->name)
        options++;
    memcpy(options, rows, sizeof(rows));
}

int compute_options_apply(compute_options *o, const command_line *c, roto_compute_params *compute)
{
    if (!environment_find_model(o->model, DEFAULT_DETECTOR, &o->model_path))
        return command_line_refuse(c, "the path of the model is longer than %d bytes", PATH_BYTES);
    if (o->device)
        compute->device = o->device;
    compute->precision = (roto_precision)o->precision;
    compute->n_threads = (int32_t)o->n_threads;
    return COMMAND_LINE_GO_ON;
}
