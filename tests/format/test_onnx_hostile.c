/* Files that lie, bombs, and what the importer does not know: each is an error that says where. */
#include "support/cmocka_all.h"

#include "format/onnx/onnx.h"
#include "generated/onnx.pb-c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 64 };

/* A model being written by hand. Text arguments have to outlive it. */
typedef struct maker {
    Onnx__Model model;
    Onnx__Graph graph;
    Onnx__OperatorSet opset, *opsets[1];
    Onnx__Node node[MAX_ITEMS], *nodes[MAX_ITEMS];
    Onnx__Attribute attribute[MAX_ITEMS], *attributes[MAX_ITEMS];
    Onnx__Tensor tensor[MAX_ITEMS], *tensors[MAX_ITEMS];
    Onnx__ValueInfo input, output, *inputs[1], *outputs[1];
    Onnx__Type type;
    Onnx__TensorType tensor_type;
    Onnx__Shape shape;
    Onnx__Dimension dim[4], *dims[4];
    char *names[MAX_ITEMS * 8];
    int n_names, n_attributes;
    int64_t extents[MAX_ITEMS][8];
    int64_t values[MAX_ITEMS][8];
} maker;

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* An input "x" of 1 x 3 x 8 x 8 and an output "y". */
static maker *maker_new(void)
{
    maker *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    onnx__model__init(&m->model);
    onnx__graph__init(&m->graph);
    onnx__operator_set__init(&m->opset);
    onnx__value_info__init(&m->input);
    onnx__value_info__init(&m->output);
    onnx__type__init(&m->type);
    onnx__tensor_type__init(&m->tensor_type);
    onnx__shape__init(&m->shape);
    m->model.graph = &m->graph;
    m->model.opset_import = m->opsets;
    m->model.n_opset_import = 1;
    m->opsets[0] = &m->opset;
    m->opset.has_version = 1;
    m->opset.version = 13;
    m->graph.node = m->nodes;
    m->graph.initializer = m->tensors;
    m->graph.input = m->inputs;
    m->graph.output = m->outputs;
    m->graph.n_input = m->graph.n_output = 1;
    m->inputs[0] = &m->input;
    m->outputs[0] = &m->output;
    m->input.name = text_of("x");
    m->output.name = text_of("y");
    m->input.type = &m->type;
    m->type.tensor_type = &m->tensor_type;
    m->tensor_type.has_elem_type = 1;
    m->tensor_type.elem_type = 1;
    m->tensor_type.shape = &m->shape;
    m->shape.n_dim = 4;
    m->shape.dim = m->dims;
    const int64_t sizes[] = {1, 3, 8, 8};
    for (int i = 0; i < 4; i++) {
        onnx__dimension__init(&m->dim[i]);
        m->dim[i].has_value = 1;
        m->dim[i].value = sizes[i];
        m->dims[i] = &m->dim[i];
    }
    return m;
}

/* Space-separated names of inputs and outputs ("-" for one left out). */
static char **split(maker *m, const char *list, size_t *n)
{
    char **first = &m->names[m->n_names];
    *n = 0;
    char *copy = strdup(list);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " "), ++*n)
        m->names[m->n_names++] = strdup(strcmp(name, "-") == 0 ? "" : name);
    free(copy);
    return first;
}

static Onnx__Node *add_node(maker *m, const char *op, const char *inputs, const char *outputs)
{
    Onnx__Node *node = &m->node[m->graph.n_node];
    onnx__node__init(node);
    m->nodes[m->graph.n_node++] = node;
    node->op_type = text_of(op);
    node->input = split(m, inputs, &node->n_input);
    node->output = split(m, outputs, &node->n_output);
    node->attribute = &m->attributes[m->n_attributes];
    return node;
}

/* Attributes belong to the latest node. */
static Onnx__Attribute *add_attribute(maker *m, Onnx__Node *node, const char *name)
{
    Onnx__Attribute *a = &m->attribute[m->n_attributes];
    onnx__attribute__init(a);
    a->name = text_of(name);
    m->attributes[m->n_attributes++] = a;
    node->n_attribute++;
    return a;
}

