/* bench_segmenter_tracks MODEL [options] - a whole track on one device beside the same track in
 * fp32: three objects (a click, a box, a mask that comes late), a correction, and frames on which
 * something hides everything. A JSON object an answer, and one for the track:
 *   {"frame", "object", "relative_error": of its logits, "iou": of both masks, "score",
 * "score_error"}
 *   {"device", "precision", "frames", "answers", "out_of_sight", "relative_error": of all logits,
 *    "worst", "worst_frame": of an answer, "score_error": root of the mean square, "turned",
 *    "choices_differ", "sources_differ", "ok"}
 *
 *   --device NAME     cuda (default), cuda:N, cpu or reference
 *   --precision P     bf16 (default) or fp32
 *   --reference NAME  the device of the track in fp32, default cpu
 *   --frames N        default 32
 *   --size N          of the square frames, default 256
 *   --max-error E     of the whole track's logits in relative L2; default 2e-2
 *
 * Fails when the track is further away, or when a choice is not the same: the decoder's mask, and
 * whether an object is in sight. A score in fp32 that is closer to 0 than three times what scores
 * are off by leaves no choice and may turn; the object is then given up on both sides and clicked
 * on anew. Holes are left as they are, since filling one is a choice that no score tells of.
 */
#include "base/error.h"
#include "track/segmenter.h"

#include <roto/roto.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_OBJECTS = 3, LATE_FRAME = 3, CORRECTED_FRAME = 5, FIRST_HIDDEN = 12, END_HIDDEN = 18 };

typedef struct options {
    const char *model, *device, *reference;
    roto_precision precision;
    int n_frames, side;
    double max_error;
} options;

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.device = "cuda",
                   .reference = "cpu",
                   .precision = ROTO_PRECISION_BF16,
                   .n_frames = 32,
                   .side = 256,
                   .max_error = 2e-2};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strncmp(name, "--", 2) != 0 && !o->model)
            o->model = name;
        else if (i + 1 >= argc)
            return false;
        else if (strcmp(name, "--device") == 0)
            o->device = argv[++i];
        else if (strcmp(name, "--reference") == 0)
            o->reference = argv[++i];
        else if (strcmp(name, "--precision") == 0)
            o->precision =
                strcmp(argv[++i], "fp32") == 0 ? ROTO_PRECISION_FP32 : ROTO_PRECISION_BF16;
        else if (strcmp(name, "--frames") == 0)
            o->n_frames = atoi(argv[++i]);
        else if (strcmp(name, "--size") == 0)
            o->side = atoi(argv[++i]);
        else if (strcmp(name, "--max-error") == 0)
            o->max_error = atof(argv[++i]);
        else
            return false;
    }
    return o->model && o->n_frames > 0 && o->side >= 64 && o->side <= 4096;
}

