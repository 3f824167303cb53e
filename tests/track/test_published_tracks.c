/* Tracks of published models against the published code's video predictor, on synthetic weights:
 * python/roto/train/published.py and scenario.py. A click and a box on frame 0, a mask on frame 3,
 * a correcting click on frame 5.
 *
 * Files named as arguments take the place of the committed ones: script/test-parity. */
#include "support/golden.h"
#include "support/relative_l2.h"
#include "track/segmenter_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_OBJECTS = 3, MASK_FRAME = 3, CORRECTED_FRAME = 5, SAMPLE_STEP = 7919 };

/* Issue 5's bar for tracks. */
#define MAX_RELATIVE_L2 1e-3

/* `tensors` is what the segmenter reads for as long as it lives. */
static roto_segmenter *open_golden(const golden *g, synthetic_model *tensors)
{
    const char *config = golden_metadata(g, "roto.config");
    *tensors = synthetic_from_list(golden_metadata(g, "roto.tensors"));
    sam2_model *model = NULL;
    assert_ok(
        sam2_model_new(config, (int64_t)strlen(config), tensors->tensors, tensors->n, &model));
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = 2;
    params.corrections_condition = 0; /* as published */
    params.max_hole_px = 0;           /* which the published code fills on a GPU alone */
    roto_segmenter *s = NULL;
    assert_ok(segmenter_new(model, &params, &s));
    return s;
}

/* A texture of 4 px blocks that moves 2 px a frame to the left. */
static roto_image square_picture(uint8_t *rgb, int side, int frame)
{
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++) {
                const int block = (y / 4 % 64 * 64 + (x + 2 * frame) / 4 % 64) * 3 + c;
                rgb[(y * side + x) * 3 + c] =
                    (uint8_t)(synthetic_bits("golden.texture", (uint64_t)block) >> 56);
            }
    return (roto_image){.width = side,
                        .height = side,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {3 * side}};
}

static void give_square_mask(roto_segmenter *s, int64_t frame, int side)
{
    const double place[4] = {0.15625, 0.5, 0.46875, 0.8125};
    int at[4];
    for (int i = 0; i < 4; i++)
        at[i] = (int)(place[i] * side);
    uint8_t *mask = calloc((size_t)side * (size_t)side, 1);
    assert_non_null(mask);
    for (int y = at[1]; y < at[3]; y++)
        memset(mask + y * side + at[0], 255, (size_t)(at[2] - at[0]));
    roto_prompt prompt = roto_prompt_default();
    prompt.mask = mask;
    prompt.mask_width = prompt.mask_height = side;
    prompt.mask_stride_bytes = side;
    assert_ok(roto_segmenter_prompt(s, 3, frame, &prompt));
    free(mask);
}

typedef struct expected {
    const float *logits, *iou, *score, *choice; /* [frame][object] */
    int64_t n_frames, n_samples;
} expected;

static void check_object(const roto_segmenter *s, const expected *e, int frame, int object,
                         double *worst)
{
    const segment_object *o = segmenter_find(s, object + 1);
    const int64_t at = (int64_t)frame * N_OBJECTS + object,
                  n = (int64_t)s->size.mask_w * s->size.mask_h;
    if (o->choice != (int)e->choice[at] || (o->object_score > 0) != (e->score[at] > 0))
        fail_msg("frame %d, object %d: mask %d, score %g; expected %g, %g", frame, object + 1,
                 o->choice, (double)o->object_score, (double)e->choice[at], (double)e->score[at]);
    float samples[4096];
    assert_true(e->n_samples <= 4096);
    for (int64_t i = 0; i < e->n_samples; i++)
        samples[i] = o->logits[i * SAMPLE_STEP % n];
    const double error = relative_l2(samples, e->logits + at * e->n_samples, e->n_samples),
                 iou_error = relative_l2(&o->iou, e->iou + at, 1),
                 score_error = relative_l2(&o->object_score, e->score + at, 1);
    *worst = error > *worst ? error : *worst;
    *worst = iou_error > *worst ? iou_error : *worst;
    if (!(error <= MAX_RELATIVE_L2 && iou_error <= MAX_RELATIVE_L2))
        printf("    frame %d, object %d: relative error of the mask %g, IoU %g, score %g\n", frame,
               object + 1, error, iou_error, score_error);
}

static void check_track(const char *path)
{
    golden *g = golden_open(path);
    expected e = {.n_frames = golden_count(g, "track.iou") / N_OBJECTS};
    const int64_t n = e.n_frames * N_OBJECTS;
    e.n_samples = golden_count(g, "track.logits") / n;
    e.logits = golden_get(g, "track.logits", n * e.n_samples);
    e.iou = golden_get(g, "track.iou", n);
    e.score = golden_get(g, "track.object_score", n);
    e.choice = golden_get(g, "track.choice", n);
    assert_true(e.n_frames > CORRECTED_FRAME);

    synthetic_model tensors;
    roto_segmenter *s = open_golden(g, &tensors);
    const int side = s->model->config.image_size;
    const float unit = (float)side;
    uint8_t *rgb = malloc((size_t)side * (size_t)side * 3);
    assert_non_null(rgb);
    assert_ok(click(s, 1, 0, 0.3125f * unit, 0.40625f * unit, 1));
    assert_ok(give_box(
        s, 2, 0, (roto_box){0.46875f * unit, 0.1875f * unit, 0.859375f * unit, 0.703125f * unit}));
    give_square_mask(s, MASK_FRAME, side);
    double worst = 0;
    for (int frame = 0; frame < e.n_frames; frame++) {
        const roto_image image = square_picture(rgb, side, frame);
        assert_ok(roto_segmenter_frame(s, &image, frame, NULL, NULL));
        if (frame == CORRECTED_FRAME)
            assert_ok(click(s, 1, frame, 0.34375f * unit, 0.625f * unit, 0));
        for (int object = 0; object < (frame < MASK_FRAME ? 2 : N_OBJECTS); object++)
            check_object(s, &e, frame, object, &worst);
    }
    printf("    %s at %d px, %d frames: worst mask or IoU %.2g\n", s->model->config.name, side,
           (int)e.n_frames, worst);
    free(rgb);
    roto_segmenter_close(s);
    synthetic_free(&tensors);
    golden_close(g);
    assert_true(worst <= MAX_RELATIVE_L2);
}

static void hiera_tiny_tracks_as_published(void **state)
{
    (void)state;
    check_track("tests/track/golden/sam2_hiera_t_track.safetensors");
}

static void edgetam_tracks_as_published(void **state)
{
    (void)state;
    check_track("tests/track/golden/edgetam_track.safetensors");
}

static void named_track_is_as_published(void **state)
{
    check_track(*state);
}

int main(int n_arguments, char **arguments)
{
    if (n_arguments > 1) {
        int failed = 0;
        for (int i = 1; i < n_arguments; i++) {
            const struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate(named_track_is_as_published, arguments[i])};
            failed += cmocka_run_group_tests(tests, NULL, NULL);
        }
        return failed;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hiera_tiny_tracks_as_published),
        cmocka_unit_test(edgetam_tracks_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