static void add_ints(maker *m, Onnx__Node *node, const char *name, size_t n, const int64_t *values)
{
    Onnx__Attribute *a = add_attribute(m, node, name);
    a->n_ints = n;
    a->ints = m->values[m->n_attributes - 1];
    memcpy(a->ints, values, n * sizeof(*values));
}

/* `data` is raw bytes. */
static Onnx__Tensor *add_tensor(maker *m, const char *name, int type, size_t rank,
                                const int64_t *dims, const void *data, size_t bytes)
{
    const size_t i = m->graph.n_initializer++;
    Onnx__Tensor *t = m->tensors[i] = &m->tensor[i];
    onnx__tensor__init(t);
    t->name = text_of(name);
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = rank;
    t->dims = m->extents[i];
    if (rank)
        memcpy(t->dims, dims, rank * sizeof(*dims));
    t->has_raw_data = 1;
    t->raw_data.data = (uint8_t *)(uintptr_t)data;
    t->raw_data.len = bytes;
    return t;
}

static const float zeros[64];

/* Imports and frees the maker. */
static roto_status import(maker *m, const onnx_import_params *params)
{
    const size_t bytes = onnx__model__get_packed_size(&m->model);
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    onnx__model__pack(&m->model, data);
    onnx_model *model = NULL;
    roto_status status = onnx_import_bytes(data, bytes, "file", params, &model);
    assert_true((status == ROTO_OK) == (model != NULL));
    onnx_model_free(model);
    free(data);
    for (int i = 0; i < m->n_names; i++)
        free(m->names[i]);
    free(m);
    return status;
}

static void expect(maker *m, roto_status status, const char *said)
{
    assert_int_equal(import(m, NULL), status);
    if (!strstr(roto_error_message(), said))
        fail_msg("'%s' does not say '%s'", roto_error_message(), said);
    assert_non_null(strstr(roto_error_message(), "file: "));
}

static void the_plain_model_is_good(void **state)
{
    (void)state;
    maker *m = maker_new();
    add_node(m, "Relu", "x", "y");
    assert_int_equal(import(m, NULL), ROTO_OK);
}

static void unknown_things_are_named(void **state)
{
    (void)state;
    maker *m = maker_new();
    add_node(m, "GridSample", "x", "y")->name = text_of("/neck/sample");
    expect(m, ROTO_ERROR_UNSUPPORTED, "the operator GridSample of node '/neck/sample'");
    m = maker_new();
    add_node(m, "Relu", "x", "y")->domain = text_of("com.acme");
    expect(m, ROTO_ERROR_UNSUPPORTED, "com.acme.Relu");
    m = maker_new();
    add_attribute(m, add_node(m, "Relu", "x", "y"), "slope");
    expect(m, ROTO_ERROR_UNSUPPORTED, "Relu 'y': the attribute 'slope' is not known");
    m = maker_new();
    add_node(m, "Relu", "x", "y")->op_type = NULL;
    expect(m, ROTO_ERROR_FORMAT, "node 0 names no operator");
    m = maker_new();
    add_node(m, "\x1b[2J", "x", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "operator ?[2J");
    /* What no output needs may be anything. */
    m = maker_new();
    add_node(m, "GridSample", "x", "unused");
    add_node(m, "Relu", "x", "y");
    assert_int_equal(import(m, NULL), ROTO_OK);
}

