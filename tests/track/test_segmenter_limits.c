/* What a segmenter must not do: fall for bad input, grow, allocate while frames come, lose
 * anything. */
#include "track/segmenter_fixture.h"

#include "base/clock.h"
#include "format/safetensors.h"
#include "support/count_allocations.h"
#include "support/temp_folder.h"

#include <math.h>
#include <stdlib.h>

static roto_segmenter_params two_threads(int32_t max_objects)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = 2;
    params.max_objects = max_objects;
    return params;
}

static int32_t feed(roto_segmenter *s, int64_t index)
{
    const roto_image image = picture((int)(index % 60));
    const roto_segment *segments;
    int32_t n = 0;
    assert_ok(roto_segmenter_frame(s, &image, index, &segments, &n));
    for (int32_t i = 1; i < n; i++)
        assert_true(segments[i - 1].id < segments[i].id);
    return n;
}

static void the_frame_loop_allocates_nothing(void **state)
{
    (void)state;
    const roto_segmenter_params params = two_threads(16);
    roto_segmenter *s = segmenter_synthetic(&params);
    for (int i = 0; i < 5; i++)
        assert_ok(click(s, i + 1, 0, 10 + 20.0f * (float)i, 40, 1));
    assert_ok(click(s, 3, 4, 50, 50, 1)); /* a second prompted frame, waiting */
    static uint8_t mask[PICTURE_PIXELS];
    static uint16_t map[PICTURE_PIXELS];
    feed(s, 0);
    assert_ok(roto_segmenter_map(s, map, PICTURE_W));
    const int before = allocations_counted();
    assert_true(before > 0); /* counting works */
    for (int frame = 1; frame < 40; frame++) {
        if (frame == 4)
            continue; /* that prompt is answered below */
        assert_int_equal(feed(s, frame), 5);
        assert_ok(roto_segmenter_mask(s, 1 + frame % 5, 255, mask, PICTURE_W));
        assert_ok(roto_segmenter_map(s, map, PICTURE_W));
    }
    assert_int_equal(allocations_counted(), before);
    feed(s, 4);
    assert_int_equal(allocations_counted(), before);
    roto_segmenter_close(s);
}

static void three_hundred_objects_are_refused_beyond_the_limit_and_work_within(void **state)
{
    (void)state;
    enum { MANY = 300 };
    roto_segmenter_params params = two_threads(64);
    roto_segmenter *s = segmenter_synthetic(&params);
    for (int i = 0; i < MANY; i++) {
        const roto_status status = click(s, i + 1, 0, (float)(i % PICTURE_W), 20, 1);
        if (i < 64)
            assert_ok(status);
        else
            assert_refused(status, ROTO_ERROR_MEMORY, "64 that max_objects allows");
    }
    assert_int_equal(feed(s, 0), 64);
    roto_segmenter_close(s);

    params = two_threads(MANY);
    s = segmenter_synthetic(&params);
    for (int i = 0; i < MANY; i++)
        assert_ok(click(s, i + 1, 0, (float)(i % PICTURE_W), 20, 1));
    assert_int_equal(feed(s, 0), MANY);
    assert_int_equal(feed(s, 1), MANY);
    static uint16_t map[PICTURE_PIXELS];
    assert_ok(roto_segmenter_map(s, map, PICTURE_W));
    for (int i = 0; i < PICTURE_PIXELS; i++)
        assert_in_range(map[i], 0, MANY);
    roto_segmenter_close(s);
}

