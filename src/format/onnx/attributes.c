#include "format/onnx/internal.h"

#include <string.h>

const char *node_name(const onnx_node *node)
{
    if (node->proto->name && node->proto->name[0])
        return node->proto->name;
    return node->proto->n_output ? node->proto->output[0] : "";
}

const Onnx__Attribute *attribute_find(const onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        if (strcmp(node->proto->attribute[i]->name, name) == 0)
            return node->proto->attribute[i];
    }
    return NULL;
}

int64_t attribute_int(const onnx_node *node, const char *name, int64_t otherwise)
{
    const Onnx__Attribute *a = attribute_find(node, name);
    return a ? a->i : otherwise;
}

float attribute_float(const onnx_node *node, const char *name, float otherwise)
{
    const Onnx__Attribute *a = attribute_find(node, name);
    return a ? a->f : otherwise;
}

bool attribute_is(const onnx_node *node, const char *name, const char *otherwise,
                  const char *wanted)
{
    const Onnx__Attribute *a = attribute_find(node, name);
    if (!a)
        return strcmp(otherwise, wanted) == 0;
    return a->s.len == strlen(wanted) && memcmp(a->s.data, wanted, a->s.len) == 0;
}

roto_status attribute_extents(const onnx_node *node, const char *name, int n, int otherwise,
                              int *out)
{
    enum { LIMIT = 1 << 16 };
    const Onnx__Attribute *a = attribute_find(node, name);
    if (a && a->n_ints != (size_t)n)
        return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "%s has %zu values; %d are needed", name,
                         a->n_ints, n);
    for (int i = 0; i < n; i++) {
        int64_t value = a ? a->ints[i] : otherwise;
        if (value < 0 || value > LIMIT)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED, "%s is %lld; 0 to %d can be imported",
                             name, (long long)value, LIMIT);
        out[i] = (int)value;
    }
    return ROTO_OK;
}

roto_status node_integers(importer *im, const onnx_node *node, const char *attribute, int input,
                          const int64_t **out, int *n)
{
    (void)im;
    enum { LIMIT = 64 };
    *out = NULL;
    *n = 0;
    const Onnx__Attribute *a = attribute ? attribute_find(node, attribute) : NULL;
    const onnx_value *v = input < node->n_in ? &node->in[input] : NULL;
    if (v && v->kind != VALUE_ABSENT) {
        if (v->kind != VALUE_CONSTANT || !v->i64 || v->shape.rank > 1)
            return NODE_FAIL(node, ROTO_ERROR_UNSUPPORTED,
                             "input %d has to be a constant list of integers", input);
        if (constant_count(&v->shape) > LIMIT)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "input %d has more than %d values", input,
                             LIMIT);
        *out = v->i64;
        *n = (int)constant_count(&v->shape);
    } else if (a) {
        if (a->n_ints > LIMIT)
            return NODE_FAIL(node, ROTO_ERROR_FORMAT, "%s has more than %d values", attribute,
                             LIMIT);
        /* An empty list is not the same as none. */
        static const int64_t nothing;
        *out = a->n_ints ? a->ints : &nothing;
        *n = (int)a->n_ints;
    }
    return ROTO_OK;
}

roto_status node_axis(const onnx_node *node, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return NODE_FAIL(node, ROTO_ERROR_FORMAT, "axis %lld of a tensor with %d dimensions",
                         (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return ROTO_OK;
}