static void graphs_that_are_none_are_refused(void **state)
{
    (void)state;
    maker *m = maker_new();
    add_node(m, "Add", "x b", "a");
    add_node(m, "Relu", "a", "b");
    add_node(m, "Relu", "b", "y");
    expect(m, ROTO_ERROR_FORMAT, "Add 'a': it takes 'b', which no input");
    m = maker_new();
    add_node(m, "Add", "y x", "y");
    expect(m, ROTO_ERROR_FORMAT, "takes 'y'");
    m = maker_new();
    add_node(m, "Relu", "x", "y");
    add_node(m, "Abs", "x", "y");
    expect(m, ROTO_ERROR_FORMAT, "the name 'y' is given to two values");
    m = maker_new();
    add_node(m, "Relu", "x", "x");
    add_node(m, "Relu", "x", "y");
    expect(m, ROTO_ERROR_FORMAT, "the name 'x' is given to two values");
    m = maker_new();
    add_node(m, "Relu", "nowhere", "y");
    expect(m, ROTO_ERROR_FORMAT, "takes 'nowhere'");
    m = maker_new();
    add_node(m, "Relu", "x", "z");
    expect(m, ROTO_ERROR_FORMAT, "no node computes the output 'y'");
    m = maker_new();
    m->graph.n_output = 0;
    expect(m, ROTO_ERROR_FORMAT, "no outputs");
    m = maker_new();
    add_node(m, "Relu", "x x", "y");
    expect(m, ROTO_ERROR_FORMAT, "2 inputs");
    m = maker_new();
    add_node(m, "Add", "x -", "y");
    expect(m, ROTO_ERROR_FORMAT, "input 1 is missing");
    m = maker_new();
    m->model.graph = NULL;
    expect(m, ROTO_ERROR_FORMAT, "not an ONNX model");
    m = maker_new();
    m->model.n_opset_import = 0;
    expect(m, ROTO_ERROR_FORMAT, "no operator set");
    const int64_t versions[] = {INT64_MIN, -1, 6, 99, INT64_MAX};
    for (int i = 0; i < 5; i++) {
        m = maker_new();
        add_node(m, "Relu", "x", "y");
        m->opset.version = versions[i];
        expect(m, ROTO_ERROR_UNSUPPORTED, "operator set");
    }
}

static void sizes_of_inputs_are_checked(void **state)
{
    (void)state;
    const int64_t bad[] = {-2, INT64_MIN, 100000, INT64_MAX};
    for (int i = 0; i < 4; i++) {
        maker *m = maker_new();
        add_node(m, "Relu", "x", "y");
        m->dim[2].value = bad[i];
        roto_status status = import(m, NULL);
        assert_true(status == ROTO_ERROR_FORMAT || status == ROTO_ERROR_UNSUPPORTED);
        assert_non_null(strstr(roto_error_message(), "input 'x'"));
    }
    const onnx_import_params given = {.height = 16, .width = 24};
    for (int k = 0; k < 3; k++) { /* a symbol, -1, 0 */
        for (int i = 0; i < 2; i++) {
            maker *m = maker_new();
            add_node(m, "Relu", "x", "y");
            for (int d = 0; d < 4; d += d == 0 ? 2 : 1) {
                m->dim[d].has_value = k > 0;
                m->dim[d].value = k - 2;
                m->dim[d].symbol = k ? NULL : text_of("size");
            }
            if (i == 0)
                expect(m, ROTO_ERROR_ARGUMENT, "the height of input 'x' is left open");
            else
                assert_int_equal(import(m, &given), ROTO_OK);
        }
    }
    maker *m = maker_new();
    add_node(m, "Relu", "x", "y");
    assert_int_equal(import(m, &given), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "fixed at 8; 16 was asked for"));
    m = maker_new();
    add_node(m, "Relu", "x", "y");
    m->tensor_type.elem_type = 7;
    expect(m, ROTO_ERROR_UNSUPPORTED, "input 'x' has elements of type 7");
    m = maker_new();
    add_node(m, "Relu", "x", "y");
    m->input.type = NULL;
    expect(m, ROTO_ERROR_UNSUPPORTED, "input 'x' has no tensor shape");
}

