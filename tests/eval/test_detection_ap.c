#include "support/cmocka_all.h"

#include "eval/detection_ap.h"
#include "eval/golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 1e-6; /* what roto promises against pycocotools */

/* Rows [image, class, x, y, width, height(, score)]. */
static ap_object *objects_of(const cJSON *rows, size_t *n)
{
    *n = (size_t)cJSON_GetArraySize(rows);
    ap_object *objects = calloc(*n + 1, sizeof(*objects));
    assert_non_null(objects);
    size_t i = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        double v[7] = {0};
        for (int k = 0; k < cJSON_GetArraySize(row); k++)
            v[k] = cJSON_GetArrayItem(row, k)->valuedouble;
        objects[i++] = (ap_object){.image = (int64_t)v[0],
                                   .class_id = (int32_t)v[1],
                                   .x0 = v[2],
                                   .y0 = v[3],
                                   .x1 = v[2] + v[4],
                                   .y1 = v[3] + v[5],
                                   .score = v[6]};
    }
    return objects;
}

static void compare_with(const cJSON *expected, const roto_detection_scores *score)
{
    assert_int_equal(score->class_id, (int32_t)golden_number(expected, "class"));
    assert_near(score->ap, golden_number(expected, "ap"), TOLERANCE);
    assert_near(score->ap50, golden_number(expected, "ap50"), TOLERANCE);
    assert_near(score->ap75, golden_number(expected, "ap75"), TOLERANCE);
    assert_near(score->ar100, golden_number(expected, "ar100"), TOLERANCE);
}

static void every_score_equals_that_of_pycocotools(void **state)
{
    (void)state;
    cJSON *cases = golden_read("eval/golden/ap.json");
    int n_cases = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        size_t n_truth = 0, n_found = 0;
        ap_object *truth = objects_of(cJSON_GetObjectItem(one, "truth"), &n_truth);
        ap_object *found = objects_of(cJSON_GetObjectItem(one, "found"), &n_found);
        roto_detection_scores *scores = NULL;
        int32_t n_scores = 0;
        assert_int_equal(detection_ap(truth, n_truth, found, n_found, &scores, &n_scores), ROTO_OK);
        const cJSON *expected = cJSON_GetObjectItem(one, "scores");
        assert_int_equal(n_scores, cJSON_GetArraySize(expected));
        for (int i = 0; i < n_scores; i++)
            compare_with(cJSON_GetArrayItem(expected, i), &scores[i]);
        roto_eval_free(scores);
        free(truth);
        free(found);
        n_cases++;
    }
    assert_in_range(n_cases, 5, 100);
    cJSON_Delete(cases);
}

static void images_may_come_in_any_order(void **state)
{
    (void)state;
    const ap_object truth[] = {{7, 0, 0, 0, 10, 10, 0}, {2, 0, 0, 0, 10, 10, 0}};
    const ap_object found[] = {{2, 0, 0, 0, 10, 10, 0.4}, {7, 0, 0, 0, 10, 10, 0.9}};
    roto_detection_scores *scores = NULL;
    int32_t n_scores = 0;
    assert_int_equal(detection_ap(truth, 2, found, 2, &scores, &n_scores), ROTO_OK);
    assert_int_equal(n_scores, 2);
    assert_near(scores[0].ap, 1, 1e-12);
    assert_near(scores[1].ar100, 1, 1e-12);
    assert_int_equal(scores[0].n_boxes, 2);
    assert_int_equal(scores[1].n_detections, 2);
    roto_eval_free(scores);
}

static void without_ground_truth_the_scores_are_undefined(void **state)
{
    (void)state;
    const ap_object found[] = {{0, 3, 0, 0, 10, 10, 0.4}};
    roto_detection_scores *scores = NULL;
    int32_t n_scores = 0;
    assert_int_equal(detection_ap(NULL, 0, found, 1, &scores, &n_scores), ROTO_OK);
    assert_int_equal(n_scores, 1);
    assert_near(scores[0].ap, -1, 0);
    assert_near(scores[0].ar100, -1, 0);
    assert_int_equal(scores[0].n_detections, 1);
    roto_eval_free(scores);
}

static void boxes_that_are_not_boxes_are_refused(void **state)
{
    (void)state;
    const ap_object good = {0, 0, 0, 0, 10, 10, 0.5};
    const ap_object bad[] = {
        {0, 0, NAN, 0, 10, 10, 0.5}, {0, 0, 0, 0, INFINITY, 10, 0.5}, {0, 0, 0, 0, 10, 10, NAN},
        {0, 0, 11, 0, 10, 10, 0.5},  {0, 0, 0, 11, 10, 10, 0.5},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        roto_detection_scores *scores = NULL;
        int32_t n_scores = 0;
        assert_int_equal(detection_ap(&good, 1, &bad[i], 1, &scores, &n_scores),
                         ROTO_ERROR_ARGUMENT);
        assert_non_null(strstr(roto_error_message(), "detection 0"));
        assert_int_equal(detection_ap(&bad[i], 1, &good, 1, &scores, &n_scores),
                         ROTO_ERROR_ARGUMENT);
        assert_non_null(strstr(roto_error_message(), "ground truth 0"));
        assert_null(scores);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_score_equals_that_of_pycocotools),
        cmocka_unit_test(images_may_come_in_any_order),
        cmocka_unit_test(without_ground_truth_the_scores_are_undefined),
        cmocka_unit_test(boxes_that_are_not_boxes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
