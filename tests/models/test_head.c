#include "support/cmocka_all.h"

#include "models/yolo/nms.h"

#include <math.h>
#include <string.h>

static const uint8_t all[2] = {1, 1};

static onnx_port port(int64_t a, int64_t b, bool swapped)
{
    onnx_port p = {.name = "out", .shape = SHAPE(1, a, b), .order = {0, 1, 2}};
    if (swapped)
        p.order[1] = 2, p.order[2] = 1;
    return p;
}

static void yolox_boxes_come_from_the_grid(void **state)
{
    (void)state;
    const detector_config config = {.width = 16,
                                    .height = 8,
                                    .head = HEAD_YOLOX,
                                    .strides = {4, 8},
                                    .n_strides = 2,
                                    .n_classes = 2};
    float out[10][7] = {0};
    /* Second row of the fine grid, third column; then the second cell of the coarse one. */
    memcpy(out[4 + 2], (float[]){0.5f, 0.25f, 0, logf(2), 0.8f, 0.1f, 0.5f}, sizeof(out[0]));
    memcpy(out[8 + 1], (float[]){0, 0, logf(0.5f), 0, 1, 0.9f, 0.2f}, sizeof(out[0]));
    memcpy(out[0], (float[]){NAN, 0, 0, 0, 1, 1, 0}, sizeof(out[0]));
    memcpy(out[1], (float[]){0, 0, 0, 0, NAN, 1, 0}, sizeof(out[0]));
    detector_head head;
    onnx_port p = port(10, 7, false);
    assert_int_equal(detector_head_init(&config, &p, &head), ROTO_OK);
    candidate found[10];
    assert_int_equal(detector_head_decode(&head, &out[0][0], 0.3f, all, found), 2);
    const candidate *a = &found[0], *b = &found[1];
    assert_true(a->class_id == 1 && fabsf(a->score - 0.4f) < 1e-6f);
    assert_true(fabsf(a->box.x0 - 8) < 1e-4f && fabsf(a->box.x1 - 12) < 1e-4f);
    assert_true(fabsf(a->box.y0 - 1) < 1e-4f && fabsf(a->box.y1 - 9) < 1e-4f);
    assert_true(b->class_id == 0 && fabsf(b->score - 0.9f) < 1e-6f);
    assert_true(fabsf(b->box.x0 - 6) < 1e-4f && fabsf(b->box.x1 - 10) < 1e-4f);
    assert_true(fabsf(b->box.y0 + 4) < 1e-4f && fabsf(b->box.y1 - 4) < 1e-4f);
    /* Only the class that is kept, and only scores that are high enough. */
    assert_int_equal(detector_head_decode(&head, &out[0][0], 0.3f, (uint8_t[]){0, 1}, found), 1);
    assert_int_equal(detector_head_decode(&head, &out[0][0], 0.45f, all, found), 1);
}

static void yolov8_is_read_in_either_order(void **state)
{
    (void)state;
    const detector_config config = {.width = 64, .height = 64, .head = HEAD_YOLOV8, .n_classes = 2};
    const float rows[3][6] = {
        {10, 20, 4, 8, 0.2f, 0.7f}, {1, 2, 3, 4, 0.1f, 0.05f}, {30, 30, 10, 10, 0.6f, 0.5f}};
    float columns[6][3];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 6; k++)
            columns[k][i] = rows[i][k];
    /* [1, 6, 3] row-major, [1, 6, 3] as [1, 3, 6] in memory, and [1, 3, 6]. */
    const onnx_port ports[] = {port(6, 3, false), port(6, 3, true), port(3, 6, false)};
    const float *data[] = {&columns[0][0], &rows[0][0], &rows[0][0]};
    for (int i = 0; i < 3; i++) {
        detector_head head;
        assert_int_equal(detector_head_init(&config, &ports[i], &head), ROTO_OK);
        candidate found[3];
        assert_int_equal(detector_head_decode(&head, data[i], 0.3f, all, found), 2);
        assert_true(found[0].class_id == 1 && found[0].score == 0.7f && found[0].box.x0 == 8 &&
                    found[0].box.y0 == 16 && found[0].box.x1 == 12 && found[0].box.y1 == 24);
        assert_true(found[1].class_id == 0 && found[1].score == 0.6f && found[1].index == 2);
    }
}