static void tensors_that_lie_are_refused(void **state)
{
    (void)state;
    const float bad_values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        maker *m = maker_new();
        const float data[] = {0, 1, bad_values[i]};
        add_tensor(m, "conv.weight", 1, 3, (int64_t[]){3, 1, 1}, data, sizeof(data));
        add_node(m, "Mul", "x conv.weight", "y");
        expect(m, ROTO_ERROR_FORMAT, "tensor 'conv.weight' holds");
        assert_non_null(strstr(roto_error_message(), "at element 2"));
    }
    const size_t wrong_bytes[] = {4, 11, 13, 16};
    for (int i = 0; i < 4; i++) {
        maker *m = maker_new();
        add_tensor(m, "w", 1, 3, (int64_t[]){3, 1, 1}, zeros, wrong_bytes[i]);
        add_node(m, "Mul", "x w", "y");
        expect(m, ROTO_ERROR_FORMAT, "tensor 'w' has");
    }
    const int64_t shapes[][3] = {{-3, 1, 1},
                                 {INT64_MAX, INT64_MAX, 2},
                                 {INT64_MIN, 1, 1},
                                 {0, INT64_MAX, INT64_MAX},
                                 {(int64_t)1 << 40, 1, 1}};
    for (int i = 0; i < 5; i++) {
        maker *m = maker_new();
        add_tensor(m, "w", 1, 3, shapes[i], zeros, 12);
        add_node(m, "Mul", "x w", "y");
        expect(m, ROTO_ERROR_FORMAT, "tensor 'w'");
    }
    maker *m = maker_new();
    add_tensor(m, "w", 1, 7, (int64_t[]){1, 1, 1, 1, 1, 1, 3}, zeros, 12);
    add_node(m, "Mul", "x w", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "7 dimensions");
    m = maker_new();
    add_tensor(m, "w", 8, 3, (int64_t[]){3, 1, 1}, zeros, 12);
    add_node(m, "Mul", "x w", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "elements of the type 8");
    m = maker_new();
    add_tensor(m, "w", 1, 3, (int64_t[]){3, 1, 1}, zeros, 0);
    m->tensor[0].has_data_location = 1;
    m->tensor[0].data_location = 1;
    add_node(m, "Mul", "x w", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "another file");
    m = maker_new();
    add_tensor(m, "w", 1, 3, (int64_t[]){3, 1, 1}, zeros, 0)->has_raw_data = 0;
    float typed[2] = {0};
    m->tensor[0].float_data = typed;
    m->tensor[0].n_float_data = 2;
    add_node(m, "Mul", "x w", "y");
    expect(m, ROTO_ERROR_FORMAT, "2 elements of data; its shape needs 3");
    m = maker_new();
    add_tensor(m, "w", 1, 1, (int64_t[]){0}, zeros, 0);
    add_node(m, "Mul", "x w", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "an empty tensor");
    m = maker_new();
    add_tensor(m, "w", 7, 1, (int64_t[]){1}, zeros, 8);
    add_node(m, "Mul", "x w", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "integers take part");
}

