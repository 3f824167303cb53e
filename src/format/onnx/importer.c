/* The walk over the nodes: names, what is needed for the outputs, one operator after the other. */
#include "format/onnx/importer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDED_FLOOR = 1 << 20, /* elements that constants computed from others may have, beside the
                               file's size */
    MAX_INPUT_PX = 8192
};
#define MAX_TENSOR_ELEMENTS_SUM ((int64_t)1 << 32)

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(((const symbol *)a)->name, ((const symbol *)b)->name);
}

symbol *symbol_find(const importer *im, const char *name)
{
    const symbol key = {.name = name};
    return bsearch(&key, im->symbols, im->n_symbols, sizeof(key), compare_symbols);
}

/* An input may repeat an initializer's name (files of IR version 3 do); nothing else may be there
 * twice. */
static roto_status drop_repeated_symbols(importer *im)
{
    size_t kept = 0;
    for (size_t i = 0; i < im->n_symbols; i++) {
        symbol *last = kept ? &im->symbols[kept - 1] : NULL;
        const symbol *s = &im->symbols[i];
        if (!last || strcmp(last->name, s->name) != 0) {
            im->symbols[kept++] = *s;
            continue;
        }
        if (last->producer >= 0 || s->producer >= 0 || !last->tensor == !s->tensor)
            return roto_fail(ROTO_ERROR_FORMAT, "the name '%s' is given to two values", s->name);
        if (s->tensor)
            *last = *s;
    }
    im->n_symbols = kept;
    return ROTO_OK;
}

static roto_status collect_symbols(importer *im)
{
    const Onnx__Graph *g = im->source;
    size_t n = g->n_initializer + g->n_input;
    for (size_t i = 0; i < g->n_node; i++)
        n += g->node[i]->n_output;
    im->symbols = memory_new_array(n, sizeof(*im->symbols));
    im->marks = memory_new_array(g->n_node, sizeof(*im->marks));
    if (!im->symbols || !im->marks)
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < g->n_initializer; i++)
        im->symbols[im->n_symbols++] =
            (symbol){.name = g->initializer[i]->name, .producer = -1, .tensor = g->initializer[i]};
    for (size_t i = 0; i < g->n_input; i++)
        im->symbols[im->n_symbols++] = (symbol){.name = g->input[i]->name, .producer = -1};
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t k = 0; k < g->node[i]->n_output; k++) {
            if (g->node[i]->output[k][0])
                im->symbols[im->n_symbols++] =
                    (symbol){.name = g->node[i]->output[k], .producer = (int)i};
        }
    }
    qsort(im->symbols, im->n_symbols, sizeof(*im->symbols), compare_symbols);
    return drop_repeated_symbols(im);
}

static int n_outputs(const importer *im)
{
    return im->params->n_outputs ? im->params->n_outputs : (int)im->source->n_output;
}

static const char *output_name(const importer *im, int index)
{
    return im->params->n_outputs ? im->params->outputs[index] : im->source->output[index]->name;
}

/* Nodes are sorted, so one pass from the last to the first finds all that the outputs need. A node
 * that is out of order stays unmarked, and who reads it will say so. */
static roto_status mark_needed(importer *im)
{
    if (n_outputs(im) == 0)
        return roto_fail(ROTO_ERROR_FORMAT, "the graph has no outputs");
    for (int i = 0; i < n_outputs(im); i++) {
        symbol *s = symbol_find(im, output_name(im, i));
        if (!s)
            return roto_fail(im->params->n_outputs ? ROTO_ERROR_ARGUMENT : ROTO_ERROR_FORMAT,
                             "no node computes the output '%s'", output_name(im, i));
        s->n_users++;
        s->user = -1;
    }
    for (size_t i = im->source->n_node; i-- > 0;) {
        const Onnx__Node *node = im->source->node[i];
        for (size_t k = 0; k < node->n_output; k++) {
            const symbol *s = symbol_find(im, node->output[k]);
            if (s && s->n_users > 0)
                im->marks[i] = NODE_NEEDED;
        }
        if (im->marks[i] != NODE_NEEDED)
            continue;
        for (size_t k = 0; k < node->n_input; k++) {
            symbol *s = symbol_find(im, node->input[k]);
            if (s) {
                s->n_users++;
                s->user = (int)i;
            }
        }
    }
    return ROTO_OK;
}

