/* Elementwise operators, softmax and reductions. */
#include "format/onnx/internal.h"

#include <math.h>
#include <string.h>

typedef struct unary_rule {
    const char *op;
    unary_kind kind;
} unary_rule;

static const unary_rule unary_rules[] = {
    {"Abs", UNARY_ABS},
    {"Cos", UNARY_COS},
    {"Exp", UNARY_EXP},
    {"HardSigmoid", UNARY_HARD_SIGMOID},
    {"HardSwish", UNARY_HARD_SWISH},
    {"LeakyRelu", UNARY_LEAKY_RELU},
    {"Log", UNARY_LOG},
    {"Neg", UNARY_NEG},
    {"Relu", UNARY_RELU},
    {"Sigmoid", UNARY_SIGMOID},
    {"Sin", UNARY_SIN},
    {"Sqrt", UNARY_SQRT},
    {"Tanh", UNARY_TANH},
};

roto_status import_unary(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    if (x->kind == VALUE_CONSTANT)
        return fold_unary(im, node, node->proto->op_type, x, &node->out[0]);
    unary_attr attr = {.kind = UNARY_IDENTITY};
    for (size_t i = 0; i < sizeof(unary_rules) / sizeof(unary_rules[0]); i++) {
        if (strcmp(unary_rules[i].op, node->proto->op_type) == 0)
            attr.kind = unary_rules[i].kind;
    }
    if (attr.kind == UNARY_LEAKY_RELU) {
        attr.alpha = attribute_float(node, "alpha", 0.01f);
    } else if (attr.kind == UNARY_HARD_SIGMOID) {
        attr.alpha = attribute_float(node, "alpha", 0.2f);
        attr.beta = attribute_float(node, "beta", 0.5f);
    } else if (strcmp(node->proto->op_type, "Gelu") == 0) {
        bool tanh_form = attribute_is(node, "approximate", "none", "tanh");
        if (!tanh_form && !attribute_is(node, "approximate", "none", "none"))
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "this approximation is not known");
        attr.kind = tanh_form ? UNARY_GELU_TANH : UNARY_GELU;
    }
    if (!isfinite(attr.alpha) || !isfinite(attr.beta))
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its attributes have to be finite");
    return value_define(im, node, 0, graph_unary_attr(im->g, &attr, x->id), x->order);
}

roto_status import_clip(importer *im, onnx_node *node)
{
    unary_attr attr = {.kind = UNARY_CLAMP,
                       .alpha = attribute_float(node, "min", -INFINITY),
                       .beta = attribute_float(node, "max", INFINITY)};
    for (int i = 1; i < 3; i++) {
        double bound;
        if (i >= node->n_in || node->in[i].kind == VALUE_ABSENT)
            continue;
        if (!constant_scalar(&node->in[i], &bound))
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its bounds have to be constants");
        *(i == 1 ? &attr.alpha : &attr.beta) = (float)bound;
    }
    if (isnan(attr.alpha) || isnan(attr.beta))
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "its bounds have to be numbers");
    const onnx_value *x = &node->in[0];
    if (x->kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "clipping constants is not supported");
    return value_define(im, node, 0, graph_unary_attr(im->g, &attr, x->id), x->order);
}

static roto_status elementwise(importer *im, onnx_node *node, binary_kind kind, const onnx_value *a,
                               const onnx_value *b)
{
    const int rank = a->shape.rank > b->shape.rank ? a->shape.rank : b->shape.rank;
    onnx_value wide[2];
    ROTO_TRY(value_extend(im, node, a, rank, &wide[0]));
    ROTO_TRY(value_extend(im, node, b, rank, &wide[1]));
    /* The larger operand stays as it lies in memory. */
    int lead = wide[0].kind != VALUE_COMPUTED ||
               (wide[1].kind == VALUE_COMPUTED &&
                constant_count(&wide[1].shape) > constant_count(&wide[0].shape));
    const int *order = wide[lead].order;
    tensor_id in[2];
    for (int i = 0; i < 2; i++)
        in[i] = value_operand(im, &wide[i], order);
    return value_define(im, node, 0, graph_binary(im->g, kind, in[0], in[1]), order);
}

