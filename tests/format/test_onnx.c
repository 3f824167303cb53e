#include "support/cmocka_all.h"

#include "format/file.h"
#include "format/onnx/onnx.h"
#include "support/temp_folder.h"

static const char model_path[] = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";

static void yolox_imports_without_moving_data(void **state)
{
    (void)state;
    onnx_model *model = NULL;
    assert_int_equal(onnx_import(model_path, NULL, &model), ROTO_OK);
    assert_int_equal(model->n_inputs, 1);
    assert_string_equal(model->inputs[0].name, "images");
    assert_true(shape_equal(&model->inputs[0].shape, &(tensor_shape){4, {1, 3, 416, 416}}));
    tensor_id in = graph_input_at(model->graph, 0)->tensor;
    assert_true(shape_equal(&graph_tensor_at(model->graph, in)->shape,
                            &(tensor_shape){4, {1, 416, 416, 3}}));
    assert_int_equal(model->n_outputs, 1);
    tensor_id out = graph_output_at(model->graph, 0)->tensor;
    assert_true(
        shape_equal(&graph_tensor_at(model->graph, out)->shape, &(tensor_shape){3, {1, 3549, 85}}));
    assert_int_equal(model->n_transposes, 0);
    for (int i = 0; i < graph_n_nodes(model->graph); i++)
        assert_int_not_equal(graph_node_at(model->graph, i)->op, OP_TRANSPOSE);
    onnx_model_free(model);
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    file_bytes file;
    assert_int_equal(file_read(model_path, SIZE_MAX, &file), ROTO_OK);
    for (size_t bytes = 0; bytes < file.bytes; bytes += bytes < 4096 ? 61 : 97001) {
        onnx_model *model = NULL;
        assert_int_not_equal(onnx_import_bytes(file.data, bytes, "cut", NULL, &model), ROTO_OK);
        assert_null(model);
        assert_non_null(strstr(roto_error_message(), "cut: "));
    }
    file_release(&file);
}

static void sizes_that_the_file_fixes_cannot_be_changed(void **state)
{
    (void)state;
    onnx_model *model = NULL;
    const onnx_import_params params = {.height = 640, .width = 640};
    assert_int_equal(onnx_import(model_path, &params, &model), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "fixed at 416; 640 was asked for"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolox_imports_without_moving_data),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(sizes_that_the_file_fixes_cannot_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