static roto_status resolve_dimension(const Onnx__ValueInfo *info, int index, const char *what,
                                     int64_t asked, const Onnx__Dimension *dim, int64_t *out)
{
    /* Exporters write an open dimension as a symbol, as -1, as 0 or not at all. */
    bool open = !dim->has_value || dim->value == 0 || dim->value == -1;
    if (!open && dim->value < 0)
        return roto_fail(ROTO_ERROR_FORMAT, "dimension %d of input '%s' is %lld", index, info->name,
                         (long long)dim->value);
    if (open && asked <= 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "the %s of input '%s' is left open by the file and has to be given", what,
                         info->name);
    if (!open && asked > 0 && dim->value != asked)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "the %s of input '%s' is fixed at %lld; %lld was asked for", what,
                         info->name, (long long)dim->value, (long long)asked);
    *out = open ? asked : dim->value;
    if (*out > MAX_INPUT_PX)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "the %s of input '%s' is %lld; at most %d can be imported", what,
                         info->name, (long long)*out, MAX_INPUT_PX);
    return ROTO_OK;
}

static roto_status input_shape(const importer *im, const Onnx__ValueInfo *info, tensor_shape *shape)
{
    const Onnx__TensorType *type = info->type ? info->type->tensor_type : NULL;
    if (!type || !type->shape)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "input '%s' has no tensor shape", info->name);
    if (type->elem_type != ONNX_FLOAT && type->elem_type != ONNX_FLOAT16 &&
        type->elem_type != ONNX_BFLOAT16)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "input '%s' has elements of type %d; floating point (1) is needed",
                         info->name, type->elem_type);
    if (type->shape->n_dim > TENSOR_MAX_RANK)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "input '%s' has %zu dimensions; at most %d",
                         info->name, type->shape->n_dim, TENSOR_MAX_RANK);
    shape->rank = (int)type->shape->n_dim;
    const onnx_import_params *p = im->params;
    bool image = shape->rank == 4;
    for (int i = 0; i < shape->rank; i++) {
        static const char *const names[] = {"batch", "number of channels", "height", "width"};
        const Onnx__Dimension *dim = type->shape->dim[i];
        bool open = !dim->has_value || dim->value == 0 || dim->value == -1;
        const int64_t asked[] = {p->batch > 0 ? p->batch : open ? 1 : 0, 0, p->height, p->width};
        ROTO_TRY(resolve_dimension(info, i, i == 0 || image ? names[i] : "size",
                                   image    ? asked[i]
                                   : i == 0 ? asked[0]
                                            : 0,
                                   dim, &shape->dim[i]));
    }
    return ROTO_OK;
}

static roto_status import_inputs(importer *im)
{
    onnx_model *model = im->model;
    model->inputs =
        memory_arena_alloc(model->arena, (im->source->n_input + 1) * sizeof(*model->inputs));
    if (!model->inputs)
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < im->source->n_input; i++) {
        const Onnx__ValueInfo *info = im->source->input[i];
        symbol *s = symbol_find(im, info->name);
        if (s->n_users == 0 || s->tensor || s->producer >= 0)
            continue;
        tensor_shape shape = {0}, memory = {0};
        ROTO_TRY(input_shape(im, info, &shape));
        onnx_port *port = &model->inputs[model->n_inputs++];
        port->name = memory_arena_string(model->arena, info->name);
        port->shape = shape;
        if (!port->name)
            return ROTO_ERROR_MEMORY;
        if (shape.rank == 4)
            order_image(port->order);
        else
            order_identity(shape.rank, port->order);
        memory.rank = shape.rank;
        for (int k = 0; k < shape.rank; k++)
            memory.dim[k] = shape.dim[port->order[k]];
        s->value = (onnx_value){.kind = VALUE_COMPUTED, .shape = shape};
        memcpy(s->value.order, port->order, sizeof(port->order));
        s->value.id = graph_input(im->g, info->name, DTYPE_F32, memory);
        if (s->value.id == TENSOR_NONE)
            return graph_status(im->g);
        s->defined = true;
    }
    return ROTO_OK;
}

