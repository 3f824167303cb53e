/* memory_options.h - what objects remember beyond the published rule: options of roto track and
 * roto eval davis. */
#ifndef MEMORY_OPTIONS_H
#define MEMORY_OPTIONS_H

#include "command_line.h"

#include <roto/segment.h>

typedef struct memory_options {
    bool motion_aware, distractor_aware;
    long long max_cond_frames, prune_margin;
} memory_options;

enum { N_MEMORY_OPTIONS = 4 };

/* Adds the rows behind those that `options` has, and sets defaults. */
void memory_options_append(memory_options *o, option *options);

void memory_options_set(const memory_options *o, roto_memory_params *params);

#endif
