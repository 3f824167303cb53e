/* format/onnx/internal.h - what the importer's parts share. */
#ifndef FORMAT_ONNX_INTERNAL_H
#define FORMAT_ONNX_INTERNAL_H

#include "base/error.h"
#include "base/memory.h"
#include "format/onnx/onnx.h"
#include "generated/onnx.pb-c.h"

/* ONNX element types that the importer reads. */
typedef enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_UINT32 = 12,
    ONNX_UINT64 = 13,
    ONNX_BFLOAT16 = 16
} onnx_type;

typedef enum value_kind {
    VALUE_ABSENT, /* an optional input that is not given */
    VALUE_CONSTANT,
    VALUE_COMPUTED
} value_kind;

/* What a name stands for. Constants have ONNX's order, may be empty, and are either float or int64
 * (which stands for every integer type and for booleans). */
typedef struct onnx_value {
    value_kind kind;
    tensor_shape shape; /* as ONNX sees it */
    const float *f32;   /* of a floating-point constant */
    const int64_t *i64; /* of an integer constant; one of the two is set */
    tensor_id id;       /* of a computed value, with dimension i being ONNX's order[i] */
    int order[TENSOR_MAX_RANK];
} onnx_value;

typedef struct symbol {
    const char *name;
    onnx_value value;
    bool defined;
    int producer;               /* index of the node, -1 for inputs and initializers */
    int n_users;                /* needed nodes and outputs that read it */
    int user;                   /* the latest of these nodes */
    const Onnx__Tensor *tensor; /* of an initializer not decoded yet */
} symbol;

typedef enum node_mark {
    NODE_UNNEEDED,
    NODE_NEEDED,
    /* An earlier node has done its work: its output is its input 0, or 1. */
    NODE_PASSES_0,
    NODE_PASSES_1
} node_mark;

typedef struct importer {
    const Onnx__Graph *source;
    const onnx_import_params *params;
    onnx_model *model;
    graph *g;
    memory_arena *arena;       /* of constants, gone after the import */
    int64_t constant_elements; /* that may still be made by folding */
    int64_t tensor_elements;   /* that computed values may still have together */
    int64_t opset;
    symbol *symbols; /* sorted by name */
    size_t n_symbols;
    node_mark *marks; /* by node */
} importer;

enum { NODE_MAX_INPUTS = 64, NODE_MAX_OUTPUTS = 16 };

/* A node with its inputs looked up. Values are copies. */
typedef struct onnx_node {
    const Onnx__Node *proto;
    int index;
    int n_in, n_out;
    onnx_value in[NODE_MAX_INPUTS]; /* up to n_in; VALUE_ABSENT beyond it */
    onnx_value out[NODE_MAX_OUTPUTS];
} onnx_node;

/* "Conv 'name': " before a message. */
#define NODE_FAIL(node, status, fmt, ...)                                                          \
    roto_fail(status, "%s '%s': " fmt, (node)->proto->op_type, node_name(node), ##__VA_ARGS__)
const char *node_name(const onnx_node *node);

typedef roto_status node_fn(importer *im, onnx_node *node);

typedef struct op_rule {
    const char *op;
    node_fn *import;
    const char *attributes; /* the names that it understands, with a space around each */
    int min_in, max_in;
    bool constant_only; /* works on constants alone */
} op_rule;

const op_rule *op_rule_find(const char *op); /* NULL when unknown */

/* ---- importer.c ---- */
symbol *symbol_find(const importer *im, const char *name);

/* ---- attributes.c ---- */
const Onnx__Attribute *attribute_find(const onnx_node *node, const char *name);
int64_t attribute_int(const onnx_node *node, const char *name, int64_t otherwise);
float attribute_float(const onnx_node *node, const char *name, float otherwise);
bool attribute_is(const onnx_node *node, const char *name, const char *otherwise,
                  const char *wanted); /* a string attribute */
/* Exactly `n` values within 0..65536, or `otherwise` for each when there is no such attribute. */
roto_status attribute_extents(const onnx_node *node, const char *name, int n, int otherwise,
                              int *out);
/* Integers from an attribute or, in newer operator sets, from a constant input; *out is NULL when
 * neither is given. */
roto_status node_integers(importer *im, const onnx_node *node, const char *attribute, int input,
                          const int64_t **out, int *n);
roto_status node_axis(const onnx_node *node, int64_t axis, int rank, int *out); /* -1: the last */

/* ---- constants.c ---- */
roto_status constant_decode(importer *im, const Onnx__Tensor *tensor, onnx_value *out);
/* Memory for a folded constant of `shape`, counted against the limit. */
roto_status constant_new_f32(importer *im, const tensor_shape *shape, onnx_value *out,
                             float **data);
roto_status constant_new_i64(importer *im, const tensor_shape *shape, onnx_value *out,
                             int64_t **data);
/* Elements `start + sum index[d] * stride[d]` of `in`, for every index of `shape`. */
roto_status constant_gather(importer *im, const onnx_value *in, const tensor_shape *shape,
                            int64_t start, const int64_t *stride, onnx_value *out);
void constant_strides(const tensor_shape *shape, int64_t *stride);
/* No negative dimension, and none so large that products overflow; 0 is allowed: empty tensors
 * stand for inputs that are not given. */
bool constant_shape_valid(const tensor_shape *shape, int64_t *count);
int64_t constant_count(const tensor_shape *shape);      /* 0 when a dimension is 0 */
bool constant_scalar(const onnx_value *v, double *out); /* a constant of one element */

/* ---- values.c ---- */
void order_identity(int rank, int *order);
void order_image(int *order);                       /* NHWC */
int order_find(const onnx_value *v, int dimension); /* where ONNX's dimension is in memory */
/* The tensor with memory order `order`; TENSOR_NONE after a failure, which the graph then holds. */
tensor_id value_in_order(importer *im, const onnx_value *v, const int *order);
/* The same for an operand that broadcasts: a constant loses its leading dimensions of 1 in memory,
 * so that a scalar stays recognisable as one. */
tensor_id value_operand(importer *im, const onnx_value *v, const int *order);
/* Prepends dimensions of 1. */
roto_status value_extend(importer *im, const onnx_node *node, const onnx_value *v, int rank,
                         onnx_value *out);
/* Takes a graph tensor as the node's output k; the shape is derived from the tensor's. */
roto_status value_define(importer *im, onnx_node *node, int k, tensor_id id, const int *order);
roto_status value_reshape(importer *im, onnx_node *node, const onnx_value *in,
                          const tensor_shape *shape, onnx_value *out);
tensor_id value_constant(importer *im, const char *name, tensor_shape shape, const float *data);

/* ---- operators ---- */
node_fn import_conv, import_conv_transpose, import_batch_norm, import_gemm, import_matmul;
node_fn import_max_pool, import_average_pool, import_global_average_pool, import_resize;
node_fn import_unary, import_clip, import_binary, import_variadic, import_softmax, import_reduce;
node_fn import_erf;
node_fn import_concat, import_slice, import_split, import_pad, import_gather, import_transpose;
node_fn import_reshape, import_flatten, import_squeeze, import_unsqueeze, import_identity;
node_fn import_shape, import_constant, import_constant_of_shape, import_cast, import_range;
node_fn import_expand, import_where, import_compare, import_round;

/* Whether both elementwise operands are constants, and then the result. */
roto_status fold_binary(importer *im, onnx_node *node, const char *op, const onnx_value *a,
                        const onnx_value *b, onnx_value *out);
roto_status fold_unary(importer *im, onnx_node *node, const char *op, const onnx_value *x,
                       onnx_value *out);

#endif