static roto_status read_input(importer *im, onnx_node *node, int k)
{
    const char *name = node->proto->input[k];
    node->in[k] = (onnx_value){.kind = VALUE_ABSENT, .id = TENSOR_NONE};
    if (name[0] == 0)
        return ROTO_OK;
    symbol *s = symbol_find(im, name);
    if (s && s->tensor && !s->defined) {
        ROTO_TRY(constant_decode(im, s->tensor, &s->value));
        s->defined = true;
    }
    if (!s || !s->defined)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT,
                         "it takes '%s', which no input, initializer or earlier node gives: the "
                         "graph has a cycle, is out of order or is damaged",
                         name);
    node->in[k] = s->value;
    return ROTO_OK;
}

static roto_status check_attributes(const onnx_node *node, const op_rule *rule)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        const char *name = node->proto->attribute[i]->name;
        size_t length = strlen(name);
        bool known = false;
        for (const char *at = rule->attributes; !known && length && (at = strstr(at, name)); at++)
            known = at > rule->attributes && at[-1] == ' ' && at[length] == ' ';
        if (!known)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "the attribute '%s' is not known", name);
    }
    return ROTO_OK;
}

static roto_status write_outputs(importer *im, const onnx_node *node)
{
    for (int k = 0; k < (int)node->proto->n_output; k++) {
        symbol *s = symbol_find(im, node->proto->output[k]);
        if (!s)
            continue; /* an optional output without a name */
        if (k < node->n_out) {
            s->value = node->out[k];
            s->defined = true;
        } else if (s->n_users > 0) {
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "its output '%s' cannot be computed",
                             s->name);
        }
    }
    return ROTO_OK;
}

static roto_status import_node(importer *im, int index)
{
    const Onnx__Node *proto = im->source->node[index];
    onnx_node node = {.proto = proto, .index = index, .n_out = 1};
    bool own_domain = !proto->domain || !proto->domain[0] || strcmp(proto->domain, "ai.onnx") == 0;
    const op_rule *rule = own_domain ? op_rule_find(proto->op_type) : NULL;
    if (!rule)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "the operator %s%s%s of node '%s' is not supported",
                         own_domain ? "" : proto->domain, own_domain ? "" : ".", proto->op_type,
                         node_name(&node));
    if ((int64_t)proto->n_input < rule->min_in || (int64_t)proto->n_input > rule->max_in ||
        proto->n_output < 1 || proto->n_output > NODE_MAX_OUTPUTS)
        return NODE_FAIL(&node, ROTO_ERROR_FORMAT,
                         "%zu inputs and %zu outputs; it takes %d to %d inputs", proto->n_input,
                         proto->n_output, rule->min_in, rule->max_in);
    node.n_in = (int)proto->n_input;
    for (int k = 0; k < node.n_in; k++) {
        ROTO_TRY(read_input(im, &node, k));
        if (k < rule->min_in && node.in[k].kind == VALUE_ABSENT)
            return NODE_FAIL(&node, ROTO_ERROR_FORMAT, "input %d is missing", k);
        if (rule->constant_only && node.in[k].kind == VALUE_COMPUTED)
            return NODE_FAIL(&node, ROTO_ERROR_UNSUPPORTED,
                             "input %d depends on the image; only constants are supported here", k);
    }
    if (im->marks[index] == NODE_PASSES_0 || im->marks[index] == NODE_PASSES_1) {
        node.out[0] = node.in[im->marks[index] - NODE_PASSES_0];
        return write_outputs(im, &node);
    }
    ROTO_TRY(check_attributes(&node, rule));
    char scope[128];
    snprintf(scope, sizeof(scope), "%s/", node_name(&node));
    graph_scope(im->g, scope);
    roto_status status = rule->import(im, &node);
    if (status == ROTO_OK)
        status = graph_status(im->g); /* of a helper that only returned TENSOR_NONE */
    return status == ROTO_OK ? write_outputs(im, &node) : status;
}