static void bad_prompts_are_refused_and_change_nothing(void **state)
{
    (void)state;
    const roto_segmenter_params params = two_threads(4);
    roto_segmenter *s = segmenter_synthetic(&params);
    assert_ok(click(s, 1, 0, 40, 40, 1));
    feed(s, 0);
    const roto_status argument = ROTO_ERROR_ARGUMENT;
    assert_refused(click(s, 2, 0, NAN, 3, 1), argument, "point 0 is");
    assert_refused(click(s, 2, 0, -1, 3, 1), argument, "outside the frame of 128 x 96");
    assert_refused(click(s, 2, 0, 10, 97, 1), argument, "outside the frame");
    assert_refused(click(s, 2, 0, 10, 10, 2), argument, "label 2");
    assert_refused(click(s, 0, 0, 10, 10, 1), argument, "ids start at 1");
    assert_refused(click(s, 2, -3, 10, 10, 1), argument, "frames at 0");
    assert_refused(give_box(s, 2, 0, (roto_box){200, 5, 210, 9}), argument, "outside the frame");
    assert_refused(give_box(s, 2, 0, (roto_box){20, 5, 10, 9}), argument, "x0 < x1");
    assert_refused(give_box(s, 2, 0, (roto_box){0, 0, INFINITY, 9}), argument, "x0 < x1");
    assert_refused(give_mask(s, 2, 0, 64, 48, 4, 4, 9, 9), argument,
                   "64 x 48 pixels and the frame");
    assert_refused(give_mask(s, 2, 0, PICTURE_W, PICTURE_H, 0, 0, 0, 0), argument, "is empty");
    roto_prompt prompt = roto_prompt_default();
    assert_refused(roto_segmenter_prompt(s, 2, 0, &prompt), argument,
                   "no point, no box and no mask");
    assert_refused(roto_segmenter_prompt(s, 2, 0, NULL), argument, "roto_prompt_default");
    prompt.n_points = 64;
    static float many[128];
    prompt.points = many;
    assert_refused(roto_segmenter_prompt(s, 2, 0, &prompt), argument, "at most 63");
    assert_refused(roto_segmenter_remove(s, 2), argument, "no object 2");
    static uint8_t mask[PICTURE_PIXELS];
    assert_refused(roto_segmenter_mask(s, 2, 1, mask, PICTURE_W), argument, "not among");
    assert_refused(roto_segmenter_mask(s, 1, 1, mask, PICTURE_W - 1), argument, "rows 127");
    assert_int_equal(s->n_objects, 1);
    assert_int_equal(feed(s, 1), 1);
    /* Out of sight, as far as the user can see. */
    assert_ok(give_mask(s, 1, 1, PICTURE_W, PICTURE_H, 0, 0, 0, 0));
    assert_true(segmenter_find(s, 1)->object_score < 0);
    roto_segmenter_close(s);
}

static void a_value_in_a_mask_is_an_object(void **state)
{
    (void)state;
    const roto_segmenter_params params = two_threads(4);
    roto_segmenter *s = segmenter_synthetic(&params);
    static uint8_t both[PICTURE_PIXELS], one[PICTURE_PIXELS], shown[2][PICTURE_PIXELS];
    for (int y = 20; y < 70; y++) {
        memset(both + y * PICTURE_W + 10, 3, 40);
        memset(both + y * PICTURE_W + 70, 200, 40);
        memset(one + y * PICTURE_W + 70, 1, 40);
    }
    roto_prompt prompt = roto_prompt_default();
    prompt.mask_width = PICTURE_W;
    prompt.mask_height = PICTURE_H;
    prompt.mask_stride_bytes = PICTURE_W;
    prompt.mask = both;
    prompt.mask_value = 200;
    assert_ok(roto_segmenter_prompt(s, 1, 0, &prompt));
    prompt.mask = one;
    prompt.mask_value = 0;
    assert_ok(roto_segmenter_prompt(s, 2, 0, &prompt));
    prompt.mask_value = 7;
    assert_refused(roto_segmenter_prompt(s, 3, 0, &prompt), ROTO_ERROR_ARGUMENT, "is empty");
    prompt.mask_value = 256;
    assert_refused(roto_segmenter_prompt(s, 3, 0, &prompt), ROTO_ERROR_ARGUMENT, "0..255");
    assert_int_equal(feed(s, 0), 2);
    for (int i = 0; i < 2; i++)
        assert_ok(roto_segmenter_mask(s, i + 1, 1, shown[i], PICTURE_W));
    assert_memory_equal(shown[0], shown[1], PICTURE_PIXELS);
    assert_non_null(memchr(shown[0], 1, PICTURE_PIXELS));
    roto_segmenter_close(s);
}

