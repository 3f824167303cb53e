#include "bench.h"
#include "environment.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char name[] = "roto bench";

static int32_t on_progress(void *user, const roto_run_progress *progress)
{
    (void)user, (void)progress;
    return interrupt_requested();
}

static void print_summary(const char *video, const roto_run_summary *s)
{
    double ms = s->n_frames > 0 ? 1e3 / (double)s->n_frames : 0;
    printf("pipeline   %s to overlay: %.1f frames/s over %lld frames\n", video, s->frames_per_s,
           (long long)s->n_frames);
    printf(
        "           a frame: decode %.2f, detect %.2f, track %.3f, draw %.2f, encode %.2f ms; the\n"
        "           detector waited %.2f s for frames and %.2f s for the writers\n",
        s->times.decode_s * ms, s->times.detect_s * ms, s->times.track_s * ms, s->times.draw_s * ms,
        s->times.encode_s * ms, s->times.wait_input_s, s->times.wait_output_s);
}

static void write_summary(json_out *json, const char *video, const roto_run_summary *s)
{
    json_begin(json, "pipeline", '{');
    json_string(json, "video", video);
    json_integer(json, "n_frames", s->n_frames);
    json_real(json, "frames_per_s", s->frames_per_s);
    json_real(json, "decode_s", s->times.decode_s);
    json_real(json, "detect_s", s->times.detect_s);
    json_real(json, "track_s", s->times.track_s);
    json_real(json, "draw_s", s->times.draw_s);
    json_real(json, "encode_s", s->times.encode_s);
    json_real(json, "wait_input_s", s->times.wait_input_s);
    json_real(json, "wait_output_s", s->times.wait_output_s);
    json_end(json, '}');
}

int bench_pipeline(const char *video, const roto_compute_params *compute, const bench_options *o,
                   bench_results *results)
{
    path_text clip, folder, overlay;
    if (!video) {
        if (!environment_find_asset("clips/bedroom.mp4", &clip)) {
            printf("pipeline   not measured: name a VIDEO\n");
            return EXIT_OK;
        }
        video = clip.text;
    }
    int n = snprintf(folder.text, sizeof(folder.text), "%s/roto-bench-XXXXXX",
                     environment_temp_folder());
    if (n < 0 || (size_t)n >= sizeof(folder.text) || !mkdtemp(folder.text))
        return failure_report_file(name, "create", folder.text);
    if ((size_t)snprintf(overlay.text, sizeof(overlay.text), "%s/overlay.mp4", folder.text) >=
        sizeof(overlay.text)) {
        rmdir(folder.text);
        return failure_report_file(name, "create", folder.text);
    }
    roto_run_params params = roto_run_params_default();
    params.input = video;
    params.model_path = o->compute.model_path.text;
    params.detector.compute = *compute;
    params.overlay_path = overlay.text;
    params.on_progress = on_progress;
    roto_run_summary summary = {.struct_bytes = sizeof(summary)};
    roto_status status = roto_run(&params, &summary);
    unlink(overlay.text);
    rmdir(folder.text);
    if (status != ROTO_OK)
        return failure_report(name, status);
    print_summary(video, &summary);
    if (results->json)
        write_summary(results->json, video, &summary);
    return EXIT_OK;
}
