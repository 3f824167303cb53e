#include "eval/davis_fixture.h"

#include <roto/eval.h>

/* The golden sequences as files: truth in Annotations/, results in results/. */
static void write_golden(const cJSON *golden, const temp_folder *root)
{
    make_folder(root, "Annotations");
    make_folder(root, "results");
    const cJSON *sequence, *frame;
    cJSON_ArrayForEach(sequence, cJSON_GetObjectItem(golden, "sequences"))
    {
        const char *name = cJSON_GetObjectItem(sequence, "name")->valuestring;
        const int32_t width = (int32_t)golden_number(sequence, "width");
        const int32_t height = (int32_t)golden_number(sequence, "height");
        const int is_binary = cJSON_IsTrue(cJSON_GetObjectItem(sequence, "binary"));
        char truth[64], found[64];
        snprintf(truth, sizeof(truth), "Annotations/%.32s", name);
        snprintf(found, sizeof(found), "results/%.32s", name);
        make_folder(root, truth);
        make_folder(root, found);
        uint8_t *ids = malloc((size_t)width * (size_t)height);
        assert_non_null(ids);
        int t = 0;
        cJSON_ArrayForEach(frame, cJSON_GetObjectItem(sequence, "frames"))
        {
            draw_runs(cJSON_GetObjectItem(frame, "truth"), width, height, 0, ids);
            put_ids(root, truth, t, ids, width, height);
            /* Where there is one object, whatever is not 0 is meant. */
            draw_runs(cJSON_GetObjectItem(frame, "found"), width, height, is_binary ? 3 : 0, ids);
            put_ids(root, found, t++, ids, width, height);
        }
        free(ids);
    }
}

static const roto_davis_scores *find(const roto_davis_scores *scores, int32_t n, const char *name,
                                     int32_t object)
{
    for (int32_t i = 0; i < n; i++)
        if (strcmp(scores[i].sequence, name) == 0 && scores[i].object == object)
            return &scores[i];
    fail_msg("no row of %s, object %d", name, object);
    return NULL;
}

static void check_object(const cJSON *wanted, const roto_davis_scores *s)
{
    const cJSON *frame = cJSON_GetObjectItem(wanted, "frame");
    assert_int_equal(s->n_scored, cJSON_GetArraySize(frame));
    for (int i = 0; i < s->n_scored; i++) {
        assert_int_equal(s->frame[i], cJSON_GetArrayItem(frame, i)->valueint);
        assert_near(s->j[i], cJSON_GetArrayItem(cJSON_GetObjectItem(wanted, "j"), i)->valuedouble,
                    1e-12);
        assert_near(s->f[i], cJSON_GetArrayItem(cJSON_GetObjectItem(wanted, "f"), i)->valuedouble,
                    1e-12);
    }
    const cJSON *j = cJSON_GetObjectItem(wanted, "j_statistics");
    const cJSON *f = cJSON_GetObjectItem(wanted, "f_statistics");
    assert_near(s->j_mean, golden_number(j, "mean"), 1e-12);
    assert_near(s->j_recall, golden_number(j, "recall"), 1e-12);
    assert_near(s->j_decay, golden_number(j, "decay"), 1e-12);
    assert_near(s->f_mean, golden_number(f, "mean"), 1e-12);
    assert_near(s->f_recall, golden_number(f, "recall"), 1e-12);
    assert_near(s->f_decay, golden_number(f, "decay"), 1e-12);
}

