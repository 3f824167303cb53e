#include "command_line.h"
#include "commands.h"
#include "environment.h"
#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "json_out.h"
#include "memory_options.h"
#include "progress.h"
#include "table.h"

#include <roto/roto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "roto eval davis";

static const char *const prompts[] = {
    [ROTO_DAVIS_MASK] = "mask", [ROTO_DAVIS_BOX] = "box", [ROTO_DAVIS_POINT] = "point", NULL};
static const char *const trackers[] = {[ROTO_DAVIS_SEGMENTER] = "segmenter",
                                       [ROTO_DAVIS_STILL] = "still",
                                       [ROTO_DAVIS_FILTER] = "filter",
                                       NULL};

enum { MAX_THREADS = 256, MAX_NAMED = 1024, MAX_PROMPT_EVERY = 1000000 };

/* Prompted frames that a segmenter remembers at most, and with anchors beside them. */
enum { MAX_CONDITIONING = 8, MAX_WITH_ANCHORS = 5 };

typedef struct davis_options {
    const char *model, *sequences, *json, *masks, *results, *pictures;
    int prompt, tracker;
    long long n_threads, prompt_every;
    bool all_frames, whole_frames, quiet;
    memory_options memory;
} davis_options;

/* ---- output ----------------------------------------------------------------------------------
 */

static int print_table(const roto_davis_scores *scores, int32_t n)
{
    table *t =
        table_new("sequence object frames J&F J Jrecall Jdecay F Frecall Fdecay ms/frame", n);
    if (!t) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) {
        const roto_davis_scores *s = &scores[i];
        table_text(t, s->sequence);
        if (s->object)
            table_integer(t, s->object);
        else
            table_text(t, "mean");
        table_integer(t, s->n_scored);
        const double shares[] = {(s->j_mean + s->f_mean) / 2,
                                 s->j_mean,
                                 s->j_recall,
                                 s->j_decay,
                                 s->f_mean,
                                 s->f_recall,
                                 s->f_decay};
        for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++)
            table_percent(t, shares[k]);
        if (s->seconds > 0)
            table_real(t, 1e3 * s->seconds / (double)s->n_frames, 1);
        else
            table_text(t, "-");
    }
    return table_print_free(t) ? EXIT_OK : failure_report_file(name, "write", "standard output");
}

static void write_list(json_out *json, const char *key, const double *values, int64_t n)
{
    json_begin(json, key, '[');
    for (int64_t i = 0; i < n; i++)
        json_real(json, NULL, values[i]);
    json_end(json, ']');
}

static void write_scores(json_out *json, const davis_options *o, const roto_davis_scores *s)
{
    json_begin(json, NULL, '{');
    json_string(json, "sequence", s->sequence);
    json_integer(json, "object", s->object);
    if (o->results) {
        json_string(json, "results", o->results);
    } else {
        json_string(json, "tracker", trackers[o->tracker]);
        json_string(json, "prompt", prompts[o->prompt]);
    }
    json_integer(json, "n_objects", s->n_objects);
    json_integer(json, "n_frames", s->n_frames);
    json_integer(json, "n_scored", s->n_scored);
    const struct {
        const char *name;
        double value;
    } reals[] = {{"j_and_f", (s->j_mean + s->f_mean) / 2},
                 {"j_mean", s->j_mean},
                 {"j_recall", s->j_recall},
                 {"j_decay", s->j_decay},
                 {"f_mean", s->f_mean},
                 {"f_recall", s->f_recall},
                 {"f_decay", s->f_decay}};
    for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
        json_real(json, reals[i].name, reals[i].value);
    if (s->seconds > 0)
        json_real(json, "seconds", s->seconds);
    if (s->frame) {
        json_begin(json, "frame", '[');
        for (int64_t i = 0; i < s->n_scored; i++)
            json_integer(json, NULL, s->frame[i]);
        json_end(json, ']');
        write_list(json, "j", s->j, s->n_scored);
        write_list(json, "f", s->f, s->n_scored);
    }
    json_end(json, '}');
}

static int write_json(const davis_options *o, const roto_davis_scores *scores, int32_t n)
{
    json_out json;
    if (!json_open(&json, o->json))
        return failure_report_file(name, "create", o->json);
    json_begin(&json, NULL, '[');
    for (int32_t i = 0; i < n; i++) {
        if (i)
            fputs("\n", json.file);
        write_scores(&json, o, &scores[i]);
    }
    json_end(&json, ']');
    json_line(&json);
    return json_close(&json) ? EXIT_OK : failure_report_file(name, "write", o->json);
}

