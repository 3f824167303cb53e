#include "bench.h"
#include "commands.h"
#include "environment.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"

#include <stdio.h>
#include <string.h>

static const char name[] = "roto bench";

/* "1280x720" */
static bool parse_size(const char *text, int32_t *width, int32_t *height)
{
    char first[16];
    long long w, h;
    const char *x = strchr(text, 'x');
    if (!x || (size_t)(x - text) >= sizeof(first))
        return false;
    snprintf(first, sizeof(first), "%.*s", (int)(x - text), text);
    if (!parse_integer(first, 1, ROTO_IMAGE_MAX_PX, &w) ||
        !parse_integer(x + 1, 1, ROTO_IMAGE_MAX_PX, &h))
        return false;
    *width = (int32_t)w;
    *height = (int32_t)h;
    return true;
}

/* From a video, the sample clip unless one was named, to an overlay. */
static int run_pipelines(const char *video, const char *segmenter,
                         const roto_compute_params *compute, const bench_options *o,
                         bench_results *results)
{
    path_text clip;
    if (!video) {
        if (!environment_find_asset("clips/bedroom.mp4", &clip)) {
            printf("pipeline   not measured: name a VIDEO\n");
            return EXIT_OK;
        }
        video = clip.text;
    }
    const int code = bench_pipeline(video, compute, o, results);
    return code == EXIT_OK ? bench_masks(segmenter, compute, video, results) : code;
}

static int run(const command_line *c, const char *video, bench_options *o)
{
    if (o->size && !parse_size(o->size, &o->width, &o->height))
        return command_line_refuse(c, "--size is \"%s\"; it must be like 1280x720", o->size);
    roto_detector_params params = roto_detector_params_default();
    int code = compute_options_apply(&o->compute, c, &params.compute);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    path_text segmenter;
    if (!environment_find_model(o->segmenter, DEFAULT_SEGMENTER, &segmenter))
        return command_line_refuse(c, "the path of the segmenter is longer than %d bytes",
                                   PATH_BYTES);
    roto_detector *detector = NULL;
    roto_status status = roto_detector_open(o->compute.model_path.text, &params, &detector);
    if (status != ROTO_OK)
        return failure_report(name, status);
    json_out json = {0};
    if (o->json && !json_open(&json, o->json)) {
        code = failure_report_file(name, "create", o->json);
        goto done;
    }
    interrupt_install();
    bench_results results = {.json = o->json ? &json : NULL};
    if (o->json)
        json_begin(&json, NULL, '{');
    code = bench_detector(detector, video, o, &results);
    if (code == EXIT_OK)
        code = bench_kernels(detector, o, &results);
    roto_detector_close(detector);
    detector = NULL;
    if (code == EXIT_OK)
        code = bench_segmenter(segmenter.text, &params.compute, video, o, &results);
    if (code == EXIT_OK)
        code = run_pipelines(video, segmenter.text, &params.compute, o, &results);
    if (o->json) {
        json_end(&json, '}');
        json_line(&json);
        if (!json_close(&json) && code == EXIT_OK)
            code = failure_report_file(name, "write", o->json);
    }
done:
    roto_detector_close(detector);
    return code;
}

int command_bench(int argc, char **argv)
{
    bench_options o = {.n_frames = 100, .n_kernels = 12, .width = 1280, .height = 720};
    option options[9 + N_COMPUTE_OPTIONS] = {
        option_integer("--frames", "N", "frames to time the models on; default: 100", &o.n_frames,
                       1, BENCH_MAX_FRAMES),
        option_text("--size", "WxH", "size of synthetic frames; default: 1280x720", &o.size),
        option_integer("--kernels", "N", "how many kernels to list, slowest first; default: 12",
                       &o.n_kernels, 0, 100000),
        option_text("--json", "OUT", "write the results as JSON too", &o.json),
        option_text("--segmenter", "FILE", "default: the one that comes with roto", &o.segmenter),
    };
    compute_options_append(&o.compute, options);
    const command_line c = {
        .name = name,
        .operands = "[VIDEO]",
        .about =
            "Times the detector on the frames of VIDEO, or on synthetic ones: median, 99th\n"
            "percentile and GFLOP/s, then every kernel of the network by itself; then the\n"
            "segmenter, part by part, with 1 and with 8 objects. With a VIDEO (default: the\n"
            "sample clip that comes with the sources) also the whole way from the video to an\n"
            "overlay, which goes to a temporary file, with the detector and with masks.",
        .examples = "  roto bench\n"
                    "  roto bench match.mp4 --threads 2 --frames 500\n"
                    "  roto bench --size 1920x1080 --kernels 1000 --json bench.json\n",
        .options = options,
        .most_operands = 1,
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    return run(&c, n_operands ? argv[0] : NULL, &o);
}
