#include "bench.h"
#include "bench_frames.h"
#include "exit_code.h"
#include "failure.h"
#include "statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Until every memory slot is taken and every graph compiled. */
enum { WARM_UP_FRAMES = 20 };

static const char name[] = "roto bench";

/* The whole frame and its parts, as roto_segmenter_times has them. */
enum { N_TIMES = 6 };
static const char *const time_names[N_TIMES] = {"frame",  "input",  "encode",
                                                "recall", "decode", "remember"};

typedef struct segment_times {
    double *lists[N_TIMES]; /* seconds of each frame */
    int n;
} segment_times;

const int32_t bench_object_counts[BENCH_N_OBJECT_COUNTS] = {1, BENCH_MAX_OBJECTS};

roto_box bench_object_box(int32_t index, int32_t width, int32_t height)
{
    const float w = (float)width, h = (float)height;
    const float x = (float)(index % 4) * 0.24f + 0.02f, y = (float)(index / 4 % 2) * 0.48f + 0.02f;
    return (roto_box){x * w, y * h, (x + 0.22f) * w, (y + 0.46f) * h};
}

static roto_status mark_objects(roto_segmenter *segmenter, int32_t n_objects,
                                const roto_image *image)
{
    roto_status status = ROTO_OK;
    for (int32_t i = 0; i < n_objects && status == ROTO_OK; i++) {
        const roto_box box = bench_object_box(i, image->width, image->height);
        roto_prompt prompt = roto_prompt_default();
        prompt.box = &box;
        status = roto_segmenter_prompt(segmenter, i + 1, 0, &prompt);
    }
    return status;
}

static roto_status time_frame(roto_segmenter *segmenter, const roto_image *image, long long index,
                              double seconds[N_TIMES])
{
    const double start = bench_now_s();
    roto_status status = roto_segmenter_frame(segmenter, image, index, NULL, NULL);
    seconds[0] = bench_now_s() - start;
    roto_segmenter_times parts = {.struct_bytes = sizeof(parts)};
    if (status == ROTO_OK)
        status = roto_segmenter_latest_times(segmenter, &parts);
    seconds[1] = parts.input_s;
    seconds[2] = parts.encode_s;
    seconds[3] = parts.recall_s;
    seconds[4] = parts.decode_s;
    seconds[5] = parts.remember_s;
    return status;
}

static roto_status time_frames(roto_segmenter *segmenter, const char *video, int32_t n_objects,
                               const bench_options *o, segment_times *times)
{
    bench_frames frames;
    roto_status status = bench_frames_open(video, o, &frames);
    roto_segmenter_reset(segmenter);
    times->n = 0;
    for (long long i = 0; i < WARM_UP_FRAMES + o->n_frames && status == ROTO_OK; i++) {
        const roto_image *image;
        double seconds[N_TIMES];
        status = bench_frames_next(&frames, &image);
        if (status == ROTO_OK && i == 0)
            status = mark_objects(segmenter, n_objects, image);
        if (status == ROTO_OK)
            status = time_frame(segmenter, image, i, seconds);
        if (status != ROTO_OK || i < WARM_UP_FRAMES)
            continue;
        for (int k = 0; k < N_TIMES; k++)
            times->lists[k][times->n] = seconds[k];
        times->n++;
    }
    bench_frames_close(&frames);
    return status == ROTO_END ? ROTO_OK : status;
}

static void report(const segment_times *times, int32_t n_objects, json_out *json)
{
    printf("segmenter  %d object%s over %d frames; median and 99th percentile in ms:\n          ",
           n_objects, n_objects == 1 ? "" : "s", times->n);
    if (json) {
        json_begin(json, NULL, '{');
        json_integer(json, "n_objects", n_objects);
        json_integer(json, "n_frames", times->n);
    }
    for (int k = 0; k < N_TIMES; k++) {
        const double median = statistics_quantile(times->lists[k], times->n, 0.5) * 1e3,
                     p99 = statistics_quantile(times->lists[k], times->n, 0.99) * 1e3;
        printf(" %s %.2f %.2f%s", time_names[k], median, p99, k == N_TIMES - 1 ? "\n" : ",");
        if (json) {
            json_begin(json, time_names[k], '{');
            json_real(json, "median_ms", median);
            json_real(json, "p99_ms", p99);
            json_real(json, "min_ms", times->lists[k][0] * 1e3);
            json_end(json, '}');
        }
    }
    if (json)
        json_end(json, '}');
}

static int measure(roto_segmenter *segmenter, const char *video, const bench_options *o,
                   bench_results *results, segment_times *times)
{
    for (int i = 0; i < BENCH_N_OBJECT_COUNTS; i++) {
        const int32_t n_objects = bench_object_counts[i];
        const roto_status status = time_frames(segmenter, video, n_objects, o, times);
        if (status != ROTO_OK)
            return failure_report(name, status);
        if (times->n == 0) {
            fprintf(stderr,
                    "%s: \"%s\" has no more than the %d frames that warm up the segmenter\n", name,
                    video, WARM_UP_FRAMES);
            return EXIT_USAGE;
        }
        report(times, n_objects, results->json);
    }
    return EXIT_OK;
}

int bench_segmenter(const char *model, const roto_compute_params *compute, const char *video,
                    const bench_options *o, bench_results *results)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute = *compute;
    roto_segmenter *segmenter = NULL;
    segment_times times = {.n = 0};
    int code = EXIT_OK;
    const roto_status status = roto_segmenter_open(model, &params, &segmenter);
    if (status != ROTO_OK)
        return failure_report(name, status);
    for (int k = 0; k < N_TIMES; k++) {
        times.lists[k] = malloc((size_t)o->n_frames * sizeof(double));
        if (!times.lists[k]) {
            fprintf(stderr, "%s: out of memory\n", name);
            code = EXIT_MEMORY;
            goto done;
        }
    }
    printf("%s\n", roto_segmenter_describe(segmenter));
    if (results->json)
        json_begin(results->json, "segmenter", '[');
    code = measure(segmenter, video, o, results, &times);
    if (results->json)
        json_end(results->json, ']');
done:
    for (int k = 0; k < N_TIMES; k++)
        free(times.lists[k]);
    roto_segmenter_close(segmenter);
    return code;
}