static void scores_are_those_of_the_official_evaluation(void **state)
{
    (void)state;
    temp_folder root = temp_folder_new();
    cJSON *golden = golden_read("eval/golden/davis.json");
    write_golden(golden, &root);
    const temp_path results = temp_folder_join(&root, "results");
    roto_davis_params params = roto_davis_params_default();
    params.results_dir = results.text;
    roto_davis_scores *scores;
    int32_t n = 0, n_objects = 0;
    assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_OK);
    double sum = 0;
    const cJSON *sequence, *object;
    cJSON_ArrayForEach(sequence, cJSON_GetObjectItem(golden, "sequences"))
    {
        const char *name = cJSON_GetObjectItem(sequence, "name")->valuestring;
        cJSON_ArrayForEach(object, cJSON_GetObjectItem(sequence, "objects"))
        {
            const roto_davis_scores *s =
                find(scores, n, name, (int32_t)golden_number(object, "object"));
            check_object(object, s);
            sum += s->j_mean;
            n_objects++;
        }
    }
    /* By objects, not by sequences. */
    assert_int_equal(n_objects, 5);
    assert_int_equal(n, n_objects + 2);
    assert_string_equal(scores[n - 1].sequence, "MEAN");
    assert_int_equal(scores[n - 1].n_objects, 5);
    assert_near(scores[n - 1].j_mean, sum / n_objects, 1e-12);
    const roto_davis_scores *mean = find(scores, n, "several", 0);
    assert_int_equal(mean->n_objects, 3);
    assert_near(mean->f_mean,
                (find(scores, n, "several", 1)->f_mean + find(scores, n, "several", 2)->f_mean +
                 find(scores, n, "several", 5)->f_mean) /
                    3,
                1e-12);
    roto_eval_free(scores);

    params.all_frames = 1;
    static const char *const several[] = {"several"};
    params.sequences = several;
    params.n_sequences = 1;
    assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_OK);
    assert_int_equal(find(scores, n, "several", 1)->n_scored, 9);
    assert_int_equal(find(scores, n, "several", 5)->n_scored, 7); /* it comes in the third frame */
    assert_int_equal(find(scores, n, "several", 5)->frame[0], 2);
    roto_eval_free(scores);
    cJSON_Delete(golden);
    remove_all(&root);
}

/* ---- small sequences -------------------------------------------------------------------------
 */

enum { W = 64, H = 48, N = 6 };

/* A square of object 1 that moves right, `step` pixels a frame, images beside it. */
static void write_square(const temp_folder *root, const char *truth, const char *images, int step)
{
    static uint8_t ids[W * H], rgb[W * H * 3];
    for (int t = 0; t < N; t++) {
        for (int i = 0; i < W * H; i++) {
            const int x = i % W - 8 - step * t, y = i / W - 16;
            const int inside = x >= 0 && x < 16 && y >= 0 && y < 16;
            ids[i] = (uint8_t)inside;
            memset(rgb + 3 * i, inside ? 60 + x * 37 % 11 * 17 : 30 + i % W / 4 * 5, 3);
        }
        put_ids(root, truth, t, ids, W, H);
        char name[128];
        snprintf(name, sizeof(name), "%.100s/%05d.png", images, t);
        const temp_path path = temp_folder_join(root, name);
        roto_image image = gray_image(rgb, W, H);
        image.format = ROTO_PIXEL_RGB8;
        image.stride_bytes[0] = 3 * W;
        assert_int_equal(roto_image_write_png(path.text, &image), ROTO_OK);
    }
}

static temp_folder square_folder(void)
{
    temp_folder root = temp_folder_new();
    make_folder(&root, "Annotations");
    make_folder(&root, "JPEGImages");
    make_folder(&root, "Annotations/square");
    make_folder(&root, "JPEGImages/square");
    write_square(&root, "Annotations/square", "JPEGImages/square", 3);
    return root;
}

static roto_status still(const temp_folder *root, roto_davis_scores **scores, int32_t *n)
{
    roto_davis_params params = roto_davis_params_default();
    params.tracker = ROTO_DAVIS_STILL;
    return roto_eval_davis(root->path, &params, scores, n);
}

static void every_layout_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *folders[5], *truth, *images;
    } layouts[] = {
        {{"Annotations", "Annotations/480p", "JPEGImages", "JPEGImages/480p"},
         "Annotations/480p/a",
         "JPEGImages/480p/a"},
        {{"Annotations", "JPEGImages"}, "Annotations/a", "JPEGImages/a"},
        {{"a"}, "a/Annotations", "a/JPEGImages"},
        {{"a"}, "a/Annotations", "a/images"},
    };
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        temp_folder root = temp_folder_new();
        for (int k = 0; layouts[i].folders[k]; k++)
            make_folder(&root, layouts[i].folders[k]);
        make_folder(&root, layouts[i].truth);
        make_folder(&root, layouts[i].images);
        write_square(&root, layouts[i].truth, layouts[i].images, 3);
        roto_davis_params params = roto_davis_params_default();
        params.tracker = ROTO_DAVIS_FILTER; /* needs images */
        roto_davis_scores *scores;
        int32_t n;
        assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_OK);
        assert_int_equal(n, 2);
        assert_string_equal(scores[0].sequence, "a");
        assert_int_equal(scores[0].n_frames, N);
        assert_int_equal(scores[0].n_scored, N - 2);
        roto_eval_free(scores);
        remove_all(&root);
    }
}

