/* The window of the frame that a segmenter looks at: what it is, and that masks and prompts are in
 * the frame's pixels whatever it is. */
#include "track/segmenter_fixture.h"

#include "support/count_allocations.h"

#include <stdlib.h>

enum { W = 854, H = 480, MODEL_W = 448 };

static segment_view next(const segment_view *from, bool is_first, const roto_box *box, bool lost)
{
    view_hint hint = {.lost = lost};
    if (box)
        view_hint_add(&hint, box);
    const segment_view v = segment_view_next(from, is_first, &hint, W, H, MODEL_W);
    assert_true(v.x >= 0 && v.y >= 0 && v.x + v.w <= W && v.y + v.h <= H);
    assert_true(v.x % 2 == 0 && v.y % 2 == 0);
    assert_true(v.w * 4 >= MODEL_W);
    return v;
}

static void a_small_object_gets_a_small_window_around_it(void **state)
{
    (void)state;
    const segment_view whole = segment_view_whole(W, H);
    const roto_box small = {100, 100, 140, 130}, large = {50, 20, 840, 470},
                   corner = {840, 470, 854, 480};
    const segment_view v = next(&whole, true, &small, false);
    assert_true(v.level > 0 && v.w < W / 2);
    assert_true(segment_view_holds(&v, &small));
    assert_in_range(v.x + v.w / 2, 118, 122);
    assert_int_equal(next(&whole, true, &large, false).level, 0);
    assert_int_equal(next(&whole, true, NULL, false).level, 0);
    const segment_view at_corner = next(&whole, true, &corner, false);
    assert_true(segment_view_holds(&at_corner, &corner));
    assert_int_equal(at_corner.x + at_corner.w, W);
    view_hint point = {.unsure = true};
    view_hint_add(&point, &small);
    assert_int_equal(segment_view_next(&v, false, &point, W, H, MODEL_W).level, 0);
    view_hint two = {0};
    view_hint_add(&two, &small);
    view_hint_add(&two, &corner);
    assert_int_equal(segment_view_next(&v, false, &two, W, H, MODEL_W).level, 0);
}

static void the_window_closes_in_slowly_and_opens_for_what_is_lost(void **state)
{
    (void)state;
    const roto_box small = {400, 200, 440, 230}, grown = {350, 150, 500, 280};
    segment_view v = segment_view_whole(W, H);
    for (int32_t level = 1; level < SEGMENT_VIEW_LEVELS && 4 * v.w * 8 / 10 >= MODEL_W; level++) {
        v = next(&v, false, &small, false);
        assert_int_equal(v.level, level);
    }
    const segment_view closest = v;
    v = next(&v, false, &grown, false);
    assert_true(v.w * 0.9 >= grown.x1 - grown.x0 && v.h * 0.9 >= grown.y1 - grown.y0);
    assert_true(v.level < closest.level);
    v = closest;
    while (v.level > 0) {
        const segment_view wider = next(&v, false, NULL, true);
        assert_int_equal(wider.level, v.level - 1);
        v = wider;
    }
    assert_int_equal(next(&v, false, NULL, true).level, 0);
}

static void a_view_of_an_image_is_its_part(void **state)
{
    (void)state;
    enum { w = 12, h = 10 };
    static uint8_t bytes[w * h * 3];
    for (int i = 0; i < w * h * 3; i++)
        bytes[i] = (uint8_t)i;
    const segment_view v = {.x = 4, .y = 2, .w = 6, .h = 4};
    roto_image image = {
        .width = w, .height = h, .plane = {bytes, bytes, bytes}, .stride_bytes = {w * 3}};
    roto_image part = segment_view_image(&v, &image);
    assert_int_equal(part.width, 6);
    assert_int_equal(part.height, 4);
    assert_ptr_equal(part.plane[0], bytes + (2 * w + 4) * 3);
    image.format = ROTO_PIXEL_YUV420P;
    image.stride_bytes[0] = w;
    image.stride_bytes[1] = image.stride_bytes[2] = w / 2;
    part = segment_view_image(&v, &image);
    assert_ptr_equal(part.plane[0], bytes + 2 * w + 4);
    assert_ptr_equal(part.plane[2], bytes + 1 * w / 2 + 2);
    image.format = ROTO_PIXEL_NV12;
    image.stride_bytes[1] = w;
    part = segment_view_image(&v, &image);
    assert_ptr_equal(part.plane[1], bytes + w + 4);
}

