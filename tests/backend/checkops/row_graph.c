#include "backend/checkops/row_graph.h"

#include "backend/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Extra elements before and after the rows of a strided operand. Odd, so that nothing is aligned.
 */
enum { EXTRA_BEFORE = 3, EXTRA_AFTER = 2, EXTRA_BESIDE = 5 };

static bool is_constant(op_kind op, int index)
{
    switch (op) {
    case OP_CONV2D:
    case OP_CONV_TRANSPOSE2D:
    case OP_LINEAR:
    case OP_LAYER_NORM:
        return index == 1 || index == 2 || index > 3;
    case OP_ATTENTION:
        return index == 3 || index == 4 || index >= 6;
    default:
        return false;
    }
}

static fill fill_of(const check_row *row, int index)
{
    fill f = {.kind = FILL_EVEN, .scale = 1, .seed = (uint32_t)index + 1};
    for (const char *c = row->name; *c; c++)
        f.seed = f.seed * 31 + (unsigned char)*c;
    switch (row->op) {
    case OP_CONV2D:
    case OP_CONV_TRANSPOSE2D:
    case OP_LINEAR:
        if (index == 1) { /* sums about as large as their terms */
            const int64_t terms = shape_count(&row->in[1]) / row->in[1].dim[0];
            f.scale = 2 / sqrtf((float)terms);
        }
        break;
    case OP_ATTENTION:
        if (index < 2) /* some attention weights large, some small */
            f.scale = 2;
        else if (index == 3 || index == 4)
            f.kind = FILL_ROTATION;
        else if (index == 5)
            f.kind = row->use == ROW_BENCH ? FILL_ONE : FILL_MASK; /* flops count all keys */
        break;
    case OP_SOFTMAX:
    case OP_LAYER_NORM:
        f.scale = index == 0 ? 8 : 1;
        break;
    case OP_UNARY:
        f.scale = 6;
        if (row->attr.unary.kind == UNARY_LOG || row->attr.unary.kind == UNARY_SQRT)
            f.kind = FILL_POSITIVE;
        break;
    case OP_BINARY:
        if (row->attr.binary == BINARY_POW || (row->attr.binary == BINARY_DIV && index == 1))
            f.kind = FILL_POSITIVE;
        break;
    default:
        break;
    }
    return f;
}

static void fill_values(const fill *f, float *out, int64_t count)
{
    values_fill(out, count, f->seed, f->scale);
    switch (f->kind) {
    case FILL_EVEN:
        break;
    case FILL_POSITIVE:
        for (int64_t i = 0; i < count; i++)
            out[i] = fabsf(out[i]) + 0.125f;
        break;
    case FILL_MASK: /* of 128 keys some are missing, of the next all, of the next none, the first
                       never */
        for (int64_t i = 0; i < count; i++) {
            const int64_t kind = i / 128 % 3;
            out[i] = i == 0 || kind == 2 || (kind == 0 && out[i] > -0.3333f) ? 1 : 0;
        }
        break;
    case FILL_ONE:
        for (int64_t i = 0; i < count; i++)
            out[i] = 1;
        break;
    case FILL_ROTATION: /* (cos, sin) of any angle */
        for (int64_t i = 0; i + 1 < count; i += 2) {
            const float angle = 3 * out[i];
            out[i] = cosf(angle);
            out[i + 1] = sinf(angle);
        }
        break;
    }
}

bool row_has_context(const check_row *row, row_context context)
{
    if (context == CONTEXT_ROUNDED)
        return row->op == OP_ATTENTION && row->attr.attention.window_h > 0;
    return context == CONTEXT_PLAIN || row->in[0].rank > 0;
}

static tensor_id add_input(row_graph *rg, const char *name, tensor_shape shape, fill f)
{
    rg->fills[graph_n_inputs(rg->g)] = f;
    return graph_input(rg->g, name, DTYPE_F32, shape);
}

static tensor_id add_constant(row_graph *rg, const char *name, const tensor_shape *shape, fill f)
{
    const int64_t count = shape_count(shape);
    float *data = malloc((size_t)count * sizeof(*data));
    if (!data)
        return graph_fail(rg->g, ROTO_ERROR_MEMORY, "out of memory");
    fill_values(&f, data, count);
    tensor_id t = graph_constant(rg->g, name, DTYPE_F32, *shape, data);
    free(data);
    return t;
}

