/* bench.h - what `roto bench` measures. */
#ifndef BENCH_H
#define BENCH_H

#include "command_line.h"
#include "compute_options.h"
#include "json_out.h"

#include <roto/roto.h>

enum { BENCH_MAX_FRAMES = 100000, BENCH_N_OBJECT_COUNTS = 2, BENCH_MAX_OBJECTS = 8 };

/* How many objects the segmenter is timed with. */
extern const int32_t bench_object_counts[BENCH_N_OBJECT_COUNTS];

typedef struct bench_options {
    const char *size, *json, *segmenter;
    long long n_frames, n_kernels;
    int32_t width, height; /* of synthetic frames */
    compute_options compute;
} bench_options;

typedef struct bench_results {
    json_out *json; /* NULL: none */
    double median_s;
} bench_results;

/* Each prints its part, adds it to the JSON object, and returns an exit code. `video` may be NULL.
 */
int bench_detector(roto_detector *detector, const char *video, const bench_options *o,
                   bench_results *results);
int bench_kernels(roto_detector *detector, const bench_options *o, bench_results *results);
int bench_segmenter(const char *model, const roto_compute_params *compute, const char *video,
                    const bench_options *o, bench_results *results);

/* The whole way from the video, which has to be named here, to an overlay. */
int bench_pipeline(const char *video, const roto_compute_params *compute, const bench_options *o,
                   bench_results *results);
int bench_masks(const char *model, const roto_compute_params *compute, const char *video,
                bench_results *results);

/* Where object `index` is marked on a frame of that size. */
roto_box bench_object_box(int32_t index, int32_t width, int32_t height);

#endif
