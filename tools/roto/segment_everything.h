/* segment_everything.h - roto segment --everything. */
#ifndef SEGMENT_EVERYTHING_H
#define SEGMENT_EVERYTHING_H

#include "command_line.h"

#include <roto/everything.h>

typedef struct everything_options {
    bool on;
    const char *json;
    long long points, crops, min_region;
    double min_iou, min_stability;
} everything_options;

enum { N_EVERYTHING_OPTIONS = 7 };

/* Adds the rows behind those that `options` has, and sets defaults. */
void everything_options_append(everything_options *o, option *options);

/* Refuses options that go with --everything alone. */
int everything_options_check(const everything_options *o, const command_line *c);

/* Where the results go; NULL: not. */
typedef struct everything_outputs {
    const char *name; /* the image's, for the JSON */
    const char *ids;  /* PNG of each pixel's mask */
    const char *overlay;
    bool quiet;
} everything_outputs;

/* Returns an exit code. */
int segment_everything(roto_segmenter *segmenter, const roto_image *image,
                       const everything_options *o, const everything_outputs *outputs);

#endif