static void simple_trackers_keep_or_move_the_first_mask(void **state)
{
    (void)state;
    temp_folder root = square_folder();
    roto_davis_scores *scores;
    int32_t n;
    assert_int_equal(still(&root, &scores, &n), ROTO_OK);
    for (int i = 0; i < N - 2; i++) { /* 16 x 16 pixels, 3 (i + 1) columns apart */
        const double shared = 16.0 - 3 * (i + 1);
        assert_near(scores[0].j[i], shared / (32 - shared), 1e-12);
    }
    roto_eval_free(scores);
    roto_davis_params params = roto_davis_params_default();
    params.tracker = ROTO_DAVIS_FILTER;
    assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_OK);
    for (int i = 0; i < N - 2; i++)
        assert_true(scores[0].j[i] > 0.88); /* one pixel off at most */
    roto_eval_free(scores);
    remove_all(&root);
}

static void masks_and_pictures_are_written(void **state)
{
    (void)state;
    temp_folder root = square_folder();
    const temp_path masks = temp_folder_join(&root, "masks");
    const temp_path pictures = temp_folder_join(&root, "pictures");
    roto_davis_params params = roto_davis_params_default();
    params.tracker = ROTO_DAVIS_STILL;
    params.prompt = ROTO_DAVIS_BOX;
    params.masks_dir = masks.text;
    params.pictures_dir = pictures.text;
    roto_davis_scores *scores, *again;
    int32_t n;
    assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_OK);
    params = roto_davis_params_default();
    params.results_dir = masks.text;
    assert_int_equal(roto_eval_davis(root.path, &params, &again, &n), ROTO_OK);
    for (int i = 0; i < N - 2; i++)
        assert_near(scores[0].j[i], again[0].j[i], 0);
    roto_eval_free(scores);
    roto_eval_free(again);

    /* Frames 1 to 4 of 6. The square is tinted where it was, outlined where it is. */
    temp_folder shown;
    snprintf(shown.path, sizeof(shown.path), "%.60s", pictures.text);
    assert_int_equal(temp_folder_count(&shown), 4);
    const temp_path path = temp_folder_join(&root, "pictures/square-00004.png");
    const temp_path source = temp_folder_join(&root, "JPEGImages/square/00004.png");
    roto_image picture, image;
    void *storage, *image_storage;
    assert_int_equal(roto_image_read(path.text, &picture, &storage), ROTO_OK);
    assert_int_equal(roto_image_read(source.text, &image, &image_storage), ROTO_OK);
    const uint8_t *tinted = picture.plane[0] + 3 * (24 * W + 10);
    assert_true(tinted[0] > tinted[1] + 50);
    assert_int_equal(picture.plane[0][3 * (24 * W + 20)], 255); /* the first column of the square */
    assert_int_equal(picture.plane[0][3 * (24 * W + 19)], 0);
    assert_memory_equal(picture.plane[0], image.plane[0], 3 * W * 8);
    roto_image_free(storage);
    roto_image_free(image_storage);
    remove_all(&root);
}

static int32_t stop_at_two(void *user, const char *sequence, int64_t n_done, int64_t n_frames)
{
    assert_string_equal(sequence, "square");
    assert_int_equal(n_frames, N);
    *(int *)user += 1;
    return n_done == 2;
}

static void progress_can_stop_it(void **state)
{
    (void)state;
    temp_folder root = square_folder();
    roto_davis_params params = roto_davis_params_default();
    int n_calls = 0;
    params.tracker = ROTO_DAVIS_STILL;
    params.progress = stop_at_two;
    params.user = &n_calls;
    roto_davis_scores *scores;
    int32_t n;
    assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_CANCELLED);
    assert_null(scores);
    assert_int_equal(n_calls, 2);
    remove_all(&root);
}

/* ---- bad input -------------------------------------------------------------------------------
 */