/* Splitmix64 (Steele et al. 2014). */
static uint8_t noise(uint64_t seed)
{
    uint64_t z = (seed + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    return (uint8_t)(z >> 56);
}

/* Blocks that move to the left, or larger ones that hide them. */
static roto_image draw(const options *o, uint8_t *rgb, int frame)
{
    const bool hidden = frame >= FIRST_HIDDEN && frame < END_HIDDEN;
    const int cell = hidden ? 32 : 4, shift = hidden ? 0 : 2 * frame;
    const uint64_t texture = hidden ? 1 << 20 : 0;
    for (int y = 0; y < o->side; y++)
        for (int x = 0; x < o->side; x++)
            for (int c = 0; c < 3; c++)
                rgb[(y * o->side + x) * 3 + c] =
                    noise(texture + (uint64_t)((y / cell % 64 * 64 + (x + shift) / cell % 64) * 3) +
                          (uint64_t)c);
    return (roto_image){.width = o->side,
                        .height = o->side,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {3 * (ptrdiff_t)o->side}};
}

static roto_status click(roto_segmenter *s, const options *o, int64_t id, int frame, float x,
                         float y, int32_t label)
{
    const float point[2] = {x * (float)o->side, y * (float)o->side};
    roto_prompt prompt = roto_prompt_default();
    prompt.points = point;
    prompt.labels = &label;
    prompt.n_points = 1;
    return roto_segmenter_prompt(s, id, frame, &prompt);
}

static roto_status prompt_all(roto_segmenter *s, const options *o, uint8_t *mask)
{
    const float side = (float)o->side;
    const roto_box box = {0.47f * side, 0.19f * side, 0.86f * side, 0.7f * side};
    roto_prompt prompt = roto_prompt_default();
    prompt.box = &box;
    ROTO_TRY(click(s, o, 1, 0, 0.31f, 0.41f, 1));
    ROTO_TRY(roto_segmenter_prompt(s, 2, 0, &prompt));
    memset(mask, 0, (size_t)o->side * (size_t)o->side);
    for (int y = o->side / 2; y < o->side * 13 / 16; y++)
        memset(mask + y * o->side + o->side / 6, 255, (size_t)o->side / 3);
    prompt = roto_prompt_default();
    prompt.mask = mask;
    prompt.mask_width = prompt.mask_height = o->side;
    prompt.mask_stride_bytes = o->side;
    return roto_segmenter_prompt(s, 3, LATE_FRAME, &prompt);
}

static roto_status open_one(const options *o, const char *device, roto_precision computed_in,
                            uint8_t *mask, roto_segmenter **out)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.device = device;
    params.compute.precision = computed_in;
    params.max_objects = N_OBJECTS;
    params.max_hole_px = 0;
    ROTO_TRY(roto_segmenter_open(o->model, &params, out));
    return prompt_all(*out, o, mask);
}

typedef struct track {
    const options *options;
    roto_segmenter *s, *reference;
    uint8_t *rgb, *mask;
    bool lost[N_OBJECTS + 1];        /* objects whose score turned on the latest frame */
    double turned;                   /* the largest of those scores, in fp32 */
    double error, norm, score_error; /* sums of squares */
    double worst;
    int n_turned, n_answers, n_out_of_sight, n_other_choices, n_other_sources, worst_frame;
} track;

static void compare(track *t, const roto_segment *got, const roto_segment *wanted, int frame)
{
    const double score_error = (double)got->object_score - (double)wanted->object_score;
    if ((got->object_score > 0) != (wanted->object_score > 0)) {
        t->lost[wanted->id] = true;
        t->turned = fmax(t->turned, fabs((double)wanted->object_score));
        t->n_turned++;
        return;
    }
    const int32_t choice = segmenter_find(t->s, got->id)->choice,
                  other = segmenter_find(t->reference, wanted->id)->choice;
    double error = 0, norm = 1e-30;
    int64_t both = 0, any = 0;
    const int64_t n = (int64_t)wanted->logits_width * wanted->logits_height;
    for (int64_t k = 0; k < n; k++) {
        const double a = (double)got->logits[k], b = (double)wanted->logits[k];
        error += (a - b) * (a - b);
        norm += b * b;
        both += a > 0 && b > 0;
        any += a > 0 || b > 0;
    }
    printf("{\"frame\": %d, \"object\": %d, \"relative_error\": %.3g, \"iou\": %.4f, \"score\": "
           "%.3f, \"score_error\": %.3f, \"choices\": [%d, %d]}\n",
           frame, (int)wanted->id, sqrt(error / norm), any ? (double)both / (double)any : 1,
           (double)wanted->object_score, score_error, choice, other);
    t->n_answers++;
    t->n_other_choices += choice != other;
    t->n_other_sources += got->source != wanted->source;
    t->score_error += score_error * score_error;
    if (wanted->object_score <= 0) { /* every logit says so */
        t->n_out_of_sight++;
        return;
    }
    t->error += error;
    t->norm += norm;
    if (!(sqrt(error / norm) <= t->worst)) { /* also NaN */
        t->worst = sqrt(error / norm);
        t->worst_frame = frame;
    }
}

