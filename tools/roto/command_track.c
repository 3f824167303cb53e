#include "class_list.h"
#include "command_line.h"
#include "commands.h"
#include "compute_options.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "progress.h"

#include <roto/roto.h>

#include <stdio.h>
#include <string.h>

enum { MAX_FRAMES = 1000000000 }; /* a year at 30 frames/s */

typedef struct track_options {
    const char *detect, *overlay, *json, *mot, *preset;
    long long max_frames, crf;
    double min_score, max_absence_s, folder_fps;
    bool quiet;
    compute_options compute;
    class_list classes;
} track_options;

static int32_t on_progress(void *user, const roto_run_progress *state)
{
    progress_update(user, state);
    return interrupt_requested();
}

static int32_t on_frame(void *user, const roto_run_frame *found)
{
    (void)user, (void)found;
    return interrupt_requested();
}

static void print_stage(const char *name, double seconds, const roto_run_summary *s)
{
    double n = s->n_frames > 0 ? (double)s->n_frames : 1;
    fprintf(stderr, "  %-10s %8.2f s %8.2f ms a frame\n", name, seconds, seconds * 1e3 / n);
}

static void print_summary(const roto_run_summary *s, const track_options *o)
{
    fprintf(stderr, "%lld frames in %.2f s: %.1f frames/s; %lld detections, %lld identities\n",
            (long long)s->n_frames, s->elapsed_s, s->frames_per_s, (long long)s->n_detections,
            (long long)s->n_identities);
    print_stage("decode", s->times.decode_s, s);
    print_stage("detect", s->times.detect_s, s);
    print_stage("track", s->times.track_s, s);
    if (o->overlay)
        print_stage("draw", s->times.draw_s, s);
    print_stage("write", s->times.encode_s, s);
    fprintf(stderr, "  detector: median %.2f ms, 99th percentile %.2f ms\n", s->detect_median_ms,
            s->detect_p99_ms);
    fprintf(stderr, "  it waited %.2f s for frames and %.2f s for the writers\n",
            s->times.wait_input_s, s->times.wait_output_s);
    if (!o->overlay && !o->json && !o->mot)
        fprintf(stderr, "Nothing was written: --overlay, --json and --mot name files to write\n");
    const char *const outputs[] = {o->overlay, o->json, o->mot};
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
        if (outputs[i] && strcmp(outputs[i], "-") != 0)
            fprintf(stderr, "wrote %s\n", outputs[i]);
}

/* A tracker for objects that a user thinks certain at `score`: they start there, and boxes below it
 * go on serving to follow them. */
static void set_min_score(roto_tracker_params *tracker, float score)
{
    tracker->birth_score = score;
    if (tracker->high_score > score)
        tracker->high_score = score;
    if (tracker->low_score > tracker->high_score)
        tracker->low_score = tracker->high_score;
}

static int run(const command_line *c, const char *input, track_options *o)
{
    roto_run_params params = roto_run_params_default();
    int code = class_list_parse(&o->classes, c, o->detect);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    code = compute_options_apply(&o->compute, c, &params.detector.compute);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    progress bar = progress_new(o->quiet);
    params.input = input;
    params.model_path = o->compute.model_path.text;
    params.class_names = o->classes.names;
    params.n_class_names = o->classes.n;
    params.max_frames = o->max_frames;
    params.overlay_path = o->overlay;
    params.json_path = o->json;
    params.mot_path = o->mot;
    params.on_progress = on_progress;
    params.on_frame = on_frame;
    params.user = &bar;
    params.overlay_crf = (int32_t)o->crf;
    params.source.folder_fps = o->folder_fps;
    params.tracker.max_absence_s = o->max_absence_s;
    if (o->preset)
        params.overlay_preset = o->preset;
    if (o->min_score >= 0)
        set_min_score(&params.tracker, (float)o->min_score);
    interrupt_install();
    roto_run_summary summary = {.struct_bytes = sizeof(summary)};
    roto_status status = roto_run(&params, &summary);
    progress_clear(&bar);
    if (!o->quiet && (status == ROTO_OK || status == ROTO_CANCELLED))
        print_summary(&summary, o);
    else if (!o->quiet && summary.n_frames > 0)
        fprintf(stderr, "%s: stopped after %lld frames\n", c->name, (long long)summary.n_frames);
    return failure_report(c->name, status);
}

int command_track(int argc, char **argv)
{
    roto_run_params defaults = roto_run_params_default();
    track_options o = {.crf = defaults.overlay_crf,
                       .min_score = -1,
                       .max_absence_s = defaults.tracker.max_absence_s,
                       .folder_fps = defaults.source.folder_fps};
    option options[16 + N_COMPUTE_OPTIONS] = {
        option_text("--detect", "CLASS,...",
                    "what to find, for example person or \"car,traffic light\";\n"
                    "default: every class that the model knows",
                    &o.detect),
        option_text("--overlay", "OUT.mp4", "write the video with boxes and identities drawn in",
                    &o.overlay),
        option_text("--json", "OUT.jsonl", "write a line of JSON a frame; - is standard output",
                    &o.json),
        option_text("--mot", "OUT.txt", "write MOTChallenge text", &o.mot),
        option_real("--min-score", "S",
                    "an object starts with a detection of at least S, 0..1;\n"
                    "default: 0.6",
                    &o.min_score, 0, 1),
        option_real("--max-absence", "SECONDS", "forget an object unseen for longer; default: 1",
                    &o.max_absence_s, 0, 3600),
        option_integer("--max-frames", "N", "stop after N frames", &o.max_frames, 1, MAX_FRAMES),
        option_real("--fps", "F", "frame rate of a folder of images; default: 25", &o.folder_fps,
                    0.001, 1000),
        option_integer("--crf", "Q", "quality of the overlay, 0 (lossless)..51; default: 25",
                       &o.crf, 0, 51),
        option_text("--preset", "NAME", "x264 preset of the overlay; default: superfast",
                    &o.preset),
        option_flag("--quiet", "print errors only", &o.quiet),
    };
    compute_options_append(&o.compute, options);
    const command_line c = {
        .name = "roto track",
        .operands = "INPUT",
        .about =
            "Finds objects in every frame of INPUT and follows each one with an identity that\n"
            "it keeps. INPUT is a video that FFmpeg reads, a folder of PNG or JPEG images, or\n"
            "- for a video on standard input.\n"
            "\n"
            "Several outputs can be written at once. Ctrl-C stops after the current frame\n"
            "with valid files and exit code 130; a second Ctrl-C ends at once.",
        .examples = "  roto track match.mp4 --detect person --overlay out.mp4\n"
                    "  roto track match.mp4 --detect person --json tracks.jsonl --mot mot.txt\n"
                    "  roto track frames/ --fps 30 --detect \"car,bus,truck\" --overlay cars.mp4\n"
                    "  roto track - --detect person --json - < match.mp4 | head -3\n"
                    "  roto track match.mp4 --model mine.onnx --threads 4 --min-score 0.4\n",
        .options = options,
        .least_operands = 1,
        .most_operands = 1,
        .operand_what = "INPUT, a video, a folder of images or -,",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    return code == COMMAND_LINE_GO_ON ? run(&c, argv[0], &o) : code;
}
