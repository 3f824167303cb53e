#include "support/cmocka_all.h"
#include "support/synthetic.h"

#include "models/sam2/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static roto_status open_model(const synthetic_model *from, const char *config, sam2_model **out)
{
    return sam2_model_new(config, (int64_t)strlen(config), from->tensors, from->n, out);
}

static void the_published_names_and_shapes_bind(void **state)
{
    (void)state;
    synthetic_model from = synthetic_sam2();
    const synthetic_config config = synthetic_sam2_config(114688);
    sam2_model *m = NULL;
    const roto_status status = open_model(&from, config.text, &m);
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
    int64_t n = 0;
    for (int i = 0; i < from.n; i++)
        n += shape_count(&from.tensors[i].shape);
    assert_int_equal(weights_n_parameters(m->weights), n);
    sam2_model_free(m);
    synthetic_free(&from);
}

static void assert_output(const graph *g, int index, tensor_shape expected)
{
    const tensor_shape *shape = &graph_tensor_at(g, graph_output_at(g, index)->tensor)->shape;
    if (!shape_equal(shape, &expected)) {
        char a[SHAPE_TEXT_BYTES], b[SHAPE_TEXT_BYTES];
        fail_msg("output %d is %s instead of %s", index, shape_text(shape, a),
                 shape_text(&expected, b));
    }
}

static int64_t flops_of(const graph *g)
{
    int64_t flops = 0;
    for (int i = 0; i < graph_n_nodes(g); i++)
        flops += graph_node_flops(g, graph_node_at(g, i));
    return flops;
}

static void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

static void graphs_have_the_documented_outputs_and_cost(void **state)
{
    (void)state;
    synthetic_model from = synthetic_sam2();
    const synthetic_config config = synthetic_sam2_config(114688);
    sam2_model *m = NULL;
    assert_int_equal(open_model(&from, config.text, &m), ROTO_OK);
    const sam2_size size = sam2_size_for(&m->config, 1280, 720);
    graph *g = NULL;
    assert_ok(sam2_frame_graph(m, &size, &g));
    assert_output(g, FRAME_OUT_FEATURES, SHAPE(1, 16, 28, 128));
    assert_output(g, FRAME_OUT_HIGH_RES_S0, SHAPE(1, 64, 112, 16));
    assert_output(g, FRAME_OUT_HIGH_RES_S1, SHAPE(1, 32, 56, 32));
    assert_output(g, FRAME_OUT_MEMORY_FEATURES, SHAPE(1, 16, 28, 128));
    assert_output(g, FRAME_OUT_X, SHAPE(1, 448, 128));
    assert_output(g, FRAME_OUT_Q, SHAPE(1, 448, 128));
    const int64_t frame = flops_of(g);
    graph_free(g);
    assert_ok(sam2_memory_attention_graph(m, &size, 3, 2, &g));
    assert_output(g, ATTENTION_OUT_FEATURES, SHAPE(3, 16, 28, 128));
    graph_free(g);
    assert_ok(sam2_memory_attention_graph(m, &size, 1, 1, &g));
    const int64_t attention = flops_of(g);
    graph_free(g);
    assert_ok(sam2_mask_decoder_graph(m, &size, 2, 8, &g));
    assert_output(g, DECODER_OUT_MASKS, SHAPE(2, 4, 64 * 112));
    assert_output(g, DECODER_OUT_IOUS, SHAPE(2, 4));
    assert_output(g, DECODER_OUT_OBJECT_SCORE, SHAPE(2, 1));
    assert_output(g, DECODER_OUT_POINTERS, SHAPE(2, 4, 128));
    assert_int_equal(graph_n_inputs(g), DECODER_IN_NO_MEMORY + 1);
    graph_free(g);
    assert_ok(sam2_mask_decoder_graph(m, &size, 1, 0, &g));
    const int64_t decoder = flops_of(g);
    graph_free(g);
    assert_ok(sam2_memory_encoder_graph(m, &size, 1, &g));
    assert_output(g, ENCODER_OUT_MEMORY, SHAPE(1, 448, 64));
    const int64_t encoder = flops_of(g);
    graph_free(g);
    /* The small model's budget: 1.6 GFLOP a frame and 1.9 an object. */
    if (frame > 1600000000 || attention + decoder + encoder > 1900000000)
        fail_msg("frame %.3f, attention %.3f, decoder %.3f, encoder %.3f GFLOP",
                 (double)frame / 1e9, (double)attention / 1e9, (double)decoder / 1e9,
                 (double)encoder / 1e9);
    sam2_model_free(m);
    synthetic_free(&from);
}

