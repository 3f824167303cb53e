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

/* Runs with an overlay that nobody keeps. */
static int run_to_overlay(roto_run_params *params, roto_run_summary *summary)
{
    path_text folder, overlay;
    int n = snprintf(folder.text, sizeof(folder.text), "%s/roto-bench-XXXXXX",
                     environment_temp_folder());
    if (n < 0 || (size_t)n >= sizeof(folder.text) || !mkdtemp(folder.text))
        return failure_report_file(name, "create", folder.text);
    if ((size_t)snprintf(overlay.text, sizeof(overlay.text), "%s/overlay.mp4", folder.text) >=
        sizeof(overlay.text)) {
        rmdir(folder.text);
        return failure_report_file(name, "create", folder.text);
    }
    params->overlay_path = overlay.text;
    params->on_progress = on_progress;
    *summary = (roto_run_summary){.struct_bytes = sizeof(*summary)};
    const roto_status status = roto_run(params, summary);
    unlink(overlay.text);
    rmdir(folder.text);
    return status == ROTO_OK ? EXIT_OK : failure_report(name, status);
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
    roto_run_params params = roto_run_params_default();
    params.input = video;
    params.model_path = o->compute.model_path.text;
    params.detector.compute = *compute;
    roto_run_summary summary;
    const int code = run_to_overlay(&params, &summary);
    if (code != EXIT_OK)
        return code;
    print_summary(video, &summary);
    if (results->json)
        write_summary(results->json, video, &summary);
    return EXIT_OK;
}

static void report_masks(int32_t n_objects, const roto_run_summary *s, json_out *json)
{
    const double ms = s->n_frames > 0 ? 1e3 / (double)s->n_frames : 0;
    printf("masks      %d object%s to overlay: %.1f frames/s over %lld frames; a frame: decode "
           "%.2f,\n           segment %.2f, masks %.2f, draw %.2f, encode %.2f ms\n",
           n_objects, n_objects == 1 ? "" : "s", s->frames_per_s, (long long)s->n_frames,
           s->times.decode_s * ms, s->times.segment_s * ms, s->times.masks_s * ms,
           s->times.draw_s * ms, s->times.encode_s * ms);
    if (!json)
        return;
    json_begin(json, NULL, '{');
    json_integer(json, "n_objects", n_objects);
    json_integer(json, "n_frames", s->n_frames);
    json_real(json, "frames_per_s", s->frames_per_s);
    json_real(json, "decode_s", s->times.decode_s);
    json_real(json, "segment_s", s->times.segment_s);
    json_real(json, "masks_s", s->times.masks_s);
    json_real(json, "draw_s", s->times.draw_s);
    json_real(json, "encode_s", s->times.encode_s);
    json_end(json, '}');
}

static int run_masks(const char *video, const char *model, const roto_compute_params *compute,
                     int32_t n_objects, bench_results *results)
{
    roto_source *source = NULL;
    roto_status status = roto_source_open(video, NULL, &source);
    if (status != ROTO_OK)
        return failure_report(name, status);
    roto_box boxes[BENCH_MAX_OBJECTS];
    roto_run_prompt prompts[BENCH_MAX_OBJECTS];
    for (int32_t i = 0; i < n_objects; i++) {
        const roto_source_info *info = roto_source_describe(source);
        boxes[i] = bench_object_box(i, info->width, info->height);
        prompts[i] = (roto_run_prompt){.id = i + 1, .prompt = roto_prompt_default()};
        prompts[i].prompt.box = &boxes[i];
    }
    roto_source_close(source);
    roto_run_params params = roto_run_params_default();
    params.input = video;
    params.model_path = NULL;
    params.segmenter_path = model;
    params.segmenter.compute = *compute;
    params.prompts = prompts;
    params.n_prompts = n_objects;
    roto_run_summary summary;
    const int code = run_to_overlay(&params, &summary);
    if (code == EXIT_OK)
        report_masks(n_objects, &summary, results->json);
    return code;
}

int bench_masks(const char *model, const roto_compute_params *compute, const char *video,
                bench_results *results)
{
    int code = EXIT_OK;
    if (results->json)
        json_begin(results->json, "masks", '[');
    for (int i = 0; i < BENCH_N_OBJECT_COUNTS && code == EXIT_OK; i++)
        code = run_masks(video, model, compute, bench_object_counts[i], results);
    if (results->json)
        json_end(results->json, ']');
    return code;
}
