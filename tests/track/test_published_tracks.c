/* Tracks of published models against the published code's video predictor, on synthetic weights:
 * the steps come with the golden file (python/roto/train/scenario.py), what has to come out too
 * (published_track.py).
 *
 * Files named as arguments take the place of the committed ones: script/test-parity. */
#include "support/published.h"
#include "support/relative_l2.h"
#include "track/segmenter_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Issue 5's bars for tracks: with memories in fp32, and as they are published. */
#define MAX_RELATIVE_L2 1e-3
#define MAX_RELATIVE_L2_BF16 1e-2

enum { SAMPLE_STEP = 7919, MAX_SAMPLES = 4096 };

/* python/roto/train/scenario.py */
typedef enum step_kind {
    STEP_FRAME,
    STEP_VISIT,
    STEP_POINT,
    STEP_BOX,
    STEP_BOX_AND_POINT,
    STEP_MASK,
    STEP_REMOVE,
    STEP_RESET
} step_kind;

typedef struct step {
    float kind, object, frame, direction, box[4], point[2], label;
} step;

/* What was found for an object after a step. */
typedef struct row {
    float step, object;
    float choice; /* of the decoder's masks; -1: a mask prompt, -2: made earlier */
    float iou, score;
} row;

/* What a remembered frame is used for (published_track.py). */
enum { SPATIAL_PROMPTED = 1, SPATIAL = 2, POINTER_PROMPTED = 4, POINTER = 8 };

typedef struct track {
    golden *golden;
    synthetic_model tensors;
    roto_segmenter *s;
    int side;
    uint8_t *rgb, *mask;
    uint16_t *map;
    const step *steps;
    const row *rows;
    const float *logits, *memories, *maps;
    int64_t n_steps, n_rows, n_samples, n_frames, n_map_samples;
    int64_t at_row, at_map; /* how far we are */
    double worst, worst_score, bound;
    int n_failed;
} track;

static int number(const golden *g, const char *key)
{
    return atoi(golden_metadata(g, key));
}

static track track_open(const char *path)
{
    track t = {.golden = golden_open(path)};
    sam2_model *model = published_model(t.golden, &t.tensors);
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = 2;
    params.max_conditioning = MEMORY_BANK_MAX_CONDITIONING;
    params.corrections_condition = 0; /* as published */
    params.max_hole_px = number(t.golden, "track.max_hole_px");
    params.keep_frames = number(t.golden, "track.keep_frames");
    assert_ok(segmenter_new(model, &params, &t.s));
    t.bound = model->config.memory_bf16 ? MAX_RELATIVE_L2_BF16 : MAX_RELATIVE_L2;
    t.side = model->config.image_size;
    const size_t pixels = (size_t)t.side * (size_t)t.side;
    t.rgb = malloc(pixels * 3);
    t.mask = malloc(pixels);
    t.map = malloc(pixels * sizeof(*t.map));
    assert_true(t.rgb && t.mask && t.map);

    const int64_t n_steps = golden_count(t.golden, "track.steps"),
                  n_rows = golden_count(t.golden, "track.rows"),
                  n_logits = golden_count(t.golden, "track.logits"),
                  n_memories = golden_count(t.golden, "track.memories"),
                  n_maps = golden_count(t.golden, "track.maps");
    t.steps = (const step *)golden_get(t.golden, "track.steps", n_steps);
    t.rows = (const row *)golden_get(t.golden, "track.rows", n_rows);
    t.logits = golden_get(t.golden, "track.logits", n_logits);
    t.memories = golden_get(t.golden, "track.memories", n_memories);
    t.maps = golden_get(t.golden, "track.maps", n_maps);
    t.n_steps = n_steps * (int64_t)sizeof(float) / (int64_t)sizeof(step);
    t.n_rows = n_rows * (int64_t)sizeof(float) / (int64_t)sizeof(row);
    t.n_samples = n_logits / t.n_rows;
    t.n_frames = n_memories / t.n_rows;
    assert_true(t.n_samples <= MAX_SAMPLES);
    int64_t n_frame_steps = 0;
    for (int64_t i = 0; i < t.n_steps; i++)
        n_frame_steps += (int)t.steps[i].kind == STEP_FRAME;
    t.n_map_samples = n_maps / n_frame_steps;
    return t;
}

static void track_close(track *t)
{
    free(t->rgb);
    free(t->mask);
    free(t->map);
    roto_segmenter_close(t->s);
    synthetic_free(&t->tensors);
    golden_close(t->golden);
}