/* The rows of `shape` out of longer ones. */
static tensor_id add_sliced_input(row_graph *rg, const tensor_shape *shape, fill f)
{
    tensor_shape wide = *shape;
    wide.dim[wide.rank - 1] += EXTRA_BEFORE + EXTRA_AFTER;
    slice_attr attr = {.start = {0}};
    for (int i = 0; i < shape->rank; i++) {
        attr.step[i] = 1;
        attr.size[i] = shape->dim[i];
    }
    attr.start[shape->rank - 1] = EXTRA_BEFORE;
    return graph_slice(rg->g, add_input(rg, "wide", wide, f), &attr);
}

/* A linear layer that changes nothing. */
static tensor_id add_copy_by_product(row_graph *rg, tensor_id x)
{
    const int64_t n = shape_last(&graph_tensor_at(rg->g, x)->shape);
    float *one = calloc((size_t)(n * n), sizeof(*one));
    if (!one)
        return graph_fail(rg->g, ROTO_ERROR_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++)
        one[i * n + i] = 1;
    const tensor_shape shape = DIMS(n, n);
    const tensor_id w = graph_constant(rg->g, "one", DTYPE_F32, shape, one);
    free(one);
    return graph_linear(rg->g, x, w, TENSOR_NONE);
}

roto_status row_graph_new(const check_row *row, row_context context, row_graph *out)
{
    memset(out, 0, sizeof(*out));
    roto_status status = graph_new(&out->g);
    if (status != ROTO_OK)
        return status;
    tensor_id in[GRAPH_MAX_INPUTS];
    for (int i = 0; i < row->n_in; i++) {
        const fill f = fill_of(row, i);
        char name[16];
        snprintf(name, sizeof(name), "in%d", i);
        if (row->in[i].rank < 0)
            in[i] = TENSOR_NONE;
        else if (is_constant(row->op, i))
            in[i] = add_constant(out, name, &row->in[i], f);
        else if (context == CONTEXT_STRIDED && i == 0)
            in[i] = add_sliced_input(out, &row->in[i], f);
        else
            in[i] = add_input(out, name, row->in[i], f);
    }
    tensor_id y = graph_node_add(out->g, row->op, row->name, in, row->n_in, &row->attr);
    if (context == CONTEXT_STRIDED && y != TENSOR_NONE && graph_tensor_at(out->g, y)->shape.rank) {
        tensor_shape side = graph_tensor_at(out->g, y)->shape;
        side.dim[side.rank - 1] = EXTRA_BESIDE;
        const tensor_id parts[2] = {add_input(out, "beside", side, (fill){.scale = 1, .seed = 7}),
                                    y};
        y = graph_concat(out->g, parts, 2, side.rank - 1);
    }
    if (context == CONTEXT_ROUNDED && y != TENSOR_NONE)
        y = add_copy_by_product(out, y);
    graph_output(out->g, "y", y);
    status = graph_status(out->g);
    if (status != ROTO_OK)
        row_graph_free(out);
    return status;
}

void row_graph_free(row_graph *rg)
{
    graph_free(rg->g);
    rg->g = NULL;
}

void row_graph_fill(const row_graph *rg, const backend_table *table, executable *e)
{
    for (int i = 0; i < graph_n_inputs(rg->g); i++) {
        const graph_tensor *t = graph_tensor_at(rg->g, graph_input_at(rg->g, i)->tensor);
        fill_values(&rg->fills[i], table->input(e, i), shape_count(&t->shape));
    }
}

double row_bytes(const check_row *row)
{
    row_graph rg;
    if (row_graph_new(row, CONTEXT_PLAIN, &rg) != ROTO_OK)
        return 0;
    const graph_node *node = graph_node_at(rg.g, 0);
    int64_t count = shape_count(&graph_tensor_at(rg.g, node->out)->shape);
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] != TENSOR_NONE)
            count += shape_count(&graph_tensor_at(rg.g, node->in[i])->shape);
    }
    row_graph_free(&rg);
    return (double)count * sizeof(float);
}