static void attributes_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        int64_t values[4];
    } bad[] = {
        {"strides", 2, {0, 1}},
        {"strides", 2, {-1, 1}},
        {"strides", 1, {1}},
        {"pads", 4, {-1, 0, 0, 0}},
        {"pads", 2, {1, 1}},
        {"pads", 4, {1 << 20, 0, 0, 0}},
        {"dilations", 2, {0, 0}},
        {"dilations", 2, {5000, 1}},
        {"kernel_shape", 2, {5, 5}},
        {"kernel_shape", 2, {-3, 3}},
        {"strides", 2, {INT64_MAX, 1}},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        maker *m = maker_new();
        add_tensor(m, "w", 1, 4, (int64_t[]){2, 3, 3, 3}, zeros, 216);
        Onnx__Node *node = add_node(m, "Conv", "x w", "y");
        add_ints(m, node, bad[i].name, bad[i].n, bad[i].values);
        roto_status status = import(m, NULL);
        assert_int_not_equal(status, ROTO_OK);
        assert_int_not_equal(status, ROTO_ERROR_INTERNAL);
        assert_non_null(strstr(roto_error_message(), "Conv 'y': "));
    }
    const int64_t groups[] = {0, -1, 2, INT64_MAX};
    for (int i = 0; i < 4; i++) {
        maker *m = maker_new();
        add_tensor(m, "w", 1, 4, (int64_t[]){2, 3, 3, 3}, zeros, 216);
        Onnx__Attribute *a = add_attribute(m, add_node(m, "Conv", "x w", "y"), "group");
        a->has_i = 1;
        a->i = groups[i];
        assert_int_not_equal(import(m, NULL), ROTO_OK);
    }
    maker *m = maker_new();
    add_ints(m, add_node(m, "Transpose", "x", "y"), "perm", 4, (int64_t[]){0, 1, 1, 3});
    expect(m, ROTO_ERROR_FORMAT, "no permutation");
    const int64_t shapes[][2] = {{-1, -1}, {5, 5}, {-7, 3}, {INT64_MAX, INT64_MAX}, {0, 0}};
    for (int i = 0; i < 5; i++) {
        m = maker_new();
        add_tensor(m, "s", 7, 1, (int64_t[]){2}, shapes[i], 16);
        add_node(m, "Reshape", "x s", "y");
        expect(m, ROTO_ERROR_FORMAT, "Reshape 'y': ");
    }
    const int64_t slices[][4] = {{0, 4, 2, 0},  {4, 4, 2, 1},  {0, 4, 9, 1},
                                 {6, 2, 2, -1}, {0, 4, -5, 1}, {0, 4, 2, INT64_MIN}};
    for (int i = 0; i < 6; i++) {
        m = maker_new();
        static const char *const names[] = {"from", "to", "axis", "step"};
        for (int k = 0; k < 4; k++)
            add_tensor(m, names[k], 7, 1, (int64_t[]){1}, &slices[i][k], 8);
        add_node(m, "Slice", "x from to axis step", "y");
        assert_int_not_equal(import(m, NULL), ROTO_OK);
        assert_non_null(strstr(roto_error_message(), "Slice 'y': "));
    }
    const int64_t indices[] = {3, -4, INT64_MIN, INT64_MAX};
    for (int i = 0; i < 4; i++) {
        m = maker_new();
        add_tensor(m, "i", 7, 0, NULL, &indices[i], 8);
        Onnx__Attribute *a = add_attribute(m, add_node(m, "Gather", "x i", "y"), "axis");
        a->has_i = 1;
        a->i = 1;
        expect(m, ROTO_ERROR_FORMAT, "of 3");
    }
}

static void constants_cannot_explode(void **state)
{
    (void)state;
    const int64_t huge[] = {1 << 20, 1 << 20};
    maker *m = maker_new();
    add_tensor(m, "s", 7, 1, (int64_t[]){2}, huge, 16);
    add_node(m, "ConstantOfShape", "s", "big");
    add_node(m, "Add", "x big", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "grow to more");
    m = maker_new();
    const int64_t limits[] = {0, (int64_t)1 << 33, 1};
    static const char *const names[] = {"from", "to", "step"};
    for (int k = 0; k < 3; k++)
        add_tensor(m, names[k], 7, 0, NULL, &limits[k], 8);
    add_node(m, "Range", "from to step", "big");
    add_node(m, "Gather", "big from", "one");
    add_node(m, "Cast", "one", "float");
    Onnx__Attribute *a = add_attribute(m, &m->node[2], "to");
    a->has_i = 1;
    a->i = 1;
    m->node[2].attribute = &m->attributes[0];
    add_node(m, "Add", "x float", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "grow to more");
    m = maker_new(); /* doubled 40 times */
    add_tensor(m, "v0", 7, 1, (int64_t[]){2}, huge, 16);
    for (int i = 0; i < 40; i++) {
        char in[32], out[16];
        snprintf(in, sizeof(in), "v%d v%d", i, i);
        snprintf(out, sizeof(out), "v%d", i + 1);
        Onnx__Node *node = add_node(m, "Concat", in, out);
        a = add_attribute(m, node, "axis");
        a->has_i = 1;
    }
    add_node(m, "Reshape", "x v40", "y");
    expect(m, ROTO_ERROR_UNSUPPORTED, "grow to more");
    m = maker_new(); /* an image of 2 x 65536 x 2 x 65536 */
    add_tensor(m, "w", 1, 4, (int64_t[]){3, 1, 1, 1}, zeros, 12);
    Onnx__Node *node = add_node(m, "ConvTranspose", "x w", "y");
    add_ints(m, node, "strides", 2, (int64_t[]){65536, 65536});
    assert_int_not_equal(import(m, NULL), ROTO_OK);
    assert_non_null(strstr(roto_error_message(), "ConvTranspose 'y'"));
}