static void a_prompt_that_waited_and_does_not_fit_fails_its_frame_once(void **state)
{
    (void)state;
    const roto_segmenter_params params = two_threads(4);
    roto_segmenter *s = segmenter_synthetic(&params);
    assert_ok(click(s, 1, 0, 40, 40, 1));
    assert_ok(click(s, 2, 0, 4000, 40, 1));
    const roto_image image = picture(0);
    assert_refused(roto_segmenter_frame(s, &image, 0, NULL, NULL), ROTO_ERROR_ARGUMENT,
                   "frame 0: object 2");
    assert_int_equal(feed(s, 0), 1);
    roto_segmenter_close(s);
}

static void pictures_of_another_shape_are_refused_while_objects_live(void **state)
{
    (void)state;
    const roto_segmenter_params params = two_threads(4);
    roto_segmenter *s = segmenter_synthetic(&params);
    assert_ok(click(s, 1, 0, 40, 40, 1));
    feed(s, 0);
    roto_image tall = picture(1);
    tall.width = 48; /* its rows stay as far apart */
    assert_refused(roto_segmenter_frame(s, &tall, 1, NULL, NULL), ROTO_ERROR_ARGUMENT,
                   "reset the segmenter");
    assert_int_equal(feed(s, 1), 1);
    roto_image smaller = picture(2);
    smaller.width = 124;
    smaller.height = 93;
    assert_ok(roto_segmenter_frame(s, &smaller, 2, NULL, NULL));
    roto_segmenter_reset(s);
    assert_ok(roto_segmenter_frame(s, &tall, 0, NULL, NULL));
    roto_segmenter_close(s);
}

static void objects_come_go_and_are_corrected_at_any_frame_in_any_direction(void **state)
{
    (void)state;
    roto_segmenter_params params = two_threads(8);
    params.max_conditioning = 2;
    roto_segmenter *s = segmenter_synthetic(&params);
    assert_int_equal(feed(s, 0), 0); /* nothing to do yet */
    assert_ok(click(s, 7, 0, 40, 40, 1));
    for (int frame = 1; frame < 30; frame++) {
        const int32_t n = feed(s, frame);
        assert_int_equal(n, 1 + (frame > 5) + (frame > 10) - (frame > 20));
        if (frame == 5)
            assert_ok(give_box(s, 3, 5, (roto_box){-10, 20, 60, 500})); /* is cut to the frame */
        if (frame == 10)
            assert_ok(click(s, 9, 10, 90, 40, 1));
        if (frame % 4 == 0)
            assert_ok(click(s, 7, frame, 44, 60, frame % 8 == 0));
        if (frame == 20)
            assert_ok(roto_segmenter_remove(s, 3));
    }
    assert_int_equal(segmenter_find(s, 7)->bank.n_conditioning, 2);
    assert_int_equal(segmenter_find(s, 7)->bank.conditioning[0].frame, 0);
    for (int frame = 28; frame >= 0; frame--)
        assert_int_equal(feed(s, frame), 2);
    assert_int_equal(segmenter_find(s, 7)->source,
                     ROTO_SEGMENT_PROMPTED); /* as it was on frame 0 */
    feed(s, 1000000);
    feed(s, 3);
    roto_segmenter_close(s);
}