static void logits_keep_their_place_from_view_to_view(void **state)
{
    (void)state;
    enum { GRID = 32 };
    static float slope[GRID * GRID], out[4 * GRID * 4 * GRID], same[GRID * GRID];
    const segment_view v = {.x = 40, .y = 20, .w = 80, .h = 40},
                       whole = segment_view_whole(200, 100);
    for (int y = 0; y < GRID; y++)
        for (int x = 0; x < GRID; x++) /* the frame's x plus three times its y */
            slope[y * GRID + x] =
                40 + 80 * ((float)x + 0.5f) / GRID + 3 * (20 + 40 * ((float)y + 0.5f) / GRID);
    segment_view_resample(slope, GRID, GRID, &v, &v, GRID, GRID, -1, same);
    for (int i = 0; i < GRID * GRID; i++)
        assert_float_equal(same[i], slope[i], 1e-3);
    segment_view_resample(slope, GRID, GRID, &v, &whole, 4 * GRID, 4 * GRID, -1, out);
    int inside = 0;
    for (int y = 0; y < 4 * GRID; y++)
        for (int x = 0; x < 4 * GRID; x++) {
            const float fx = 200 * ((float)x + 0.5f) / (4 * GRID),
                        fy = 100 * ((float)y + 0.5f) / (4 * GRID), value = out[y * 4 * GRID + x];
            if (fx < 40 || fx > 120 || fy < 20 || fy > 60) {
                assert_float_equal(value, -1, 0);
            } else if (fx > 42 && fx < 118 && fy > 21 && fy < 59) { /* away from the edge */
                assert_float_equal(value, fx + 3 * fy, 0.05);
                inside++;
            }
        }
    assert_true(inside > 1000);
}

static roto_segmenter *zooming(int32_t n_threads)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = n_threads;
    params.max_objects = 4;
    params.zoom = 1;
    return segmenter_synthetic(&params);
}

static void feed(roto_segmenter *s, int64_t index)
{
    const roto_image image = picture((int)index);
    assert_ok(roto_segmenter_frame(s, &image, index, NULL, NULL));
}

/* The mask on the current frame: its box, and how many pixels. */
static int measure(roto_segmenter *s, int64_t id, int box[4])
{
    static uint8_t mask[PICTURE_PIXELS];
    assert_ok(roto_segmenter_mask(s, id, 1, mask, PICTURE_W));
    int n = 0;
    box[0] = PICTURE_W, box[1] = PICTURE_H, box[2] = box[3] = 0;
    for (int i = 0; i < PICTURE_PIXELS; i++) {
        if (!mask[i])
            continue;
        const int x = i % PICTURE_W, y = i / PICTURE_W;
        box[0] = x < box[0] ? x : box[0];
        box[1] = y < box[1] ? y : box[1];
        box[2] = x + 1 > box[2] ? x + 1 : box[2];
        box[3] = y + 1 > box[3] ? y + 1 : box[3];
        n++;
    }
    return n;
}

static void assert_is_rectangle(roto_segmenter *s, int64_t id, int x0, int y0, int x1, int y1)
{
    int box[4];
    const int n = measure(s, id, box);
    assert_true(abs(box[0] - x0) <= 2 && abs(box[1] - y0) <= 2);
    assert_true(abs(box[2] - x1) <= 2 && abs(box[3] - y1) <= 2);
    const int area = (x1 - x0) * (y1 - y0);
    assert_in_range(n, area * 7 / 10, area * 13 / 10);
}

/* A mask prompt is its own answer, and so shows where the frame's pixels go and come from. */
static void masks_are_in_the_frames_pixels(void **state)
{
    (void)state;
    roto_segmenter *s = zooming(1);
    assert_ok(give_mask(s, 1, 0, PICTURE_W, PICTURE_H, 80, 50, 100, 66)); /* waits */
    feed(s, 0);
    assert_true(s->view.level > 0 && s->view.x > 0);
    assert_is_rectangle(s, 1, 80, 50, 100, 66);

    /* On the current frame, elsewhere: it looks again, at both. */
    const segment_view before = s->view;
    assert_ok(give_mask(s, 2, 0, PICTURE_W, PICTURE_H, 8, 8, 28, 24));
    assert_false(segment_view_same(&before, &s->view));
    assert_is_rectangle(s, 2, 8, 8, 28, 24);
    assert_is_rectangle(s, 1, 80, 50, 100, 66);
    const roto_segment *segments;
    int32_t n;
    assert_ok(roto_segmenter_results(s, &segments, &n));
    assert_int_equal(n, 2);
    assert_float_equal(segments[0].box.x0, 80, 2);
    assert_float_equal(segments[1].box.x1, 28, 2);
    assert_float_equal(segments[0].area, 20 * 16, 100);

    /* A correction far from the window: the answer there is comes along. */
    feed(s, 1);
    assert_ok(click(s, 1, 1, 3, 90, 0));
    feed(s, 2);
    roto_segmenter_close(s);

    /* Given after the frame, to the only object: as if it had waited. */
    s = zooming(1);
    feed(s, 0);
    assert_int_equal(s->view.level, 0);
    assert_ok(give_mask(s, 1, 0, PICTURE_W, PICTURE_H, 80, 50, 100, 66));
    assert_true(segment_view_same(&before, &s->view));
    assert_is_rectangle(s, 1, 80, 50, 100, 66);
    roto_segmenter_close(s);
}