/* A texture of 4 px blocks that moves 2 px a frame to the left, or what hides it. */
static roto_image square_picture(const track *t, int frame)
{
    const bool hidden = frame >= 12 && frame < 18;
    const char *name = hidden ? "golden.cover" : "golden.texture";
    const int cell = hidden ? 32 : 4, shift = hidden ? 0 : 2 * frame;
    for (int y = 0; y < t->side; y++)
        for (int x = 0; x < t->side; x++)
            for (int c = 0; c < 3; c++) {
                const int block = (y / cell % 64 * 64 + (x + shift) / cell % 64) * 3 + c;
                t->rgb[(y * t->side + x) * 3 + c] =
                    (uint8_t)(synthetic_bits(name, (uint64_t)block) >> 56);
            }
    return (roto_image){.width = t->side,
                        .height = t->side,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {t->rgb},
                        .stride_bytes = {3 * t->side}};
}

static void give_rectangle(const track *t, const step *w)
{
    int at[4];
    for (int i = 0; i < 4; i++)
        at[i] = (int)((double)w->box[i] * t->side);
    memset(t->mask, 0, (size_t)t->side * (size_t)t->side);
    for (int y = at[1]; y < at[3]; y++)
        memset(t->mask + y * t->side + at[0], 255, (size_t)(at[2] - at[0]));
    roto_prompt prompt = roto_prompt_default();
    prompt.mask = t->mask;
    prompt.mask_width = prompt.mask_height = t->side;
    prompt.mask_stride_bytes = t->side;
    assert_ok(roto_segmenter_prompt(t->s, (int64_t)w->object, (int64_t)w->frame, &prompt));
}

static void give_prompt(const track *t, const step *w)
{
    const float side = (float)t->side;
    const step_kind kind = (step_kind)(int)w->kind;
    const roto_box box = {w->box[0] * side, w->box[1] * side, w->box[2] * side, w->box[3] * side};
    const float point[2] = {w->point[0] * side, w->point[1] * side};
    const int32_t label = (int32_t)w->label;
    roto_prompt prompt = roto_prompt_default();
    if (kind != STEP_POINT)
        prompt.box = &box;
    if (kind != STEP_BOX) {
        prompt.points = point;
        prompt.labels = &label;
        prompt.n_points = 1;
    }
    assert_ok(roto_segmenter_prompt(t->s, (int64_t)w->object, (int64_t)w->frame, &prompt));
}

static void fail_row(track *t, const row *expected, const char *what, double actual, double wanted)
{
    const step *w = &t->steps[(int64_t)expected->step];
    printf("    step %d, object %d, frame %d: %s %g; expected %g\n", (int)expected->step,
           (int)expected->object, (int)w->frame, what, actual, wanted);
    t->n_failed++;
}

/* Which frames the object's answer was drawn from. */
static void check_memories(track *t, const segment_object *o, const row *expected)
{
    if (expected->choice < 0 || o->source == ROTO_SEGMENT_PROMPTED)
        return;
    const int64_t frame = t->s->frame;
    const memory_view view = memory_bank_look(&o->bank, frame, t->s->direction);
    int *used = calloc((size_t)t->n_frames, sizeof(*used));
    assert_non_null(used);
    for (int32_t i = 0; i < view.n_conditioning; i++) {
        const int64_t then = view.conditioning[i]->frame;
        used[then] += SPATIAL_PROMPTED;
        used[then] += t->s->direction * (frame - then) >= 0 ? POINTER_PROMPTED : 0;
    }
    for (int32_t i = 0; i + 1 < t->s->model->config.num_maskmem; i++)
        if (view.recent[i])
            used[view.recent[i]->frame] += SPATIAL;
    for (int32_t i = 0; i < view.n_pointers; i++)
        used[frame - t->s->direction * view.pointers[i].age] += POINTER;
    const float *wanted = t->memories + t->at_row * t->n_frames;
    for (int64_t i = 0; i < t->n_frames; i++) {
        char what[64];
        snprintf(what, sizeof(what), "use of frame %d as memory is", (int)i);
        if (used[i] != (int)wanted[i])
            fail_row(t, expected, what, used[i], (double)wanted[i]);
    }
    free(used);
}

static void check_row(track *t)
{
    const row *expected = &t->rows[t->at_row];
    const segment_object *o = segmenter_find(t->s, (int64_t)expected->object);
    assert_non_null(o);
    assert_true(o->present);
    const int64_t n = (int64_t)t->s->size.mask_w * t->s->size.mask_h;
    if ((int)expected->choice != -2 && o->choice != (int)expected->choice)
        fail_row(t, expected, "mask", o->choice, (double)expected->choice);
    if ((o->object_score > 0) != (expected->score > 0))
        fail_row(t, expected, "object score", (double)o->object_score, (double)expected->score);
    check_memories(t, o, expected);
    float samples[MAX_SAMPLES];
    for (int64_t i = 0; i < t->n_samples; i++)
        samples[i] = o->logits[i * SAMPLE_STEP % n];
    const double error = relative_l2(samples, t->logits + t->at_row * t->n_samples, t->n_samples),
                 iou_error = isnan(expected->iou) ? 0 : relative_l2(&o->iou, &expected->iou, 1),
                 score_error = fabs((double)o->object_score - (double)expected->score);
    if (!(error <= t->bound))
        fail_row(t, expected, "relative error of the mask", error, 0);
    if (!(iou_error <= t->bound))
        fail_row(t, expected, "relative error of the IoU", iou_error, 0);
    t->worst = fmax(t->worst, fmax(error, iou_error));
    t->worst_score = fmax(t->worst_score, score_error);
    t->at_row++;
}