/* Going back to a frame and on from there gives what was there before, if the memories are kept. */
static void tracking_goes_on_from_any_frame_that_is_kept(void **state)
{
    (void)state;
    enum { N_FRAMES = 14, BACK = 5 };
    for (int keeps = 0; keeps < 2; keeps++) {
        roto_segmenter_params params = two_threads(1);
        params.keep_frames = keeps ? N_FRAMES : 0;
        roto_segmenter *s = segmenter_synthetic(&params);
        assert_ok(click(s, 1, 0, 40, 40, 1));
        float iou[N_FRAMES];
        for (int frame = 0; frame < N_FRAMES; frame++) {
            feed(s, frame);
            iou[frame] = segmenter_find(s, 1)->iou;
        }
        assert_refused(roto_segmenter_direction(s, 2), ROTO_ERROR_ARGUMENT, "direction 2");
        assert_ok(roto_segmenter_direction(s, 1));
        bool same = true;
        for (int frame = BACK; frame < N_FRAMES; frame++) {
            feed(s, frame);
            same = same && segmenter_find(s, 1)->iou == iou[frame];
        }
        assert_int_equal(same, keeps);
        roto_segmenter_close(s);
    }
    roto_segmenter_params params = two_threads(1);
    params.keep_frames = -1;
    roto_segmenter *s = NULL;
    assert_refused(roto_segmenter_open("x", &params, &s), ROTO_ERROR_ARGUMENT, "keep_frames");
    params.keep_frames = 0;
    params.image_clean_px = -1;
    assert_refused(roto_segmenter_open("x", &params, &s), ROTO_ERROR_ARGUMENT, "image_clean_px");
}

static void image_mode_answers_and_leaves_the_video_alone(void **state)
{
    (void)state;
    const roto_segmenter_params params = two_threads(4);
    roto_segmenter *s = segmenter_synthetic(&params);
    assert_ok(click(s, 1, 0, 40, 40, 1));
    feed(s, 0);
    const roto_image image = picture(9);
    roto_prompt prompt = roto_prompt_default();
    const float point[2] = {30, 30};
    prompt.points = point;
    prompt.n_points = 1;
    const roto_image_masks *masks;
    assert_refused(roto_segmenter_predict(s, &prompt, NULL, &masks), ROTO_ERROR_ARGUMENT,
                   "roto_segmenter_image");
    assert_ok(roto_segmenter_image(s, &image));
    assert_ok(roto_segmenter_predict(s, &prompt, NULL, &masks));
    assert_int_equal(masks->n_candidates, 4);
    assert_in_range(masks->best, 1, 3);
    static float prior[PICTURE_PIXELS / 16];
    memcpy(prior, masks->candidates[masks->best].logits, sizeof(prior));
    static uint8_t mask[PICTURE_PIXELS];
    assert_ok(roto_segmenter_candidate(s, 2, 9, mask, PICTURE_W));
    assert_refused(roto_segmenter_candidate(s, 4, 9, mask, PICTURE_W), ROTO_ERROR_ARGUMENT, "of 4");
    assert_ok(roto_segmenter_predict(s, &prompt, prior, &masks));
    prior[5] = NAN;
    assert_refused(roto_segmenter_predict(s, &prompt, prior, &masks), ROTO_ERROR_ARGUMENT,
                   "element 5");
    assert_refused(click(s, 1, 0, 40, NAN, 1), ROTO_ERROR_ARGUMENT, "point 0");
    assert_int_equal(feed(s, 1), 1);
    roto_segmenter_close(s);
}

static void times_say_what_a_frame_was_spent_on(void **state)
{
    (void)state;
    roto_segmenter *s = segmenter_synthetic(NULL);
    assert_ok(click(s, 1, 0, 40, 40, 1));
    roto_segmenter_times times = {.struct_bytes = sizeof(times)};
    for (int frame = 0; frame < 2; frame++) {
        const roto_image image = picture(frame);
        const int64_t start = clock_now_ns();
        assert_ok(roto_segmenter_frame(s, &image, frame, NULL, NULL));
        const double took_s = (double)(clock_now_ns() - start) * 1e-9;
        assert_ok(roto_segmenter_latest_times(s, &times));
        assert_true(times.input_s > 0 && times.encode_s > 0 && times.decode_s > 0 &&
                    times.remember_s > 0);
        assert_true(frame == 0 ? times.recall_s == 0 : times.recall_s > 0);
        assert_true(times.input_s + times.encode_s + times.recall_s + times.decode_s +
                        times.remember_s <=
                    took_s);
    }
    times.struct_bytes = 0;
    assert_refused(roto_segmenter_latest_times(s, &times), ROTO_ERROR_ARGUMENT, "struct_bytes");
    roto_segmenter_close(s);
}

