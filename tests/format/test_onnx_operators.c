/* Every operator that the importer takes, against what ONNX Runtime computed. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "format/onnx/onnx.h"
#include "format/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct golden_case {
    char name[64];
    const safetensor *model, *in, *out;
} golden_case;

/* Elements of an array in ONNX's order to or from memory with dimension order `order`. */
static void rearrange(const tensor_shape *shape, const int *order, const float *from, float *to)
{
    int64_t stride[TENSOR_MAX_RANK], step = 1, index[TENSOR_MAX_RANK] = {0};
    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
    for (int64_t n = 0; n < step; n++) {
        int64_t at = 0;
        for (int i = 0; i < shape->rank; i++)
            at += index[i] * stride[order[i]];
        to[n] = from[at];
        for (int i = shape->rank - 1; i >= 0 && ++index[i] == shape->dim[order[i]]; i--)
            index[i] = 0;
    }
}

static void run_case(const golden_case *c, const backend_table *table)
{
    onnx_model *model = NULL;
    if (onnx_import_bytes(c->model->data, c->model->bytes, c->name, NULL, &model) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_int_equal(model->n_inputs, 1);
    assert_true(shape_equal(&model->inputs[0].shape, &c->in->shape));
    assert_int_equal(model->n_outputs, 1);
    if (!shape_equal(&model->outputs[0].shape, &c->out->shape))
        fail_msg("%s: the output has another shape than ONNX Runtime's", c->name);

    backend *b;
    executable *e;
    assert_int_equal(table->open(&(backend_params){.n_threads = 1}, &b), ROTO_OK);
    if (table->compile(b, model->graph, &e) != ROTO_OK)
        fail_msg("%s: %s", c->name, roto_error_message());
    float *in = malloc(c->in->bytes), *expected = malloc(c->out->bytes);
    assert_true(in && expected);
    assert_int_equal(safetensor_read_f32(c->in, in), ROTO_OK);
    assert_int_equal(safetensor_read_f32(c->out, expected), ROTO_OK);
    rearrange(&c->in->shape, model->inputs[0].order, in, table->input(e, 0));
    assert_int_equal(table->run(e), ROTO_OK);
    const float *got = table->output(e, 0);
    double difference = 0, size = 0;
    for (int64_t i = 0; i < shape_count(&c->out->shape); i++) {
        difference += pow((double)got[i] - (double)expected[i], 2);
        size += pow((double)expected[i], 2);
    }
    /* The project's bound for fp32. */
    if (!(sqrt(difference) <= 1e-5 * sqrt(size)))
        fail_msg("%s on %s: relative difference %g", c->name, table->name, sqrt(difference / size));
    free(in);
    free(expected);
    table->release(e);
    table->close(b);
    onnx_model_free(model);
}

static safetensors *open_golden(void)
{
    safetensors *file;
    assert_int_equal(
        safetensors_open(ROTO_SOURCE_DIR "/tests/format/golden/onnx.safetensors", &file), ROTO_OK);
    return file;
}

static int run_all(const char *device)
{
    const backend_table *table = backend_find(device);
    assert_non_null(table);
    safetensors *file = open_golden();
    int n = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        golden_case c = {.model = safetensors_at(file, i)};
        const char *dot = strrchr(c.model->name, '.');
        if (strcmp(dot, ".model") != 0)
            continue;
        char name[80];
        snprintf(c.name, sizeof(c.name), "%.*s", (int)(dot - c.model->name), c.model->name);
        snprintf(name, sizeof(name), "%s.in", c.name);
        c.in = safetensors_find(file, name);
        snprintf(name, sizeof(name), "%s.out", c.name);
        c.out = safetensors_find(file, name);
        assert_true(c.in && c.out);
        run_case(&c, table);
        n++;
    }
    safetensors_close(file);
    return n;
}

static void reference_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    assert_int_equal(run_all("reference"), 47);
}

static void cpu_agrees_with_onnx_runtime(void **state)
{
    (void)state;
    assert_int_equal(run_all("cpu"), 47);
}

/* [1, anchors, channels] comes out of both heads as it lies in memory. */
static void heads_move_no_data(void **state)
{
    (void)state;
    static const char *const names[] = {"yolov8_head.model", "yolox_head.model", "focus.model",
                                        "conv_depthwise_norm_silu.model"};
    safetensors *file = open_golden();
    for (int i = 0; i < 4; i++) {
        const safetensor *bytes = safetensors_find(file, names[i]);
        const onnx_import_params params = {.keep_output_order = true};
        onnx_model *model;
        assert_non_null(bytes);
        assert_int_equal(onnx_import_bytes(bytes->data, bytes->bytes, names[i], &params, &model),
                         ROTO_OK);
        assert_int_equal(model->n_transposes, 0);
        for (int k = 0; k < graph_n_nodes(model->graph); k++)
            assert_int_not_equal(graph_node_at(model->graph, k)->op, OP_TRANSPOSE);
        onnx_model_free(model);
    }
    safetensors_close(file);
}

/* A value in the middle of the network as the output, and nothing behind it. */
static void any_value_can_be_the_output(void **state)
{
    (void)state;
    safetensors *file = open_golden();
    const safetensor *bytes = safetensors_find(file, "focus.model");
    const char *const wanted[] = {"t41"};
    onnx_import_params params = {.outputs = wanted, .n_outputs = 1};
    onnx_model *model;
    assert_int_equal(onnx_import_bytes(bytes->data, bytes->bytes, "focus", &params, &model),
                     ROTO_OK);
    for (int k = 0; k < graph_n_nodes(model->graph); k++)
        assert_int_not_equal(graph_node_at(model->graph, k)->op, OP_CONV2D);
    onnx_model_free(model);
    params.outputs = (const char *const[]){"nothing"};
    assert_int_equal(onnx_import_bytes(bytes->data, bytes->bytes, "focus", &params, &model),
                     ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "'nothing'"));
    safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_agrees_with_onnx_runtime),
        cmocka_unit_test(cpu_agrees_with_onnx_runtime),
        cmocka_unit_test(heads_move_no_data),
        cmocka_unit_test(any_value_can_be_the_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
