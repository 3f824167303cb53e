#include "memory_options.h"

#include <string.h>

enum { MAX_COND_FRAMES = 8, MAX_MARGIN = 1024 };

void memory_options_append(memory_options *o, option *options)
{
    o->prune_margin = -1;
    while (options->name)
        options++;
    const option rows[N_MEMORY_OPTIONS] = {
        option_flag("--motion-aware",
                    "of masks: choose them with the expected box, remember\n"
                    "frames that fit (as SAMURAI)",
                    &o->motion_aware),
        option_flag("--distractor-aware",
                    "of masks: remember frames that show something like the\n"
                    "object beside it (as DAM4SAM)",
                    &o->distractor_aware),
        option_integer("--max-cond-frames", "N",
                       "of masks: look at the N marked frames nearest in time\n"
                       "alone, 2..8; default: at all",
                       &o->max_cond_frames, 2, MAX_COND_FRAMES),
        option_integer("--prune-memory", "N",
                       "of masks: of tracked frames remember only what is within\n"
                       "N cells (of 16 pixels of the model) of the object",
                       &o->prune_margin, 0, MAX_MARGIN),
    };
    memcpy(options, rows, sizeof(rows));
}

void memory_options_set(const memory_options *o, roto_memory_params *params)
{
    params->motion_aware = o->motion_aware;
    params->distractor_aware = o->distractor_aware;
    params->max_cond_frames = (int32_t)o->max_cond_frames;
    params->prune_margin = (int32_t)o->prune_margin;
}