static void assert_refused(const synthetic_model *from, const char *config, roto_status expected,
                           const char *part_of_message)
{
    sam2_model *m = NULL;
    assert_int_equal(open_model(from, config, &m), expected);
    assert_null(m);
    if (!strstr(roto_error_message(), part_of_message))
        fail_msg("the message is: %s", roto_error_message());
}

static void wrong_tensors_are_listed_by_name(void **state)
{
    (void)state;
    synthetic_model from = synthetic_sam2();
    const synthetic_config config = synthetic_sam2_config(114688);
    const char *const text = config.text;

    named_tensor *const tensors = from.tensors;
    const named_tensor saved = tensors[10];
    tensors[10].name = "surplus";
    assert_refused(&from, text, ROTO_ERROR_FORMAT, saved.name);
    assert_refused(&from, text, ROTO_ERROR_FORMAT, "'surplus' is not part of this model");
    tensors[10] = saved;

    tensors[10].name = tensors[20].name;
    assert_refused(&from, text, ROTO_ERROR_FORMAT, "there twice");
    tensors[10] = saved;

    tensors[10].shape.dim[0] += 1;
    assert_refused(&from, text, ROTO_ERROR_FORMAT, "has shape");
    tensors[10] = saved;

    tensors[10].type = DTYPE_I32;
    assert_refused(&from, text, ROTO_ERROR_FORMAT, "is i32 instead of");
    tensors[10] = saved;

    float *values = (float *)saved.data;
    const float kept = values[3];
    values[3] = NAN;
    assert_refused(&from, text, ROTO_ERROR_FORMAT, "NaN or an infinity at element 3");
    values[3] = kept;

    synthetic_model none = {.tensors = tensors, .n = 0};
    assert_refused(&none, text, ROTO_ERROR_FORMAT, "and ");
    synthetic_free(&from);
}

/* Replaces `from` by `to` in the config. */
static void assert_config_refused(const synthetic_model *tensors, const char *from, const char *to,
                                  const char *part_of_message)
{
    const synthetic_config good = synthetic_sam2_config(114688);
    const char *at = strstr(good.text, from);
    assert_non_null(at);
    char text[2048];
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good.text), good.text, to,
             at + strlen(from));
    sam2_model *m = NULL;
    const roto_status status = open_model(tensors, text, &m);
    assert_true(status == ROTO_ERROR_FORMAT || status == ROTO_ERROR_UNSUPPORTED);
    if (!strstr(roto_error_message(), part_of_message))
        fail_msg("the message is: %s", roto_error_message());
}

static void wrong_configs_are_refused_by_field(void **state)
{
    (void)state;
    const synthetic_model none = {0};
    assert_config_refused(&none, "{", "[", "not JSON");
    assert_config_refused(&none, "\"d_model\":128,", "", "'d_model' is missing");
    assert_config_refused(&none, "\"d_model\":128,", "\"d_model\":128,\"d_model\":128,", "twice");
    assert_config_refused(&none, "\"d_model\":128,", "\"d_model\":128.5,", "whole number");
    assert_config_refused(&none, "\"d_model\":128,", "\"d_model\":1e30,", "in 32..1024");
    assert_config_refused(&none, "\"d_model\":128,", "\"d_model\":\"128\",", "in 32..1024");
    assert_config_refused(&none, "\"d_model\":128,", "\"d_modell\":128,", "unknown field");
    assert_config_refused(&none, "\"mem_dim\":64", "\"mem_dim\":48", "has to divide");
    assert_config_refused(&none, "[24,32,96,320]", "[24,32,96]", "list of 4 values");
    assert_config_refused(&none, "[24,32,96,320]", "[24,32,96,321]", "mobilenet_v2");
    assert_config_refused(&none, "mobilenet_v2", "resnet", "this build has");
    assert_config_refused(&none, "\"memory_mask_stride\":4", "\"memory_mask_stride\":2", "1 or 4");
    assert_config_refused(&none, "\"image_multiple\":32", "\"image_multiple\":40",
                          "multiples of 32");
    assert_config_refused(&none, "\"image_multiple\":32,", "", "either 'image_size'");
    assert_config_refused(&none, "\"sam2\"", "\"sam3\"", "'family'");
    assert_config_refused(&none, "false", "0", "true or false");
}