static void other_heads_are_read(void **state)
{
    (void)state;
    detector_config config = {.width = 64, .height = 64, .head = HEAD_YOLOV5, .n_classes = 2};
    detector_head head;
    candidate found[4];
    onnx_port p = port(1, 7, false);
    assert_int_equal(detector_head_init(&config, &p, &head), ROTO_OK);
    assert_int_equal(
        detector_head_decode(&head, (float[]){10, 20, 4, 8, 0.5f, 0.2f, 0.8f}, 0.3f, all, found),
        1);
    assert_true(found[0].score == 0.4f && found[0].class_id == 1 && found[0].box.x1 == 12);

    config.head = HEAD_END_TO_END;
    p = port(4, 6, false);
    assert_int_equal(detector_head_init(&config, &p, &head), ROTO_OK);
    const float rows[4][6] = {{1, 2, 3, 4, 0.9f, 1},
                              {1, 2, 3, 4, 0.9f, 2}, /* there is no such class */
                              {1, 2, 3, 4, 0.9f, NAN},
                              {5, 6, 7, 8, 0.1f, 0}};
    assert_int_equal(detector_head_decode(&head, &rows[0][0], 0.3f, all, found), 1);
    assert_true(found[0].class_id == 1 && found[0].box.x0 == 1 && found[0].box.y1 == 4);
}

static void outputs_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const detector_config config = {.width = 64,
                                    .height = 64,
                                    .head = HEAD_YOLOX,
                                    .strides = {32},
                                    .n_strides = 1,
                                    .n_classes = 2};
    const onnx_port bad[] = {port(4, 8, false),
                             port(5, 7, false),
                             {.name = "flat", .shape = SHAPE(4, 7)},
                             {.name = "batch", .shape = SHAPE(2, 4, 7), .order = {0, 1, 2}}};
    for (int i = 0; i < 4; i++) {
        detector_head head;
        assert_int_equal(detector_head_init(&config, &bad[i], &head), ROTO_ERROR_FORMAT);
        assert_non_null(strstr(roto_error_message(), bad[i].name));
    }
}

static candidate at(float x, float score, int32_t class_id, int32_t index)
{
    return (candidate){
        .box = {x, 0, x + 10, 10}, .score = score, .class_id = class_id, .index = index};
}

static void suppression_keeps_the_best_of_each_class(void **state)
{
    (void)state;
    candidate items[] = {at(0, 0.5f, 0, 0), at(1, 0.9f, 0, 1),  at(1, 0.7f, 1, 2),
                         at(8, 0.6f, 0, 3), at(50, 0.3f, 0, 4), at(2, 0.9f, 1, 5)};
    /* 0 overlaps 1 by 9/11, 2 overlaps 5 by 9/11, 3 overlaps 1 by 3/17. */
    const int32_t expected[] = {1, 5, 3, 4};
    assert_int_equal(nms_keep_best(items, 6, 0.5f, 100), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(items[i].index, expected[i]);
    candidate again[] = {at(0, 0.5f, 0, 0), at(1, 0.9f, 0, 1), at(50, 0.3f, 0, 2)};
    assert_int_equal(nms_keep_best(again, 3, 0.5f, 1), 1);
    assert_int_equal(again[0].index, 1);
    assert_int_equal(nms_keep_best(again, 0, 0.5f, 1), 0);
}

/* Against the definition: an item stays if no better one that stays suppresses it. */
static void many_items_agree_with_the_definition(void **state)
{
    (void)state;
    enum { N = 400 };
    static candidate items[N], sorted[N];
    uint32_t random = 1;
    for (int i = 0; i < N; i++) {
        random = random * 1664525u + 1013904223u;
        items[i] = at((float)(random >> 24), (float)(random >> 16 & 63) / 64, random >> 9 & 1, i);
    }
    memcpy(sorted, items, sizeof(items));
    for (int i = 1; i < N; i++) /* insertion sort, equal scores by index */
        for (int k = i; k > 0 && sorted[k].score > sorted[k - 1].score; k--) {
            candidate swap = sorted[k];
            sorted[k] = sorted[k - 1];
            sorted[k - 1] = swap;
        }
    bool gone[N] = {false};
    int kept = nms_keep_best(items, N, 0.4f, N), n = 0;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < i && !gone[i]; k++) {
            float common = 10 - fabsf(sorted[i].box.x0 - sorted[k].box.x0);
            gone[i] = !gone[k] && sorted[i].class_id == sorted[k].class_id && common > 0 &&
                      common / (20 - common) > 0.4f;
        }
        if (!gone[i])
            assert_int_equal(items[n++].index, sorted[i].index);
    }
    assert_int_equal(kept, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolox_boxes_come_from_the_grid),
        cmocka_unit_test(yolov8_is_read_in_either_order),
        cmocka_unit_test(other_heads_are_read),
        cmocka_unit_test(outputs_that_do_not_fit_are_refused),
        cmocka_unit_test(suppression_keeps_the_best_of_each_class),
        cmocka_unit_test(many_items_agree_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
