#include "support/cmocka_all.h"

#include <roto/eval.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char model_path[] = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";
static const char picture_path[] = ROTO_SOURCE_DIR "/tests/models/golden/bedroom.jpg";

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/roto-eval-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put_folder(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0777), 0);
}

static void put_text(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void put_picture(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(symlink(picture_path, path), 0);
}

static roto_detector *open_detector(void)
{
    roto_detector *detector = NULL;
    assert_int_equal(roto_detector_open(model_path, NULL, &detector), ROTO_OK);
    return detector;
}

static roto_status run(roto_detector *detector, int missing_is_empty,
                       roto_detection_scores **scores, int32_t *n)
{
    return roto_eval_detect(folder, detector, missing_is_empty, scores, n);
}

/* The picture's bed and its two persons as the detector sees them (480 x 270). */
static const char truth[] = "59 0.379579 0.747687 0.756281 0.493142\n"
                            "0 0.432767 0.377784 0.206196 0.726820\n"
                            "0 0.243494 0.500683 0.152885 0.508295\n";

static void boxes_are_matched_with_labels(void **state)
{
    (void)state;
    roto_detector *detector = open_detector();
    roto_detection_scores *scores;
    int32_t n;
    put_folder("images");
    put_folder("images/day");
    put_folder("labels");
    put_folder("labels/day");
    put_picture("images/day/a.jpg");
    put_picture("images/b.JPG");
    put_text("labels/day/a.txt", truth);
    put_text("images/notes.md", "not an image");
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_OK);
    assert_int_equal(n, 3);
    assert_string_equal(scores[0].name, "mean");
    assert_int_equal(scores[0].class_id, -1);
    assert_int_equal(scores[0].n_images, 1);
    assert_int_equal(scores[0].n_boxes, 3);
    assert_string_equal(scores[1].name, "person");
    assert_string_equal(scores[2].name, "bed");
    assert_true(scores[0].ap > 0.999 && scores[0].ap50 > 0.999 && scores[0].ar100 > 0.999);
    roto_eval_free(scores);

    /* The second image has no labels: nothing to find in it, or no part of the measure. Its
     * detections then rank among the first one's. */
    assert_int_equal(run(detector, 1, &scores, &n), ROTO_OK);
    assert_int_equal(scores[0].n_images, 2);
    assert_int_equal(scores[0].n_boxes, 3);
    assert_true(scores[0].ap < 0.9);
    roto_eval_free(scores);

    /* Boxes shifted by a tenth of the picture match no more. */
    put_text("labels/day/a.txt", "59 0.1 0.1 0.05 0.05\n\n0 0.9 0.9 0.1 0.1\r\n");
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_OK);
    assert_true(fabs(scores[0].ap) < 1e-9);
    roto_eval_free(scores);
    roto_detector_close(detector);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    roto_detector *detector = open_detector();
    roto_detection_scores *scores;
    int32_t n;
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "no such folder"));
    put_folder("images");
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "holds no PNG or JPEG"));
    put_picture("images/a.jpg");
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "neither a folder labels"));
    put_folder("object_detection");
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "none of the 1 images"));
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"0 0.5 0.5 0.5\n", "a.txt:1: a line holds 5 numbers"},
        {"0 .5 .5 .5 .5\nperson .5 .5 .5 .5\n", "a.txt:2: a line holds 5 numbers"},
        {"0 .5 .5 .5 .5 .6 .7\n", "more than 5 numbers"},
        {"80 .5 .5 .5 .5\n", "class 80; the detector has 0..79"},
        {"-1 .5 .5 .5 .5\n", "class -1"},
        {"0.5 .5 .5 .5 .5\n", "class 0.5"},
        {"0 1.5 .5 .5 .5\n", "it has to be in 0..1"},
        {"0 nan .5 .5 .5\n", "it has to be in 0..1"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_text("object_detection/a.txt", bad[i].text);
        assert_int_equal(run(detector, 0, &scores, &n), ROTO_ERROR_FORMAT);
        if (!strstr(roto_error_message(), bad[i].said))
            fail_msg("'%s' does not say '%s'", roto_error_message(), bad[i].said);
        assert_null(scores);
    }
    put_text("object_detection/a.txt", ""); /* an image without objects */
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_OK);
    assert_int_equal(n, 1);
    assert_true(scores[0].ap == -1);
    roto_eval_free(scores);
    put_text("images/b.png", "no picture");
    put_text("object_detection/b.txt", "");
    assert_int_equal(run(detector, 0, &scores, &n), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "b.png"));
    assert_int_equal(roto_eval_detect(NULL, detector, 0, &scores, &n), ROTO_ERROR_ARGUMENT);
    roto_detector_close(detector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(boxes_are_matched_with_labels, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(mistakes_are_named, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
