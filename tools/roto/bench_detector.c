#include "bench.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UP_FRAMES = 5 };

static const char name[] = "roto bench";

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Noise over a gradient, in YUV 4:2:0 as videos have it; NULL when out of memory. */
static uint8_t *synthetic_frame(int32_t width, int32_t height, roto_image *image)
{
    size_t w = (size_t)width, h = (size_t)height, cw = (w + 1) / 2, ch = (h + 1) / 2;
    uint8_t *pixels = malloc(w * h + 2 * cw * ch);
    if (!pixels)
        return NULL;
    uint32_t random = 1;
    for (size_t i = 0; i < w * h + 2 * cw * ch; i++) {
        random =
            random * 1664525u + 1013904223u; /* Knuth's constants by way of Numerical Recipes */
        pixels[i] = (uint8_t)(i % w * 160 / w + 40 + (random >> 28));
    }
    *image = (roto_image){.width = width,
                          .height = height,
                          .format = ROTO_PIXEL_YUV420P,
                          .matrix = ROTO_COLOR_BT709,
                          .plane = {pixels, pixels + w * h, pixels + w * h + cw * ch},
                          .stride_bytes = {width, (ptrdiff_t)cw, (ptrdiff_t)cw}};
    return pixels;
}

static roto_status time_image(roto_detector *detector, const roto_image *image, double *seconds)
{
    const roto_detection *detections;
    int32_t n;
    double start = now_s();
    roto_status status = roto_detector_run(detector, image, &detections, &n);
    *seconds = now_s() - start;
    return status;
}

/* Both fill `times` with *n values, the warm-up left out. */
static roto_status time_synthetic(roto_detector *detector, const bench_options *o, double *times,
                                  int *n)
{
    roto_image image;
    uint8_t *pixels = synthetic_frame(o->width, o->height, &image);
    if (!pixels)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_OK;
    *n = 0;
    for (long long i = 0; i < WARM_UP_FRAMES + o->n_frames && status == ROTO_OK; i++) {
        status = time_image(detector, &image, &times[*n]);
        *n += i >= WARM_UP_FRAMES;
        if (interrupt_requested())
            status = ROTO_CANCELLED;
    }
    free(pixels);
    return status;
}

static roto_status time_video(roto_detector *detector, const char *video, const bench_options *o,
                              double *times, int *n)
{
    roto_source *source = NULL;
    roto_status status = roto_source_open(video, NULL, &source);
    *n = 0;
    for (long long i = 0; i < WARM_UP_FRAMES + o->n_frames && status == ROTO_OK; i++) {
        roto_frame *frame = NULL;
        status = roto_source_read(source, &frame);
        if (status == ROTO_OK)
            status = time_image(detector, &frame->image, &times[*n]);
        roto_frame_release(frame);
        if (status == ROTO_OK)
            *n += i >= WARM_UP_FRAMES;
        if (interrupt_requested())
            status = ROTO_CANCELLED;
    }
    roto_source_close(source);
    return status == ROTO_END ? ROTO_OK : status;
}

int bench_detector(roto_detector *detector, const char *video, const bench_options *o,
                   bench_results *results)
{
    double *times = malloc(((size_t)o->n_frames + 1) * sizeof(*times));
    if (!times) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    int n = 0;
    int code = EXIT_OK;
    roto_status status =
        video ? time_video(detector, video, o, times, &n) : time_synthetic(detector, o, times, &n);
    if (status != ROTO_OK) {
        code = failure_report(name, status);
        goto done;
    }
    if (n == 0) {
        fprintf(stderr, "%s: \"%s\" has no more than the %d frames that warm up the detector\n",
                name, video, WARM_UP_FRAMES);
        code = EXIT_USAGE;
        goto done;
    }
    double median = statistics_quantile(times, n, 0.5), p99 = statistics_quantile(times, n, 0.99);
    results->median_s = median;
    printf("%s\n", roto_detector_describe(detector));
    printf("detector   median %.2f ms, 99th percentile %.2f ms, least %.2f ms over %d frames\n",
           median * 1e3, p99 * 1e3, times[0] * 1e3, n);
    if (results->json) {
        json_begin(results->json, "detector", '{');
        json_integer(results->json, "n_frames", n);
        json_real(results->json, "median_ms", median * 1e3);
        json_real(results->json, "p99_ms", p99 * 1e3);
        json_real(results->json, "min_ms", times[0] * 1e3);
        json_end(results->json, '}');
    }
done:
    free(times);
    return code;
}