static binary_kind binary_kind_of(const char *op)
{
    static const struct {
        const char *op;
        binary_kind kind;
    } rules[] = {{"Add", BINARY_ADD}, {"Sum", BINARY_ADD}, {"Sub", BINARY_SUB},
                 {"Mul", BINARY_MUL}, {"Div", BINARY_DIV}, {"Max", BINARY_MAX},
                 {"Min", BINARY_MIN}, {"Pow", BINARY_POW}};
    size_t i = 0;
    while (i < sizeof(rules) / sizeof(rules[0]) - 1 && strcmp(rules[i].op, op) != 0)
        i++;
    return rules[i].kind;
}

roto_status import_binary(importer *im, onnx_node *node)
{
    const onnx_value *a = &node->in[0], *b = &node->in[1];
    const char *op = node->proto->op_type;
    double exponent;
    if (a->kind == VALUE_CONSTANT && b->kind == VALUE_CONSTANT)
        return fold_binary(im, node, op, a, b, &node->out[0]);
    if (strcmp(op, "Pow") == 0 && constant_scalar(b, &exponent) && b->shape.rank <= a->shape.rank) {
        /* pow() is far slower than these. An integer exponent is fine too. */
        if (exponent == 2)
            return value_define(im, node, 0, graph_binary(im->g, BINARY_MUL, a->id, a->id),
                                a->order);
        if (exponent == 0.5)
            return value_define(im, node, 0, graph_unary(im->g, UNARY_SQRT, a->id), a->order);
        if (exponent == 1) {
            node->out[0] = *a;
            return ROTO_OK;
        }
    }
    return elementwise(im, node, binary_kind_of(op), a, b);
}

/* Sum, Max and Min of any number. */
roto_status import_variadic(importer *im, onnx_node *node)
{
    const char *op = node->proto->op_type;
    onnx_value total = node->in[0];
    for (int i = 1; i < node->n_in; i++) {
        const onnx_value *b = &node->in[i];
        if (b->kind == VALUE_ABSENT)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "input %d is missing", i);
        if (total.kind == VALUE_CONSTANT && b->kind == VALUE_CONSTANT)
            ROTO_TRY(fold_binary(im, node, strcmp(op, "Sum") == 0 ? "Add" : op, &total, b,
                                 &node->out[0]));
        else
            ROTO_TRY(elementwise(im, node, binary_kind_of(op), &total, b));
        total = node->out[0];
    }
    node->out[0] = total;
    return ROTO_OK;
}

roto_status import_softmax(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    if (x->kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its input is a constant");
    int axis;
    ROTO_TRY(node_axis(node, attribute_int(node, "axis", im->opset < 13 ? 1 : -1), x->shape.rank,
                       &axis));
    /* Before set 13 it went over all dimensions from the axis on. */
    for (int i = axis + 1; i < x->shape.rank && im->opset < 13; i++) {
        if (x->shape.dim[i] != 1)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "over several dimensions (operator sets before 13) it is not "
                             "supported");
    }
    return value_define(im, node, 0, graph_softmax(im->g, x->id, order_find(x, axis)), x->order);
}

roto_status import_reduce(importer *im, onnx_node *node)
{
    const onnx_value *x = &node->in[0];
    const char *op = node->proto->op_type;
    const int64_t *axes;
    int n_axes;
    ROTO_TRY(node_integers(im, node, "axes", 1, &axes, &n_axes));
    if (x->kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its input is a constant");
    if (n_axes == 0 && attribute_int(node, "noop_with_empty_axes", 0) != 0) {
        node->out[0] = *x;
        return ROTO_OK;
    }
    uint32_t bits = 0, reduced = 0; /* in memory, and as ONNX counts */
    for (int i = 0; i < (n_axes ? n_axes : x->shape.rank); i++) {
        int axis = i;
        if (n_axes)
            ROTO_TRY(node_axis(node, axes[i], x->shape.rank, &axis));
        bits |= 1u << order_find(x, axis);
        reduced |= 1u << axis;
    }
    const reduce_kind kind = strcmp(op, "ReduceMean") == 0  ? REDUCE_MEAN
                             : strcmp(op, "ReduceMax") == 0 ? REDUCE_MAX
                                                            : REDUCE_SUM;
    ROTO_TRY(value_define(im, node, 0, graph_reduce(im->g, kind, x->id, bits), x->order));
    if (attribute_int(node, "keepdims", 1) != 0)
        return ROTO_OK;
    tensor_shape shape = {0};
    for (int i = 0; i < x->shape.rank; i++) {
        if (!(reduced >> i & 1))
            shape.dim[shape.rank++] = x->shape.dim[i];
    }
    return value_reshape(im, node, &node->out[0], &shape, &node->out[0]);
}

/* ---- GELU as exporters spell it: x/2 (1 + erf(x / sqrt 2)) ------------------------------------
 */

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-5 * fabs(b);
}