static roto_status start_anew(track *t, int frame)
{
    for (int64_t id = 1; id <= N_OBJECTS; id++) {
        if (!t->lost[id])
            continue;
        roto_segmenter *both[] = {t->s, t->reference};
        for (int i = 0; i < 2; i++) {
            ROTO_TRY(roto_segmenter_remove(both[i], id));
            ROTO_TRY(click(both[i], t->options, id, frame, 0.2f * (float)id, 0.5f, 1));
        }
        t->lost[id] = false;
    }
    return ROTO_OK;
}

static roto_status step(track *t, int frame)
{
    ROTO_TRY(start_anew(t, frame));
    const roto_segment *got, *wanted;
    int32_t n_got = 0, n_wanted = 0;
    const roto_image image = draw(t->options, t->rgb, frame);
    ROTO_TRY(roto_segmenter_frame(t->s, &image, frame, NULL, NULL));
    ROTO_TRY(roto_segmenter_frame(t->reference, &image, frame, NULL, NULL));
    if (frame == CORRECTED_FRAME) {
        ROTO_TRY(click(t->s, t->options, 1, frame, 0.34f, 0.63f, 0));
        ROTO_TRY(click(t->reference, t->options, 1, frame, 0.34f, 0.63f, 0));
    }
    ROTO_TRY(roto_segmenter_results(t->s, &got, &n_got));
    ROTO_TRY(roto_segmenter_results(t->reference, &wanted, &n_wanted));
    if (n_got != n_wanted)
        return roto_fail(ROTO_ERROR_ARGUMENT, "frame %d: %d objects instead of %d", frame, n_got,
                         n_wanted);
    for (int32_t i = 0; i < n_wanted; i++)
        compare(t, &got[i], &wanted[i], frame);
    return ROTO_OK;
}

static bool print_track(const track *t)
{
    const options *o = t->options;
    const int n_most = N_OBJECTS * o->n_frames - LATE_FRAME;
    const double error = sqrt(t->error / fmax(t->norm, 1e-30)),
                 score_error = sqrt(t->score_error / fmax(t->n_answers, 1));
    const bool ok = error <= o->max_error && t->n_other_choices == 0 && t->n_other_sources == 0 &&
                    t->turned <= 3 * score_error && t->n_answers * 4 >= n_most * 3 &&
                    t->n_answers > t->n_out_of_sight;
    printf("{\"device\": \"%s\", \"precision\": \"%s\", \"frames\": %d, \"answers\": %d, "
           "\"out_of_sight\": %d, \"relative_error\": %.3g, \"worst\": %.3g, \"worst_frame\": %d, "
           "\"score_error\": %.3g, \"turned\": %d, \"choices_differ\": %d, \"sources_differ\": %d, "
           "\"ok\": %s}\n",
           o->device, o->precision == ROTO_PRECISION_BF16 ? "bf16" : "fp32", o->n_frames,
           t->n_answers, t->n_out_of_sight, error, t->worst, t->worst_frame, score_error,
           t->n_turned, t->n_other_choices, t->n_other_sources, ok ? "true" : "false");
    return ok;
}

int main(int argc, char **argv)
{
    options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_segmenter_tracks MODEL [options], see "
                        "bench/segmenter_tracks.c\n");
        return 2;
    }
    const size_t pixels = (size_t)o.side * (size_t)o.side;
    track t = {.options = &o, .rgb = malloc(3 * pixels), .mask = malloc(pixels)};
    roto_status status = t.rgb && t.mask ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK)
        status = open_one(&o, o.device, o.precision, t.mask, &t.s);
    if (status == ROTO_OK)
        status = open_one(&o, o.reference, ROTO_PRECISION_FP32, t.mask, &t.reference);
    for (int frame = 0; frame < o.n_frames && status == ROTO_OK; frame++)
        status = step(&t, frame);
    const bool ok = status == ROTO_OK && print_track(&t);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_segmenter_tracks: %s\n", roto_error_message());
    roto_segmenter_close(t.s);
    roto_segmenter_close(t.reference);
    free(t.rgb);
    free(t.mask);
    return ok ? 0 : 1;
}
