/* The segmenter under evaluation does what it does when it is called directly. */
#include "eval/davis_fixture.h"
#include "track/segmenter_fixture.h"

#include <roto/eval.h>

enum { N = 5, LATE = 2, LEFT = 20, TOP = 30, SIDE = 33, LATE_LEFT = 80, LATE_TOP = 10 };

static void draw_square(uint8_t *ids, int left, int top, uint8_t id)
{
    for (int y = top; y < top + SIDE; y++)
        memset(ids + y * PICTURE_W + left, id, SIDE);
}

/* Object 4 from the first frame, object 9 from the third; neither moves. */
static temp_folder write_sequence(void)
{
    temp_folder root = temp_folder_new();
    make_folder(&root, "Annotations");
    make_folder(&root, "JPEGImages");
    make_folder(&root, "Annotations/a");
    make_folder(&root, "JPEGImages/a");
    for (int t = 0; t < N; t++) {
        static uint8_t ids[PICTURE_PIXELS];
        memset(ids, 0, sizeof(ids));
        draw_square(ids, LEFT, TOP, 4);
        if (t >= LATE)
            draw_square(ids, LATE_LEFT, LATE_TOP, 9);
        put_ids(&root, "Annotations/a", t, ids, PICTURE_W, PICTURE_H);
        char name[64];
        snprintf(name, sizeof(name), "JPEGImages/a/%05d.png", t);
        const temp_path path = temp_folder_join(&root, name);
        const roto_image image = picture(t);
        assert_ok(roto_image_write_png(path.text, &image));
    }
    return root;
}

static void give_prompt(roto_segmenter *s, roto_davis_prompt kind, int64_t id, int64_t frame,
                        int left, int top)
{
    const int right = left + SIDE, bottom = top + SIDE;
    if (kind == ROTO_DAVIS_MASK)
        assert_ok(give_mask(s, id, frame, PICTURE_W, PICTURE_H, left, top, right, bottom));
    else if (kind == ROTO_DAVIS_BOX)
        assert_ok(
            give_box(s, id, frame,
                     (roto_box){(float)left, (float)top, (float)(right - 1), (float)(bottom - 1)}));
    else
        assert_ok(click(s, id, frame, (float)left + SIDE / 2, (float)top + SIDE / 2, 1));
}

static void check_masks(roto_segmenter *s, roto_davis_prompt kind, const temp_folder *root)
{
    static const uint8_t numbers[] = {4, 9};
    int64_t n_pixels = 0;
    roto_segmenter_reset(s);
    give_prompt(s, kind, 4, 0, LEFT, TOP);
    give_prompt(s, kind, 9, LATE, LATE_LEFT, LATE_TOP);
    for (int t = 0; t < N; t++) {
        static uint16_t map[PICTURE_PIXELS];
        const roto_image image = picture(t);
        assert_ok(roto_segmenter_frame(s, &image, t, NULL, NULL));
        assert_ok(roto_segmenter_map(s, map, PICTURE_W));
        char name[64];
        snprintf(name, sizeof(name), "masks/a/%05d.png", t);
        const temp_path path = temp_folder_join(root, name);
        roto_image mask;
        void *storage;
        assert_ok(roto_image_read_ids(path.text, &mask, &storage));
        for (int i = 0; i < PICTURE_PIXELS; i++) {
            assert_int_equal(mask.plane[0][i], map[i] ? numbers[map[i] - 1] : 0);
            n_pixels += map[i] != 0;
        }
        roto_image_free(storage);
    }
    assert_in_range(n_pixels, 100, N * PICTURE_PIXELS - 100); /* there is something to compare */
}

static void masks_are_those_of_the_segmenter(void **state)
{
    (void)state;
    temp_folder root = write_sequence();
    const temp_path masks = temp_folder_join(&root, "masks");
    roto_segmenter *s = segmenter_synthetic(NULL);
    for (int kind = ROTO_DAVIS_MASK; kind <= ROTO_DAVIS_POINT; kind++) {
        roto_davis_params params = roto_davis_params_default();
        params.segmenter = s;
        params.prompt = (roto_davis_prompt)kind;
        params.masks_dir = masks.text;
        roto_davis_scores *scores;
        int32_t n;
        assert_ok(roto_eval_davis(root.path, &params, &scores, &n));
        assert_int_equal(n, 4);
        assert_int_equal(scores[0].object, 4);
        assert_int_equal(scores[0].n_scored, N - 2);
        assert_int_equal(scores[1].object, 9);
        assert_int_equal(scores[1].n_scored, N - 2 - LATE);
        assert_true(scores[0].seconds > 0);
        roto_eval_free(scores);
        check_masks(s, params.prompt, &root);
    }
    roto_segmenter_close(s);
    remove_all(&root);
}

/* A mask prompt is its own answer: the frame shows the true mask, and does not count. */
static void told_again_it_answers_as_told_and_the_frame_does_not_count(void **state)
{
    (void)state;
    temp_folder root = write_sequence();
    roto_segmenter *s = segmenter_synthetic(NULL);
    roto_davis_params params = roto_davis_params_default();
    roto_davis_scores *scores;
    int32_t n;
    params.segmenter = s;
    params.prompt_every = 2;
    assert_ok(roto_eval_davis(root.path, &params, &scores, &n));
    assert_int_equal(scores[0].n_scored, 2); /* 1 and 3 of 0..4: 2 is told, 4 is the last */
    assert_int_equal(scores[0].frame[0], 1);
    assert_int_equal(scores[0].frame[1], 3);
    assert_int_equal(scores[1].n_scored, 1); /* 3: object 9 begins at 2 */
    roto_eval_free(scores);
    params.prompt_every = -1;
    assert_refused(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT,
                   "prompt_every is -1");
    params.prompt_every = 1;
    params.tracker = ROTO_DAVIS_STILL;
    assert_refused(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT,
                   "only the segmenter");
    roto_segmenter_close(s);
    remove_all(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_those_of_the_segmenter),
        cmocka_unit_test(told_again_it_answers_as_told_and_the_frame_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