/* Whether the other operand of a node is a constant scalar; which one is `name`'s is found. */
static bool scalar_beside(importer *im, const Onnx__Node *node, const char *name, double *out)
{
    if (node->n_input != 2)
        return false;
    for (int k = 0; k < 2; k++) {
        symbol *other = symbol_find(im, node->input[1 - k]);
        if (strcmp(node->input[k], name) != 0 || !other)
            continue;
        if (other->tensor && !other->defined) {
            if (constant_decode(im, other->tensor, &other->value) != ROTO_OK)
                return false;
            other->defined = true;
        }
        if (other->defined && constant_scalar(&other->value, out))
            return true;
    }
    return false;
}

/* The one node that reads `name`, if it is of kind `op`. */
static const Onnx__Node *only_reader(const importer *im, const char *name, const char *op,
                                     int *index)
{
    const symbol *s = symbol_find(im, name);
    if (!s || s->n_users != 1 || s->user < 0)
        return NULL;
    *index = s->user;
    const Onnx__Node *node = im->source->node[s->user];
    return strcmp(node->op_type, op) == 0 && node->n_output >= 1 ? node : NULL;
}

static const Onnx__Node *producer_of(const importer *im, const char *name)
{
    const symbol *s = symbol_find(im, name);
    return s && s->producer >= 0 ? im->source->node[s->producer] : NULL;
}

/* x of erf's argument x / sqrt 2, or NULL. */
static const char *erf_source(importer *im, const onnx_node *node)
{
    const Onnx__Node *scaling = producer_of(im, node->proto->input[0]);
    double factor;
    if (!scaling || scaling->n_input != 2)
        return NULL;
    for (int k = 0; k < 2; k++) {
        if (!scalar_beside(im, scaling, scaling->input[k], &factor))
            continue;
        if (strcmp(scaling->op_type, "Mul") == 0 && near(factor, M_SQRT1_2))
            return scaling->input[k];
        if (k == 0 && strcmp(scaling->op_type, "Div") == 0 && near(factor, M_SQRT2))
            return scaling->input[k];
    }
    return NULL;
}

/* Is `name` x / 2? */
static bool is_half_of(importer *im, const char *name, const char *x)
{
    const Onnx__Node *node = producer_of(im, name);
    double factor;
    return node && strcmp(node->op_type, "Mul") == 0 && scalar_beside(im, node, x, &factor) &&
           near(factor, 0.5);
}

static void pass_through(importer *im, int index, const char *input)
{
    const bool first = strcmp(im->source->node[index]->input[0], input) == 0;
    im->marks[index] = first ? NODE_PASSES_0 : NODE_PASSES_1;
}

/* The nodes behind erf are marked as done; erf's own value becomes the GELU and passes through
 * them, each of which is read by the next alone. */
roto_status import_erf(importer *im, onnx_node *node)
{
    const char *x = erf_source(im, node);
    int plus_index = -1, times_index = -1, half_index = -1;
    const Onnx__Node *plus = x ? only_reader(im, node->proto->output[0], "Add", &plus_index) : NULL;
    double one = 0, half = 0;
    if (plus && (!scalar_beside(im, plus, node->proto->output[0], &one) || !near(one, 1)))
        plus = NULL;
    const Onnx__Node *times = plus ? only_reader(im, plus->output[0], "Mul", &times_index) : NULL;
    bool matched = false;
    if (times && times->n_input == 2) {
        const char *beside = times->input[strcmp(times->input[0], plus->output[0]) == 0];
        if (is_half_of(im, beside, x)) {
            matched = true;
        } else if (strcmp(beside, x) == 0) {
            const Onnx__Node *halving = only_reader(im, times->output[0], "Mul", &half_index);
            matched =
                halving && scalar_beside(im, halving, times->output[0], &half) && near(half, 0.5);
        }
    }
    symbol *source = matched ? symbol_find(im, x) : NULL;
    if (!source || !source->defined || source->value.kind != VALUE_COMPUTED)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                         "the error function is supported only as part of a GELU");
    pass_through(im, plus_index, node->proto->output[0]);
    pass_through(im, times_index, plus->output[0]);
    if (half_index >= 0)
        pass_through(im, half_index, times->output[0]);
    return value_define(im, node, 0, graph_unary(im->g, UNARY_GELU, source->value.id),
                        source->value.order);
}