/* Whose pixels are, where masks overlap. */
static void check_map(track *t)
{
    const int64_t n = (int64_t)t->side * t->side;
    assert_ok(roto_segmenter_map(t->s, t->map, t->side));
    int n_wrong = 0;
    for (int64_t i = 0; i < t->n_map_samples; i++) {
        const float expected = t->maps[t->at_map * t->n_map_samples + i];
        n_wrong += expected >= 0 && (float)t->map[i * SAMPLE_STEP % n] != expected;
    }
    if (n_wrong)
        printf("    frame %d: %d pixels of the map differ\n", (int)t->s->frame, n_wrong);
    t->n_failed += n_wrong;
    t->at_map++;
}

static void take_step(track *t, int64_t index)
{
    const step *w = &t->steps[index];
    switch ((step_kind)(int)w->kind) {
    case STEP_FRAME:
    case STEP_VISIT: {
        const roto_image image = square_picture(t, (int)w->frame);
        assert_ok(roto_segmenter_direction(t->s, (int32_t)w->direction));
        assert_ok(roto_segmenter_frame(t->s, &image, (int64_t)w->frame, NULL, NULL));
        break;
    }
    case STEP_REMOVE:
        assert_ok(roto_segmenter_remove(t->s, (int64_t)w->object));
        break;
    case STEP_RESET:
        roto_segmenter_reset(t->s);
        break;
    case STEP_MASK:
        give_rectangle(t, w);
        break;
    case STEP_POINT:
    case STEP_BOX:
    case STEP_BOX_AND_POINT:
        give_prompt(t, w);
        break;
    }
    while (t->at_row < t->n_rows && (int64_t)t->rows[t->at_row].step == index)
        check_row(t);
    if ((int)w->kind == STEP_FRAME)
        check_map(t);
}

/* How often an object goes out of sight and comes back. */
static int returns(const track *t)
{
    int n = 0;
    for (int64_t i = 0; i < t->n_rows; i++) {
        bool was_there = false, gone = false; /* before this answer */
        for (int64_t k = 0; k < i; k++) {
            if (t->rows[k].object != t->rows[i].object)
                continue;
            was_there = was_there || t->rows[k].score > 0;
            gone = was_there && t->rows[k].score <= 0;
        }
        n += gone && t->rows[i].score > 0;
    }
    return n;
}

static void check_track(const char *path, bool must_return)
{
    track t = track_open(path);
    for (int64_t i = 0; i < t.n_steps; i++)
        take_step(&t, i);
    assert_int_equal(t.at_row, t.n_rows);
    printf("    %s at %d px, %s%s, %d frames: %d answers, %d returns to sight, worst mask or IoU "
           "%.2g, score off by %.2g\n",
           t.s->model->config.name, t.side, golden_metadata(t.golden, "track.scenario"),
           t.s->model->config.memory_bf16 ? " with memories in bf16" : "", (int)t.n_frames,
           (int)t.n_rows, returns(&t), t.worst, t.worst_score);
    const int n_failed = t.n_failed, n_returns = returns(&t);
    track_close(&t);
    assert_int_equal(n_failed, 0);
    assert_true(n_returns > 0 || !must_return);
}

static void hiera_tiny_tracks_as_published(void **state)
{
    (void)state;
    check_track("tests/track/golden/sam2_hiera_t_live.safetensors", false);
}

static void hiera_tiny_edits_as_published(void **state)
{
    (void)state;
    check_track("tests/track/golden/sam2_hiera_t_offline.safetensors", false);
}

static void edgetam_tracks_as_published(void **state)
{
    (void)state;
    check_track("tests/track/golden/edgetam_live.safetensors", true);
}

static void named_track_is_as_published(void **state)
{
    check_track(*state, false);
}

int main(int n_arguments, char **arguments)
{
    struct CMUnitTest named[] = {cmocka_unit_test(named_track_is_as_published)};
    if (n_arguments > 1)
        return published_run_named(n_arguments, arguments, named, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hiera_tiny_tracks_as_published),
        cmocka_unit_test(hiera_tiny_edits_as_published),
        cmocka_unit_test(edgetam_tracks_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