static void write_model(const char *path, const char *key)
{
    synthetic_model from = synthetic_sam2();
    safetensor *tensors = calloc((size_t)from.n, sizeof(*tensors));
    assert_non_null(tensors);
    for (int i = 0; i < from.n; i++) {
        const named_tensor *t = &from.tensors[i];
        tensors[i] =
            (safetensor){.name = t->name, .type = t->type, .shape = t->shape, .data = t->data};
    }
    const synthetic_config config = synthetic_sam2_config(PICTURE_PIXELS);
    const safetensors_note note = {key, config.text};
    assert_ok(safetensors_write(path, tensors, (size_t)from.n, &note, 1));
    free(tensors);
    synthetic_free(&from);
}

static void a_model_is_opened_from_its_file(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    const temp_path good = temp_folder_join(&folder, "good.safetensors"),
                    other = temp_folder_join(&folder, "other.safetensors");
    write_model(good.text, "roto.config");
    write_model(other.text, "format");
    roto_segmenter *s = NULL;
    assert_refused(roto_segmenter_open(other.text, NULL, &s), ROTO_ERROR_FORMAT,
                   "no \"roto.config\"");
    assert_refused(roto_segmenter_open("/nowhere/x", NULL, &s), ROTO_ERROR_IO, "/nowhere/x");
    roto_segmenter_params params = two_threads(2);
    params.max_batch = 3;
    assert_refused(roto_segmenter_open(good.text, &params, &s), ROTO_ERROR_ARGUMENT, "max_batch");
    params.max_batch = 0;
    params.compute.device = "abacus";
    assert_refused(roto_segmenter_open(good.text, &params, &s), ROTO_ERROR_DEVICE, "abacus");
    assert_null(s);
    assert_ok(roto_segmenter_open(good.text, NULL, &s));
    assert_non_null(strstr(roto_segmenter_describe(s), "mobilenet_v2"));
    roto_segmenter_part parts[ROTO_SEGMENTER_MAX_PARTS];
    int32_t n_parts = 0;
    int64_t n_parameters = 0;
    assert_ok(roto_segmenter_parts(s, PICTURE_W, PICTURE_H, parts, &n_parts));
    assert_int_equal(n_parts, 5);
    for (int i = 0; i < n_parts; i++) {
        n_parameters += parts[i].n_parameters;
        assert_true(parts[i].n_parameters > 0);
        assert_int_equal(parts[i].flops > 0 && parts[i].memory_bytes > 0, i < 4);
    }
    assert_int_equal(n_parameters, weights_n_parameters(s->model->weights));
    assert_refused(roto_segmenter_parts(s, 0, 96, parts, &n_parts), ROTO_ERROR_ARGUMENT, "0 x 96");
    assert_ok(click(s, 1, 0, 40, 40, 1));
    assert_int_equal(feed(s, 0), 1);
    roto_segmenter_close(s);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frame_loop_allocates_nothing),
        cmocka_unit_test(three_hundred_objects_are_refused_beyond_the_limit_and_work_within),
        cmocka_unit_test(bad_prompts_are_refused_and_change_nothing),
        cmocka_unit_test(a_value_in_a_mask_is_an_object),
        cmocka_unit_test(a_prompt_that_waited_and_does_not_fit_fails_its_frame_once),
        cmocka_unit_test(pictures_of_another_shape_are_refused_while_objects_live),
        cmocka_unit_test(objects_come_go_and_are_corrected_at_any_frame_in_any_direction),
        cmocka_unit_test(tracking_goes_on_from_any_frame_that_is_kept),
        cmocka_unit_test(image_mode_answers_and_leaves_the_video_alone),
        cmocka_unit_test(times_say_what_a_frame_was_spent_on),
        cmocka_unit_test(a_model_is_opened_from_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