/* The small model's config with another trunk. */
static void assert_hiera_refused(const char *fields, const char *part_of_message)
{
    const synthetic_model none = {0};
    char to[512];
    snprintf(to, sizeof(to), "\"hiera\",%s", fields);
    assert_config_refused(&none, "\"mobilenet_v2\",\"trunk_channels\":[24,32,96,320]", to,
                          part_of_message);
}

static void hieras_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const char *const channels = "\"trunk_channels\":[16,32,64,128]";
    const char *const layout = "\"trunk_channels\":[16,32,64,128],\"trunk_blocks\":[1,2,7,2],"
                               "\"trunk_global_blocks\":[5,7,9],\"trunk_pos_embed\":7";
    char fields[400];
    assert_hiera_refused(channels, "needs 'trunk_blocks' and 'trunk_windows'");
    snprintf(fields, sizeof(fields), "%s,\"trunk_windows\":[8,4,14,7]", layout);
    assert_hiera_refused(fields, "'trunk_heads' is 0");
    snprintf(fields, sizeof(fields), "%s,\"trunk_windows\":[8,4,14,7],\"trunk_heads\":3", layout);
    assert_hiera_refused(fields, "'trunk_heads' is 3");
    snprintf(fields, sizeof(fields), "%s,\"trunk_windows\":[8,5,14,7],\"trunk_heads\":1", layout);
    assert_hiera_refused(fields, "'trunk_windows' 5 of stage 1 has to be even");
    assert_hiera_refused("\"trunk_channels\":[16,32,64,129],\"trunk_blocks\":[1,2,7,2],"
                         "\"trunk_windows\":[8,4,14,7]",
                         "twice the one before");
    assert_hiera_refused("\"trunk_channels\":[16,32,64,128],\"trunk_blocks\":[1,2,63,2],"
                         "\"trunk_windows\":[8,4,14,7]",
                         "at most 64");
    assert_hiera_refused("\"trunk_channels\":[16,32,64,128],\"trunk_blocks\":[1,2,7,2],"
                         "\"trunk_windows\":[8,4,14,7],\"trunk_heads\":1",
                         "needs 'trunk_pos_embed'");
}

static void perceivers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const synthetic_model none = {0};
    assert_config_refused(&none, "\"d_model\":128", "\"d_model\":128,\"perceiver_layers\":2",
                          "'perceiver_latents' 0");
    assert_config_refused(&none, "\"d_model\":128",
                          "\"d_model\":128,\"perceiver_layers\":2,\"perceiver_latents\":16,"
                          "\"perceiver_latents_2d\":17",
                          "17 a square");
    assert_config_refused(&none, "\"d_model\":128",
                          "\"d_model\":128,\"perceiver_layers\":2,\"perceiver_latents\":16,"
                          "\"perceiver_latents_2d\":16",
                          "'image_size' 0");
    assert_config_refused(&none, "\"mobilenet_v2\"", "\"repvit_m1\"", "48, 96, 192, 384");
}

static void input_sizes_follow_the_frame(void **state)
{
    (void)state;
    const synthetic_config text = synthetic_sam2_config(114688);
    sam2_config c;
    assert_int_equal(sam2_config_parse(text.text, (int64_t)strlen(text.text), &c), ROTO_OK);
    static const int32_t cases[][4] = {
        {1280, 720, 448, 256}, {854, 480, 448, 256}, {640, 480, 384, 288}, {100, 100, 352, 352},
        {720, 1280, 256, 448}, {16384, 1, 1024, 32}, {1, 16384, 32, 1024}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const sam2_size size = sam2_size_for(&c, cases[i][0], cases[i][1]);
        assert_int_equal(size.image_w, cases[i][2]);
        assert_int_equal(size.image_h, cases[i][3]);
        assert_int_equal(size.w * 16, size.image_w);
        assert_int_equal(size.mask_h * 4, size.image_h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_names_and_shapes_bind),
        cmocka_unit_test(graphs_have_the_documented_outputs_and_cost),
        cmocka_unit_test(wrong_tensors_are_listed_by_name),
        cmocka_unit_test(wrong_configs_are_refused_by_field),
        cmocka_unit_test(hieras_that_cannot_be_are_refused),
        cmocka_unit_test(perceivers_that_cannot_be_are_refused),
        cmocka_unit_test(input_sizes_follow_the_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
