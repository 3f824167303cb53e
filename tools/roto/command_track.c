#include "class_list.h"
#include "command_line.h"
#include "commands.h"
#include "compute_options.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "memory_options.h"
#include "progress.h"
#include "prompt_list.h"

#include <roto/roto.h>

#include <stdio.h>
#include <string.h>

enum {
    MAX_FRAMES = 1000000000, /* a year at 30 frames/s */
    DEFAULT_DETECT_EVERY = 10,
    MAX_DETECT_EVERY = 1000000,
    MAX_OBJECTS = 1024 /* that a segmenter takes */
};

typedef struct track_options {
    const char *detect, *overlay, *json, *mot, *masks, *matte, *preset, *segmenter;
    long long max_frames, crf, detect_every;
    double min_score, max_absence_s, folder_fps;
    bool quiet;
    compute_options compute;
    class_list classes;
    prompt_texts marks;
    prompt_list prompts;
    memory_options memory;
    path_text segmenter_path;
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

static void print_times(const roto_run_summary *s, const track_options *o)
{
    print_stage("decode", s->times.decode_s, s);
    if (s->times.detect_s > 0)
        print_stage("detect", s->times.detect_s, s);
    if (s->times.track_s > 0)
        print_stage("track", s->times.track_s, s);
    if (s->times.segment_s > 0)
        print_stage("segment", s->times.segment_s, s);
    if (s->times.masks_s > 0)
        print_stage("masks", s->times.masks_s, s);
    if (o->overlay)
        print_stage("draw", s->times.draw_s, s);
    print_stage("write", s->times.encode_s, s);
    if (s->detect_median_ms > 0)
        fprintf(stderr, "  detector: median %.2f ms, 99th percentile %.2f ms\n",
                s->detect_median_ms, s->detect_p99_ms);
    if (s->segment_median_ms > 0)
        fprintf(stderr, "  segmenter: median %.2f ms, 99th percentile %.2f ms\n",
                s->segment_median_ms, s->segment_p99_ms);
    fprintf(stderr, "  they waited %.2f s for frames and %.2f s for the writers\n",
            s->times.wait_input_s, s->times.wait_output_s);
}

static void print_summary(const roto_run_summary *s, const track_options *o)
{
    fprintf(stderr, "%lld frames in %.2f s: %.1f frames/s; ", (long long)s->n_frames, s->elapsed_s,
            s->frames_per_s);
    if (s->n_detections > 0)
        fprintf(stderr, "%lld detections, ", (long long)s->n_detections);
    fprintf(stderr, "%lld identities\n", (long long)s->n_identities);
    print_times(s, o);
    const char *const outputs[] = {o->overlay, o->json, o->mot, o->masks, o->matte};
    int n = 0;
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
        n += outputs[i] != NULL;
        if (outputs[i] && strcmp(outputs[i], "-") != 0)
            fprintf(stderr, "wrote %s\n", outputs[i]);
    }
    if (n == 0)
        fprintf(stderr, "Nothing was written: --overlay, --json, --mot, --masks and --matte name "
                        "what to write\n");
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

/* What the detector finds is followed by its boxes, unless masks are asked for in some way. */
static int32_t choose_detect_every(const track_options *o)
{
    if (o->detect_every > 0)
        return (int32_t)o->detect_every;
    return o->prompts.n > 0 || o->masks || o->matte ? DEFAULT_DETECT_EVERY : 0;
}

/* Models that are needed, and what they are to find: prompts do without a detector unless one is
 * asked for. Returns COMMAND_LINE_GO_ON or an exit code. */
static int set_models(const command_line *c, track_options *o, roto_run_params *params)
{
    int code = prompt_list_parse(&o->prompts, c, &o->marks, true);
    if (code == COMMAND_LINE_GO_ON)
        code = class_list_parse(&o->classes, c, o->detect);
    if (code == COMMAND_LINE_GO_ON)
        code = compute_options_apply(&o->compute, c, &params->detector.compute);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    if (!environment_find_model(o->segmenter, DEFAULT_SEGMENTER, &o->segmenter_path))
        return command_line_refuse(c, "the path of the segmenter is longer than %d bytes",
                                   PATH_BYTES);
    if (o->prompts.n == 0 || o->detect || o->detect_every > 0 || o->compute.model) {
        params->model_path = o->compute.model_path.text;
        params->detect_every = choose_detect_every(o);
    }
    params->class_names = o->classes.names;
    params->n_class_names = o->classes.n;
    params->segmenter_path = o->segmenter_path.text;
    params->segmenter.compute = params->detector.compute;
    memory_options_set(&o->memory, &params->segmenter.memory);
    const int32_t n_marked = prompt_list_max_objects(&o->prompts);
    int32_t *most_found = &params->follower.tracker.max_objects,
            *most = &params->segmenter.max_objects;
    *most_found = *most_found + n_marked < MAX_OBJECTS ? *most_found + n_marked : MAX_OBJECTS;
    if (*most < (params->detect_every > 0 ? *most_found : n_marked))
        *most = params->detect_every > 0 ? *most_found : n_marked;
    params->prompts = o->prompts.prompts;
    params->n_prompts = o->prompts.n;
    return COMMAND_LINE_GO_ON;
}

static int run(const command_line *c, const char *input, track_options *o)
{
    roto_run_params params = roto_run_params_default();
    int code = set_models(c, o, &params);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    progress bar = progress_new(o->quiet);
    params.input = input;
    params.max_frames = o->max_frames;
    params.overlay_path = o->overlay;
    params.json_path = o->json;
    params.mot_path = o->mot;
    params.masks_path = o->masks;
    params.matte_path = o->matte;
    params.on_progress = on_progress;
    params.on_frame = on_frame;
    params.user = &bar;
    params.overlay_crf = (int32_t)o->crf;
    params.source.folder_fps = o->folder_fps;
    if (o->max_absence_s >= 0)
        params.tracker.max_absence_s = params.follower.tracker.max_absence_s = o->max_absence_s;
    if (o->preset)
        params.overlay_preset = o->preset;
    if (o->min_score >= 0) {
        set_min_score(&params.tracker, (float)o->min_score);
        set_min_score(&params.follower.tracker, (float)o->min_score);
    }
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
                       .max_absence_s = -1,
                       .folder_fps = defaults.source.folder_fps};
    option options[24 + N_MEMORY_OPTIONS + N_COMPUTE_OPTIONS] = {
        option_text("--detect", "CLASS,...",
                    "what to find, for example person or \"car,traffic light\";\n"
                    "default: every class that the model knows",
                    &o.detect),
        option_integer("--detect-every", "N",
                       "carry what the detector finds as masks: it runs on every\n"
                       "N-th frame, and when something is in doubt. Default: 10\n"
                       "with --masks, --matte, --point, --box or --mask; else\n"
                       "it runs on every frame and boxes are followed",
                       &o.detect_every, 1, MAX_DETECT_EVERY),
        option_texts("--point", "[-]X,Y[@FRAME][:ID]",
                     "a point on an object to follow, in pixels of frame FRAME\n"
                     "(from 0; default: 0), or with a - one that is not on it.\n"
                     "Points of one ID (default: 1) are one object; on a later\n"
                     "frame they correct its mask. May be given many times",
                     &o.marks.points),
        option_texts("--box", "X0,Y0,X1,Y1[@FRAME][:ID]", "the same, a box around the object",
                     &o.marks.boxes),
        option_texts("--mask", "FILE.png[@FRAME]",
                     "the same, masks: every value that is not 0 (in a palette\n"
                     "or grey PNG of the frame's size) is an object of that ID",
                     &o.marks.masks),
        option_text("--overlay", "OUT.mp4", "write the video with masks, boxes and identities",
                    &o.overlay),
        option_text("--json", "OUT.jsonl", "write a line of JSON a frame; - is standard output",
                    &o.json),
        option_text("--mot", "OUT.txt", "write MOTChallenge text", &o.mot),
        option_text("--masks", "DIR", "write a palette PNG a frame, each pixel its object's ID",
                    &o.masks),
        option_text("--matte", "OUT",
                    "write how much of each pixel belongs to any object: a\n"
                    "grey video (OUT.mp4), or a folder of grey PNG",
                    &o.matte),
        option_real("--min-score", "S",
                    "an object starts with a detection of at least S, 0..1;\n"
                    "default: 0.6",
                    &o.min_score, 0, 1),
        option_real("--max-absence", "SECONDS",
                    "forget an object unseen for longer; default: 1, or 5\n"
                    "with --detect-every",
                    &o.max_absence_s, 0, 3600),
        option_integer("--max-frames", "N", "stop after N frames", &o.max_frames, 1, MAX_FRAMES),
        option_real("--fps", "F", "frame rate of a folder of images; default: 25", &o.folder_fps,
                    0.001, 1000),
        option_integer("--crf", "Q", "quality of the overlay, 0 (lossless)..51; default: 25",
                       &o.crf, 0, 51),
        option_text("--preset", "NAME", "x264 preset of the overlay; default: superfast",
                    &o.preset),
        option_text("--segmenter", "FILE",
                    "carries marked objects: a .safetensors or .pt file,\n"
                    "found as --model is; default: the roto_s that comes\n"
                    "with roto",
                    &o.segmenter),
        option_flag("--quiet", "print errors only", &o.quiet),
    };
    memory_options_append(&o.memory, options);
    compute_options_append(&o.compute, options);
    const command_line c = {
        .name = "roto track",
        .operands = "INPUT",
        .about = "Follows objects through INPUT, each with an identity that it keeps. INPUT is a\n"
                 "video that FFmpeg reads, a folder of PNG or JPEG images, or - for a video on\n"
                 "standard input.\n"
                 "\n"
                 "Without --point, --box and --mask a detector finds all objects of some classes\n"
                 "and follows their boxes. With them the segmenter follows what they mark, as a\n"
                 "mask of its pixels, from that frame on. With --detect-every it also carries\n"
                 "what the detector finds: pixel masks, and fewer changes of identity.\n"
                 "\n"
                 "Several outputs can be written at once. Ctrl-C stops after the current frame\n"
                 "with valid files and exit code 130; a second Ctrl-C ends at once. A mark for a\n"
                 "frame that never comes gives exit code 1, when all else has been written.",
        .examples =
            "  roto track match.mp4 --detect person --overlay out.mp4\n"
            "  roto track match.mp4 --detect person --json tracks.jsonl --mot mot.txt\n"
            "  roto track frames/ --fps 30 --detect \"car,bus,truck\" --overlay cars.mp4\n"
            "  roto track - --detect person --json - < match.mp4 | head -3\n"
            "  roto track match.mp4 --model mine.onnx --threads 4 --min-score 0.4\n"
            "Masks of all people, found on every tenth frame and carried in between:\n"
            "  roto track match.mp4 --detect person --detect-every 10 --overlay out.mp4\n"
            "Follow what is at 320,240, and write its mask:\n"
            "  roto track clip.mp4 --point 320,240 --overlay out.mp4 --masks masks/\n"
            "Two objects; the first has a part taken away, and is corrected on frame 90:\n"
            "  roto track clip.mp4 --point 320,240:1 --point -350,200:1 --point 310,260@90:1\n"
            "      --box 500,80,640,300:2 --overlay out.mp4\n"
            "Masks of the first frame, carried on; a soft edge to cut them out with:\n"
            "  roto track frames/ --mask first.png --masks masks/ --matte matte.mp4\n",
        .options = options,
        .least_operands = 1,
        .most_operands = 1,
        .operand_what = "INPUT, a video, a folder of images or -,",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code == COMMAND_LINE_GO_ON)
        code = run(&c, argv[0], &o);
    prompt_list_free(&o.prompts);
    prompt_texts_free(&o.marks);
    return code;
}