/* `count` times the `n` bytes of `item` as field 1 of the graph, which is field 7 of the model. */
static roto_status import_repeated(const void *item, size_t n, size_t count)
{
    const size_t graph_bytes = n * count;
    uint8_t *data = malloc(graph_bytes + 32), *at = data;
    assert_non_null(data);
    *at++ = 7 << 3 | 2;
    for (size_t left = graph_bytes; left || at == data + 1; left >>= 7)
        *at++ = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
    for (size_t i = 0; i < count; i++, at += n)
        memcpy(at, item, n);
    onnx_model *model;
    roto_status status = onnx_import_bytes(data, (size_t)(at - data), "bomb", NULL, &model);
    free(data);
    return status;
}

static void small_files_cannot_make_large_messages(void **state)
{
    (void)state;
    /* Two bytes each, over a hundred in memory. */
    assert_int_equal(import_repeated("\x0a\x00", 2, 4 << 20), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "describe more than"));
}

static void deep_nesting_is_harmless(void **state)
{
    (void)state;
    /* A node whose attribute holds a graph whose node has an attribute ... (fields 5, 6, 1). */
    enum { DEPTH = 20000 };
    size_t bytes = 0;
    uint8_t *data = malloc(DEPTH * 8 + 64), *end = data + DEPTH * 8 + 64, *at = end;
    assert_non_null(data);
    static const uint8_t fields[] = {5, 6, 1};
    for (int i = 0; i < DEPTH; i++) {
        uint8_t length[5];
        int n = 0;
        for (size_t left = bytes; left || n == 0; left >>= 7)
            length[n++] = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
        at -= n;
        memcpy(at, length, (size_t)n);
        *--at = (uint8_t)(fields[i % 3] << 3 | 2);
        bytes = (size_t)(end - at);
        assert_true(at > data + 8);
    }
    onnx_model *model;
    assert_int_not_equal(onnx_import_bytes(at, bytes, "deep", NULL, &model), ROTO_OK);
    free(data);
}

static void noise_is_refused(void **state)
{
    (void)state;
    uint8_t data[512];
    uint32_t random = 5;
    for (int i = 0; i < 20000; i++) {
        const size_t n = 1 + (size_t)i % sizeof(data);
        for (size_t k = 0; k < n; k++) {
            random = random * 1664525u + 1013904223u;
            data[k] = (uint8_t)(random >> 24);
        }
        onnx_model *model;
        assert_int_not_equal(onnx_import_bytes(data, n, "noise", NULL, &model), ROTO_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plain_model_is_good),
        cmocka_unit_test(unknown_things_are_named),
        cmocka_unit_test(graphs_that_are_none_are_refused),
        cmocka_unit_test(sizes_of_inputs_are_checked),
        cmocka_unit_test(tensors_that_lie_are_refused),
        cmocka_unit_test(attributes_are_checked),
        cmocka_unit_test(constants_cannot_explode),
        cmocka_unit_test(small_files_cannot_make_large_messages),
        cmocka_unit_test(deep_nesting_is_harmless),
        cmocka_unit_test(noise_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