static void expect(roto_status status, roto_status wanted, const char *words)
{
    if (status != wanted || !strstr(roto_error_message(), words))
        fail_msg("%s, not %s \"%s\": %s", roto_status_name(status), roto_status_name(wanted), words,
                 roto_error_message());
}

static void bad_truth_is_refused(void **state)
{
    (void)state;
    roto_davis_scores *scores;
    int32_t n;
    const temp_folder nowhere = {"/nowhere/davis"};
    expect(still(&nowhere, &scores, &n), ROTO_ERROR_IO, "/nowhere/davis: there is no such folder");
    temp_folder root = temp_folder_new();
    expect(still(&root, &scores, &n), ROTO_ERROR_IO, "SEQUENCE/Annotations is expected");
    make_folder(&root, "Annotations");
    expect(still(&root, &scores, &n), ROTO_ERROR_IO, "no sequences");
    make_folder(&root, "Annotations/a");
    expect(still(&root, &scores, &n), ROTO_ERROR_IO, "Annotations/a: holds no PNG file");

    uint8_t ids[W * H] = {0};
    put_ids(&root, "Annotations/a", 0, ids, W, H);
    put_ids(&root, "Annotations/a", 1, ids, W, H);
    expect(still(&root, &scores, &n), ROTO_ERROR_FORMAT, "sequence a: no mask holds an object");
    ids[5] = 1;
    put_ids(&root, "Annotations/a", 1, ids, W, H - 1);
    expect(still(&root, &scores, &n), ROTO_ERROR_FORMAT,
           "00001.png: 64 x 47 pixels; the masks before it have 64 x 48");
    const temp_path path = temp_folder_join(&root, "Annotations/a/00001.png");
    size_t bytes;
    char *data = temp_folder_get(&path, &bytes);
    temp_folder_put(&path, data, bytes - 30);
    free(data);
    expect(still(&root, &scores, &n), ROTO_ERROR_FORMAT, "00001.png: bad PNG: the file breaks off");
    assert_null(scores);
    remove_all(&root);
}

static void bad_images_are_refused(void **state)
{
    (void)state;
    temp_folder root = square_folder();
    roto_davis_params params = roto_davis_params_default();
    params.tracker = ROTO_DAVIS_FILTER;
    roto_davis_scores *scores;
    int32_t n;
    const temp_path image = temp_folder_join(&root, "JPEGImages/square/00002.png");
    size_t bytes;
    char *data = temp_folder_get(&image, &bytes);
    const temp_path twin = temp_folder_join(&root, "JPEGImages/square/00002.jpg");
    temp_folder_put(&twin, data, bytes);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_FORMAT,
           "are of the same frame");
    assert_int_equal(remove(twin.text), 0);
    temp_folder_put(&image, data, bytes / 2);
    free(data);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_FORMAT,
           "sequence square, frame 00002: ");
    uint8_t ids[8 * 8] = {0};
    put_ids(&root, "JPEGImages/square", 2, ids, 8, 8);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_FORMAT,
           "8 x 8 pixels; the masks have 64 x 48");
    assert_int_equal(remove(image.text), 0);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_IO,
           "00002.png: there is no image of that frame");
    roto_eval_free(scores);
    remove_all(&root);
}

static void bad_results_are_refused(void **state)
{
    (void)state;
    temp_folder root = square_folder();
    make_folder(&root, "results");
    make_folder(&root, "results/square");
    const temp_path results = temp_folder_join(&root, "results");
    roto_davis_params params = roto_davis_params_default();
    params.results_dir = results.text;
    roto_davis_scores *scores;
    int32_t n;
    uint8_t ids[W * H] = {0};
    for (int t = 1; t < N - 1; t++) /* the first and the last are not needed */
        put_ids(&root, "results/square", t, ids, W, H);
    assert_int_equal(roto_eval_davis(root.path, &params, &scores, &n), ROTO_OK);
    assert_near(scores[0].j_mean, 0, 0);
    roto_eval_free(scores);
    ids[2 * W + 7] = 2;
    put_ids(&root, "results/square", 3, ids, W, H);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_FORMAT,
           "00003.png: the pixel at 7, 2 is of object 2, which the sequence does not have");
    put_ids(&root, "results/square", 3, ids, H, W);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_FORMAT,
           "00003.png: 48 x 64 pixels; the true mask has 64 x 48");
    const temp_path path = temp_folder_join(&root, "results/square/00003.png");
    assert_int_equal(remove(path.text), 0);
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_IO,
           "results/square/00003.png");
    remove_all(&root);
}