static void the_same_bits_with_more_threads_and_no_allocation(void **state)
{
    (void)state;
    static uint8_t first[10][PICTURE_PIXELS], again[PICTURE_PIXELS];
    for (int threads = 1; threads <= 2; threads++) {
        roto_segmenter *s = zooming(threads);
        assert_ok(give_box(s, 1, 0, (roto_box){30, 30, 50, 48}));
        feed(s, 0);
        const int before = allocations_counted();
        for (int t = 1; t < 10; t++) {
            feed(s, t);
            assert_ok(roto_segmenter_mask(s, 1, 1, threads == 1 ? first[t] : again, PICTURE_W));
            if (threads == 2)
                assert_memory_equal(first[t], again, PICTURE_PIXELS);
        }
        assert_int_equal(allocations_counted(), before);
        roto_segmenter_close(s);
    }
}

/* A click is answered on the whole frame first, and again closer while the answer is small. */
static void clicks_are_seen_close_when_what_they_mean_is_small(void **state)
{
    (void)state;
    roto_segmenter *s = zooming(1);
    assert_ok(click(s, 1, 0, 100, 70, 1));
    feed(s, 0);
    const roto_box point = {100, 70, 100, 70};
    assert_true(segment_view_holds(&s->view, &point));
    segment_view closer;
    const prompt_set *given = &s->objects[0]->given;
    assert_int_equal(given->n_points, 1);
    assert_false(segment_could_look_closer(s, s->objects[0], given, &closer));
    /* As if the answer were the cells around the click. */
    segment_object *o = s->objects[0];
    s->view = o->view = segment_view_whole(PICTURE_W, PICTURE_H);
    const int32_t w = s->size.mask_w, h = s->size.mask_h;
    for (int32_t i = 0; i < w * h; i++)
        o->logits[i] = i / w == 70 * h / PICTURE_H && i % w == 100 * w / PICTURE_W ? 5 : -5;
    assert_true(segment_could_look_closer(s, o, given, &closer));
    assert_true(closer.level > 0 && segment_view_holds(&closer, &point));
    assert_ok(click(s, 2, 0, 20, 20, 1)); /* the other object's mask counts now, too */
    assert_false(segment_could_look_closer(s, o, given, &closer));
    roto_segmenter_close(s);
}

/* Single images are seen whole, and a video goes on after one. */
static void images_are_seen_whole(void **state)
{
    (void)state;
    roto_segmenter *s = zooming(1);
    assert_ok(give_mask(s, 1, 0, PICTURE_W, PICTURE_H, 80, 50, 100, 66));
    feed(s, 0);
    const roto_image image = picture(3);
    assert_ok(roto_segmenter_image(s, &image));
    roto_prompt prompt = roto_prompt_default();
    prompt.points = (const float[]){20, 20};
    prompt.n_points = 1;
    const roto_image_masks *masks;
    assert_ok(roto_segmenter_predict(s, &prompt, NULL, &masks));
    static uint8_t mask[PICTURE_PIXELS];
    assert_ok(roto_segmenter_candidate(s, masks->best, 1, mask, PICTURE_W));
    const float *logits = masks->candidates[masks->best].logits;
    const int w = masks->logits_width, h = masks->logits_height;
    int agree = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            agree += (logits[y * w + x] > 0) == mask[(y * 4 + 2) * PICTURE_W + x * 4 + 2];
    assert_true(agree > w * h * 9 / 10);
    feed(s, 1);
    roto_segmenter_close(s);
}

static void other_values_are_refused(void **state)
{
    (void)state;
    roto_segmenter_params params = roto_segmenter_params_default();
    params.zoom = 2;
    roto_segmenter *s = NULL;
    assert_refused(roto_segmenter_open("/nowhere/x", &params, &s), ROTO_ERROR_ARGUMENT,
                   "zoom is 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_object_gets_a_small_window_around_it),
        cmocka_unit_test(the_window_closes_in_slowly_and_opens_for_what_is_lost),
        cmocka_unit_test(a_view_of_an_image_is_its_part),
        cmocka_unit_test(logits_keep_their_place_from_view_to_view),
        cmocka_unit_test(masks_are_in_the_frames_pixels),
        cmocka_unit_test(the_same_bits_with_more_threads_and_no_allocation),
        cmocka_unit_test(clicks_are_seen_close_when_what_they_mean_is_small),
        cmocka_unit_test(images_are_seen_whole),
        cmocka_unit_test(other_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
