#include "support/cmocka_all.h"

#include "eval/golden.h"
#include "support/temp_folder.h"

#include <roto/detect.h>

#include <string.h>

static const char model_path[] = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";
static const char picture_path[] = ROTO_SOURCE_DIR "/tests/models/golden/bedroom.jpg";

static roto_detector *open_with(const char *device, float min_score, float nms_iou)
{
    roto_detector_params params = roto_detector_params_default();
    params.compute.device = device;
    params.compute.n_threads = 2;
    params.min_score = min_score;
    params.nms_iou = nms_iou;
    roto_detector *detector = NULL;
    if (roto_detector_open(model_path, &params, &detector) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    return detector;
}

static void check_against_onnx_runtime(const char *device)
{
    cJSON *expected = golden_read("models/golden/detections.json");
    roto_detector *detector = open_with(device, 0.1f, 0.65f);
    roto_image image;
    void *storage;
    assert_int_equal(roto_image_read(picture_path, &image, &storage), ROTO_OK);
    const roto_detection *found;
    int32_t n;
    assert_int_equal(roto_detector_run(detector, &image, &found, &n), ROTO_OK);
    assert_int_equal(n, cJSON_GetArraySize(expected));
    const cJSON *item = expected->child;
    for (int i = 0; i < n; i++, item = item->next) {
        assert_int_equal(found[i].class_id, (int)golden_number(item, "class_id"));
        /* Two engines that sum in different orders, through an exponential. */
        assert_near((double)found[i].score, golden_number(item, "score"), 1e-4);
        const cJSON *box = cJSON_GetObjectItem(item, "box");
        const float corners[] = {found[i].box.x0, found[i].box.y0, found[i].box.x1,
                                 found[i].box.y1};
        for (int k = 0; k < 4; k++)
            assert_near((double)corners[k], cJSON_GetArrayItem(box, k)->valuedouble, 0.02);
    }
    roto_image_free(storage);
    roto_detector_close(detector);
    cJSON_Delete(expected);
}

static void reference_finds_what_onnx_runtime_finds(void **state)
{
    (void)state;
    check_against_onnx_runtime("reference");
}

static void cpu_finds_what_onnx_runtime_finds(void **state)
{
    (void)state;
    check_against_onnx_runtime("cpu");
}

static void classes_and_counts_are_kept_to(void **state)
{
    (void)state;
    roto_detector_params params = roto_detector_params_default();
    const int32_t person = 0;
    params.classes = &person;
    params.n_classes = 1;
    params.max_detections = 1;
    roto_detector *detector;
    assert_int_equal(roto_detector_open(model_path, &params, &detector), ROTO_OK);
    assert_int_equal(roto_detector_n_classes(detector), 80);
    assert_string_equal(roto_detector_class_name(detector, 59), "bed");
    assert_null(roto_detector_class_name(detector, 80));
    assert_null(roto_detector_class_name(detector, -1));
    assert_int_equal(roto_detector_class_find(detector, "traffic light"), 9);
    assert_int_equal(roto_detector_class_find(detector, "dragon"), -1);
    assert_non_null(strstr(roto_detector_describe(detector), "416 x 416"));
    roto_image image;
    void *storage;
    const roto_detection *found;
    int32_t n;
    assert_int_equal(roto_image_read(picture_path, &image, &storage), ROTO_OK);
    assert_int_equal(roto_detector_run(detector, &image, &found, &n), ROTO_OK);
    assert_int_equal(n, 1);
    assert_int_equal(found[0].class_id, 0);
    const int32_t bed = 59, wrong = 80;
    assert_int_equal(roto_detector_keep(detector, &bed, 1), ROTO_OK);
    assert_int_equal(roto_detector_run(detector, &image, &found, &n), ROTO_OK);
    assert_int_equal(n, 1);
    assert_int_equal(found[0].class_id, 59);
    assert_int_equal(roto_detector_keep(detector, &wrong, 1), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_detector_keep(detector, &bed, 0), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_detector_keep(detector, NULL, 0), ROTO_OK);
    image.width = 0;
    assert_int_equal(roto_detector_run(detector, &image, &found, &n), ROTO_ERROR_ARGUMENT);
    assert_int_equal(n, 0);
    roto_image_free(storage);
    roto_detector_close(detector);
}

static void wrong_parameters_are_refused(void **state)
{
    (void)state;
    roto_detector *detector;
    roto_detector_params bad[9];
    const int32_t class_id = 99;
    for (int i = 0; i < 9; i++)
        bad[i] = roto_detector_params_default();
    bad[0].struct_bytes = 0;
    bad[1].min_score = 2;
    bad[2].nms_iou = NAN;
    bad[3].max_detections = 0;
    bad[4].compute.n_threads = 257;
    bad[5].compute.precision = (roto_precision)9;
    bad[6].compute.device = NULL;
    bad[7].classes = &class_id;
    bad[7].n_classes = 1;
    bad[8].compute.struct_bytes = 1;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(roto_detector_open(model_path, &bad[i], &detector), ROTO_ERROR_ARGUMENT);
        assert_null(detector);
    }
    roto_detector_params params = roto_detector_params_default();
    params.compute.device = "cuda:1";
    assert_int_equal(roto_detector_open(model_path, &params, &detector), ROTO_ERROR_DEVICE);
    assert_non_null(strstr(roto_error_message(), "cuda:1"));
    params.compute.device = "abacus";
    assert_int_equal(roto_detector_open(model_path, &params, &detector), ROTO_ERROR_DEVICE);
    assert_int_equal(roto_detector_open(NULL, NULL, &detector), ROTO_ERROR_ARGUMENT);
    roto_detector_close(NULL);
}

static void missing_and_damaged_files_are_named(void **state)
{
    (void)state;
    const temp_folder folder = temp_folder_new();
    const temp_path model = temp_folder_join(&folder, "m.onnx"),
                    config = temp_folder_join(&folder, "m.json");
    roto_detector *detector;
    size_t bytes;
    temp_path source;
    snprintf(source.text, sizeof(source.text), "%s/assets/models/yolox_nano.json", ROTO_SOURCE_DIR);
    char *text = temp_folder_get(&source, &bytes);
    assert_int_equal(roto_detector_open(model.text, NULL, &detector), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "m.json"));
    temp_folder_put(&config, text, bytes);
    assert_int_equal(roto_detector_open(model.text, NULL, &detector), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "m.onnx"));
    temp_folder_put(&model, "", 0);
    assert_int_equal(roto_detector_open(model.text, NULL, &detector), ROTO_ERROR_FORMAT);
    temp_folder_put(&model, "not a model", 11);
    assert_int_equal(roto_detector_open(model.text, NULL, &detector), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "m.onnx: not an ONNX model"));
    temp_folder_put(&config, "{}", 2);
    assert_int_equal(roto_detector_open(model.text, NULL, &detector), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "format has to be"));
    free(text);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_finds_what_onnx_runtime_finds),
        cmocka_unit_test(cpu_finds_what_onnx_runtime_finds),
        cmocka_unit_test(classes_and_counts_are_kept_to),
        cmocka_unit_test(wrong_parameters_are_refused),
        cmocka_unit_test(missing_and_damaged_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