static void bad_parameters_are_refused(void **state)
{
    (void)state;
    temp_folder root = square_folder();
    roto_davis_scores *scores;
    int32_t n;
    const roto_davis_params good = roto_davis_params_default();
    roto_davis_params params = good;
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT,
           "the segmenter is NULL");
    params.tracker = ROTO_DAVIS_STILL;
    params.prompt = ROTO_DAVIS_POINT;
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT,
           "a point has no extent");
    params.tracker = (roto_davis_tracker)3;
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT, "tracker 3");
    params = good;
    params.struct_bytes = 8;
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT, "_default()");
    expect(roto_eval_davis(root.path, NULL, &scores, &n), ROTO_ERROR_ARGUMENT, "NULL");
    static const struct {
        const char *name, *words;
    } names[] = {{"squares", "did you mean \"square\"?"},
                 {"elephant", "there is no sequence \"elephant\""},
                 {"", "there is no sequence \"\""}};
    params = good;
    params.tracker = ROTO_DAVIS_STILL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        params.sequences = &names[i].name;
        params.n_sequences = 1;
        expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT,
               names[i].words);
    }
    static const char *const twice[] = {"square", "square"};
    params.sequences = twice;
    params.n_sequences = 2;
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_ARGUMENT, "named twice");
    params.sequences = NULL;
    params.masks_dir = "/nowhere/masks";
    expect(roto_eval_davis(root.path, &params, &scores, &n), ROTO_ERROR_IO,
           "/nowhere/masks: cannot create the folder");
    remove_all(&root);
}

/* ROTO_DATA names a folder with davis16-dev and davis-eval-check, the official figures. */
static void official_figures_are_met(void **state)
{
    (void)state;
    const char *data = getenv("ROTO_DATA");
    if (!data)
        skip();
    temp_path truth, results, expected;
    snprintf(truth.text, sizeof(truth.text), "%.300s/davis16-dev", data);
    snprintf(results.text, sizeof(results.text), "%.300s/davis-eval-check/osvos", data);
    snprintf(expected.text, sizeof(expected.text), "%.300s/davis-eval-check/expected.csv", data);
    static const char *const sequences[] = {"blackswan", "dance-twirl", "dog", "drift-chicane",
                                            "horsejump-high"};
    roto_davis_params params = roto_davis_params_default();
    params.results_dir = results.text;
    params.sequences = sequences;
    params.n_sequences = 5;
    roto_davis_scores *scores;
    int32_t n;
    assert_int_equal(roto_eval_davis(truth.text, &params, &scores, &n), ROTO_OK);
    FILE *file = fopen(expected.text, "r");
    assert_non_null(file);
    char line[256];
    int n_lines = 0;
    while (fgets(line, sizeof(line), file)) {
        char name[64];
        int frames, scored;
        double v[6];
        if (sscanf(line, "%63[^,],%d,%d,%lf,%lf,%lf,%lf,%lf,%lf", name, &frames, &scored, &v[0],
                   &v[1], &v[2], &v[3], &v[4], &v[5]) != 9)
            continue; /* the heading, and the mean */
        const roto_davis_scores *s = find(scores, n, name, 1);
        const double found[6] = {s->j_mean, s->j_recall, s->j_decay,
                                 s->f_mean, s->f_recall, s->f_decay};
        assert_int_equal(s->n_scored, scored);
        for (int i = 0; i < 6; i++)
            assert_near(found[i], v[i], 1e-6); /* they have six digits */
        n_lines++;
    }
    fclose(file);
    assert_int_equal(n_lines, 5);
    roto_eval_free(scores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_official_evaluation),
        cmocka_unit_test(every_layout_is_found),
        cmocka_unit_test(simple_trackers_keep_or_move_the_first_mask),
        cmocka_unit_test(masks_and_pictures_are_written),
        cmocka_unit_test(progress_can_stop_it),
        cmocka_unit_test(bad_truth_is_refused),
        cmocka_unit_test(bad_images_are_refused),
        cmocka_unit_test(bad_results_are_refused),
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(official_figures_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
