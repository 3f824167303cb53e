#include "bench.h"
#include "bench_frames.h"
#include "exit_code.h"
#include "failure.h"
#include "statistics.h"

#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP_FRAMES = 5 };

static const char name[] = "roto bench";

/* Fills `times` with *n values, the warm-up left out. */
static roto_status time_frames(roto_detector *detector, const char *video, const bench_options *o,
                               double *times, int *n)
{
    bench_frames frames;
    roto_status status = bench_frames_open(video, o, &frames);
    *n = 0;
    for (long long i = 0; i < WARM_UP_FRAMES + o->n_frames && status == ROTO_OK; i++) {
        const roto_image *image;
        status = bench_frames_next(&frames, &image);
        if (status != ROTO_OK)
            break;
        const roto_detection *detections;
        int32_t n_detections;
        const double start = bench_now_s();
        status = roto_detector_run(detector, image, &detections, &n_detections);
        times[*n] = bench_now_s() - start;
        *n += i >= WARM_UP_FRAMES;
    }
    bench_frames_close(&frames);
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
    roto_status status = time_frames(detector, video, o, times, &n);
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
