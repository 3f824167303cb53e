/* compute_options.h - the options that every command with a model shares: --model, --device,
 * --precision, --threads. */
#ifndef COMPUTE_OPTIONS_H
#define COMPUTE_OPTIONS_H

#include "command_line.h"
#include "environment.h"

#include <roto/detect.h>

typedef struct compute_options {
    const char *model, *device;
    int precision; /* roto_precision */
    long long n_threads;
    path_text model_path; /* set by compute_options_apply */
} compute_options;

enum { N_COMPUTE_OPTIONS = 4, N_DEVICE_OPTIONS = N_COMPUTE_OPTIONS - 1 };

/* Adds the rows behind those that `options` has; there must be room for them and for the end. */
void compute_options_append(compute_options *o, option *options);

/* The same without --model, for commands without a detector. */
void compute_options_append_devices(compute_options *o, option *options);

/* What these say, as long as `o` lives. */
void compute_options_set_device(const compute_options *o, roto_compute_params *compute);

/* Finds the model and fills in what roto_detector_open takes, as long as `o` lives. Returns
 * COMMAND_LINE_GO_ON or an exit code. */
int compute_options_apply(compute_options *o, const command_line *c, roto_compute_params *compute);

#endif
