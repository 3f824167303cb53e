#include "compute_options.h"

#include <string.h>

static const char *const precisions[] = {
    [ROTO_PRECISION_FP32] = "fp32", [ROTO_PRECISION_BF16] = "bf16", NULL};

enum { MAX_THREADS = 256 };

static void append(option *options, const option *rows, size_t bytes)
{
    while (options->name)
        options++;
    memcpy(options, rows, bytes);
}

void compute_options_append(compute_options *o, option *options)
{
    const option row = option_text("--model", "FILE",
                                   "detector: an ONNX file, its JSON description beside it;\n"
                                   "default: the YOLOX-nano that comes with roto. A bare\n"
                                   "name is looked up in the folder ROTO_MODEL_DIR, else\n"
                                   "among the models that came with the program",
                                   &o->model);
    append(options, &row, sizeof(row));
    compute_options_append_devices(o, options);
}

void compute_options_append_devices(compute_options *o, option *options)
{
    const option rows[N_DEVICE_OPTIONS] = {
        option_text("--device", "NAME",
                    "where models run: cpu (default), reference (slow,\n"
                    "defines what is right), cuda or cuda:N",
                    &o->device),
        option_choice("--precision", "P", "fp32 (default), or bf16 where the device has it",
                      &o->precision, precisions),
        option_integer("--threads", "N", "threads for the models; default: one per core",
                       &o->n_threads, 1, MAX_THREADS),
    };
    append(options, rows, sizeof(rows));
}

void compute_options_set_device(const compute_options *o, roto_compute_params *compute)
{
    if (o->device)
        compute->device = o->device;
    compute->precision = (roto_precision)o->precision;
    compute->n_threads = (int32_t)o->n_threads;
}

int compute_options_apply(compute_options *o, const command_line *c, roto_compute_params *compute)
{
    if (!environment_find_model(o->model, DEFAULT_DETECTOR, &o->model_path))
        return command_line_refuse(c, "the path of the model is longer than %d bytes", PATH_BYTES);
    compute_options_set_device(o, compute);
    return COMMAND_LINE_GO_ON;
}