static roto_status import_outputs(importer *im)
{
    onnx_model *model = im->model;
    const int n = n_outputs(im);
    model->outputs = memory_arena_alloc(model->arena, (size_t)n * sizeof(*model->outputs));
    if (!model->outputs)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i < n; i++) {
        symbol *s = symbol_find(im, output_name(im, i));
        if (!s->defined && s->tensor) {
            ROTO_TRY(constant_decode(im, s->tensor, &s->value));
            s->defined = true;
        }
        if (!s->defined || (s->value.kind == VALUE_CONSTANT && !s->value.f32))
            return roto_fail(ROTO_ERROR_UNSUPPORTED,
                             "the output '%s' is not a tensor of floating-point numbers", s->name);
        onnx_port *port = &model->outputs[model->n_outputs++];
        port->name = memory_arena_string(model->arena, s->name);
        port->shape = s->value.shape;
        if (!port->name)
            return ROTO_ERROR_MEMORY;
        if (im->params->keep_output_order && s->value.kind == VALUE_COMPUTED)
            memcpy(port->order, s->value.order, sizeof(port->order));
        else
            order_identity(port->shape.rank, port->order);
        graph_scope(im->g, "output/");
        tensor_id t = value_in_order(im, &s->value, port->order);
        if (t == TENSOR_NONE)
            return graph_status(im->g);
        graph_output(im->g, s->name, t);
    }
    return graph_status(im->g);
}

static void count_weights(onnx_model *model)
{
    for (tensor_id t = 0; t < graph_n_tensors(model->graph); t++) {
        const graph_tensor *tensor = graph_tensor_at(model->graph, t);
        if (tensor->role == TENSOR_CONSTANT)
            model->n_weights += shape_count(&tensor->shape);
    }
}

static roto_status import_all(importer *im)
{
    ROTO_TRY(collect_symbols(im));
    ROTO_TRY(mark_needed(im));
    ROTO_TRY(import_inputs(im));
    for (size_t i = 0; i < im->source->n_node; i++) {
        if (im->marks[i] != NODE_UNNEEDED)
            ROTO_TRY(import_node(im, (int)i));
    }
    ROTO_TRY(import_outputs(im));
    graph_scope(im->g, "");
    count_weights(im->model);
    return ROTO_OK;
}

roto_status importer_run(const Onnx__Graph *source, int64_t opset, size_t n_bytes,
                         const onnx_import_params *params, onnx_model **out)
{
    importer im = {.source = source,
                   .params = params,
                   .opset = opset,
                   .constant_elements = FOLDED_FLOOR + (int64_t)n_bytes,
                   .tensor_elements = MAX_TENSOR_ELEMENTS_SUM};
    roto_status status = ROTO_ERROR_MEMORY;
    im.model = memory_new_array(1, sizeof(*im.model));
    if (!im.model)
        return status;
    im.model->arena = memory_arena_new();
    im.arena = memory_arena_new();
    if (!im.model->arena || !im.arena)
        goto done;
    status = graph_new(&im.model->graph);
    if (status != ROTO_OK)
        goto done;
    im.g = im.model->graph;
    status = import_all(&im);
done:
    free(im.symbols);
    free(im.marks);
    memory_arena_free(im.arena);
    if (status == ROTO_OK)
        *out = im.model;
    else
        onnx_model_free(im.model);
    return status;
}