/* ---- the run ---------------------------------------------------------------------------------
 */

static int32_t show_progress(void *user, const char *sequence, int64_t n_done, int64_t n_frames)
{
    progress *p = user;
    if (p->shown) {
        fprintf(stderr, "\r\033[K%.64s: %lld of %lld frames", sequence, (long long)n_done,
                (long long)n_frames);
        fflush(stderr);
        p->drawn = true;
    }
    return interrupt_requested();
}

/* Cuts "A,B" at its commas. */
static int split_sequences(const command_line *c, char *text, const char **names,
                           roto_davis_params *params)
{
    for (char *at = text, *next; at; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = 0;
        if (params->n_sequences == MAX_NAMED)
            return command_line_refuse(c, "--sequences names more than %d", MAX_NAMED);
        names[params->n_sequences++] = at;
    }
    params->sequences = names;
    return COMMAND_LINE_GO_ON;
}

static int evaluate(const davis_options *o, const char *dir, roto_davis_params *params)
{
    roto_segmenter *segmenter = NULL;
    roto_davis_scores *scores = NULL;
    int32_t n = 0;
    roto_status status = ROTO_OK;
    if (!o->results && o->tracker == ROTO_DAVIS_SEGMENTER) {
        path_text path;
        if (!environment_find_model(o->model, DEFAULT_SEGMENTER, &path)) {
            fprintf(stderr, "%s: the path of the model is longer than %d bytes\n", name,
                    PATH_BYTES);
            return EXIT_USAGE;
        }
        roto_segmenter_params segmenter_params = roto_segmenter_params_default();
        segmenter_params.compute.n_threads = (int32_t)o->n_threads;
        segmenter_params.max_objects = 255;
        segmenter_params.zoom = !o->whole_frames;
        memory_options_set(&o->memory, &segmenter_params.memory);
        if (o->prompt_every > 0)
            segmenter_params.max_conditioning =
                o->memory.distractor_aware ? MAX_WITH_ANCHORS : MAX_CONDITIONING;
        status = roto_segmenter_open(path.text, &segmenter_params, &segmenter);
    }
    params->segmenter = segmenter;
    progress bar = progress_new(o->quiet);
    params->progress = show_progress;
    params->user = &bar;
    interrupt_install();
    if (status == ROTO_OK)
        status = roto_eval_davis(dir, params, &scores, &n);
    progress_clear(&bar);
    int code = failure_report(name, status);
    if (status == ROTO_CANCELLED)
        code = EXIT_SIGNAL + interrupt_signal();
    if (status == ROTO_OK && !(o->json && strcmp(o->json, "-") == 0))
        code = print_table(scores, n);
    if (code == EXIT_OK && o->json)
        code = write_json(o, scores, n);
    roto_eval_free(scores);
    roto_segmenter_close(segmenter);
    return code;
}

/* What tells about a tracker that is not run would only seem to be heeded. */
static int check_results(const command_line *c)
{
    static const char *const others[] = {"--prompt", "--prompt-every", "--tracker",
                                         "--masks",  "--model",        "--threads"};
    for (const option *row = c->options; row->name; row++)
        for (size_t i = 0; row->given && i < sizeof(others) / sizeof(others[0]); i++)
            if (strcmp(row->name, others[i]) == 0)
                return command_line_refuse(c,
                                           "--results scores masks that are there; %s goes "
                                           "without it",
                                           others[i]);
    return COMMAND_LINE_GO_ON;
}

static int check(const command_line *c, const davis_options *o)
{
    if (o->results)
        return check_results(c);
    if (o->tracker != ROTO_DAVIS_SEGMENTER && o->prompt_every > 0)
        return command_line_refuse(c, "--prompt-every goes with the segmenter");
    if (o->tracker != ROTO_DAVIS_SEGMENTER && o->prompt == ROTO_DAVIS_POINT)
        return command_line_refuse(c,
                                   "--tracker %s starts from a mask or a box; a point has no "
                                   "extent",
                                   trackers[o->tracker]);
    return COMMAND_LINE_GO_ON;
}

static int run(const command_line *c, const davis_options *o, const char *dir)
{
    const char *names[MAX_NAMED];
    roto_davis_params params = roto_davis_params_default();
    params.results_dir = o->results;
    params.tracker = (roto_davis_tracker)o->tracker;
    params.prompt = (roto_davis_prompt)o->prompt;
    params.prompt_every = (int32_t)o->prompt_every;
    params.all_frames = o->all_frames;
    params.masks_dir = o->masks;
    params.pictures_dir = o->pictures;
    char *text = o->sequences ? strdup(o->sequences) : NULL;
    if (o->sequences && !text) {
        fprintf(stderr, "%s: out of memory\n", name);
        return EXIT_MEMORY;
    }
    int code = text ? split_sequences(c, text, names, &params) : COMMAND_LINE_GO_ON;
    if (code == COMMAND_LINE_GO_ON)
        code = evaluate(o, dir, &params);
    free(text);
    return code;
}

int command_eval_davis(int argc, char **argv)
{
    davis_options o = {0};
    option options[14 + N_MEMORY_OPTIONS] = {
        option_choice("--prompt", "P",
                      "what is told about each object on its first frame: mask\n"
                      "(default), box, or point, a click on the pixel farthest\n"
                      "from the object's outside",
                      &o.prompt, prompts),
        option_integer("--prompt-every", "N",
                       "tell it again on every N-th frame after the first, and\n"
                       "do not score these; it remembers up to 8 of them",
                       &o.prompt_every, 1, MAX_PROMPT_EVERY),
        option_text("--results", "DIR", "score the masks DIR/SEQUENCE/FRAME.png instead",
                    &o.results),
        option_text("--sequences", "A,B", "these sequences only", &o.sequences),
        option_choice("--tracker", "T",
                      "segmenter (default); or, to compare with, the first mask\n"
                      "(or filled box) kept still, or moved as a whole by a\n"
                      "correlation filter: still, filter",
                      &o.tracker, trackers),
        option_flag("--all-frames", "score the first and the last frame, too", &o.all_frames),
        option_flag("--whole-frames",
                    "do not look closer where the objects are small and close\n"
                    "together, as roto track does",
                    &o.whole_frames),
        option_text("--json", "OUT",
                    "write all scores, also of each frame, as JSON; - is\n"
                    "standard output, without the table then",
                    &o.json),
        option_text("--masks", "DIR", "write masks as DIR/SEQUENCE/FRAME.png", &o.masks),
        option_text("--pictures", "DIR",
                    "write four frames a sequence, the mask in colour and the\n"
                    "true mask's outline in white",
                    &o.pictures),
        option_text("--model", "FILE", "segmenter; default: the one that comes with roto",
                    &o.model),
        option_integer("--threads", "N", "threads for the model; default: one per core",
                       &o.n_threads, 1, MAX_THREADS),
        option_flag("--quiet", "show no progress", &o.quiet),
    };
    memory_options_append(&o.memory, options);
    const command_line c = {
        .name = name,
        .operands = "DIR",
        .about = "Tracks the objects of video sequences with true masks and scores the result in\n"
                 "percent: J (overlap of regions) and F (fit of boundaries), each with mean,\n"
                 "recall (frames above a half) and decay (first quarter less last), as the\n"
                 "official evaluation of DAVIS 2017 does. An object's first frame, where the\n"
                 "tracker is told about it, and the last frame of a sequence do not count.\n\n"
                 "DIR holds Annotations/480p/SEQUENCE/FRAME.png (or Annotations/SEQUENCE/..., or\n"
                 "SEQUENCE/Annotations/...) with ids of objects as values, 0 for none, and images\n"
                 "beside it in JPEGImages. A sequence whose masks hold 0 and 255 has one object.",
        .examples =
            "  roto eval davis DAVIS/ --prompt box --json box.json\n"
            "  roto eval davis DAVIS/ --sequences camel,dog --masks out/ --pictures shown/\n"
            "  roto eval davis DAVIS/ --tracker filter\n"
            "  roto eval davis DAVIS/ --results out/\n",
        .options = options,
        .least_operands = 1,
        .most_operands = 1,
        .operand_what = "DIR, the folder with Annotations,",
    };
    int n_operands;
    int code = command_line_parse(&c, argc, argv, &n_operands);
    if (code == COMMAND_LINE_GO_ON)
        code = check(&c, &o);
    return code == COMMAND_LINE_GO_ON ? run(&c, &o, argv[0]) : code;
}
