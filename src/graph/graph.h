/* graph/graph.h - the tensor graph: static shapes, one output per operator, no device.
 *
 * Models are C functions that call the builder below. A failing call stores the first error in the
 * graph and returns TENSOR_NONE, and every call on TENSOR_NONE returns TENSOR_NONE, so a model
 * reads like its paper and checks once, with graph_status().
 *
 * Layout: images are [batch, height, width, channels] (NHWC) and tokens are [batch, tokens,
 * channels], so that a 1x1 convolution, a linear layer and a layer norm see the same memory.
 */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "graph/tensor.h"

#include <roto/error.h>

typedef struct graph graph;

typedef int32_t tensor_id;
#define TENSOR_NONE ((tensor_id)-1)

/* ---- operators --------------------------------------------------------------------------------
 */

typedef enum op_kind {
    OP_CONV2D,
    OP_CONV_TRANSPOSE2D,
    OP_LINEAR,
    OP_MATMUL,
    OP_ATTENTION,
    OP_LAYER_NORM,
    OP_SOFTMAX,
    OP_UNARY,
    OP_BINARY,
    OP_POOL2D,
    OP_RESIZE2D,
    OP_REDUCE,
    OP_CONCAT,
    OP_SLICE,
    OP_PAD,
    OP_TRANSPOSE,
    OP_RESHAPE,
    OP_COUNT
} op_kind;

const char *op_name(op_kind op); /* "conv2d", ... */

typedef enum unary_kind {
    UNARY_IDENTITY,
    UNARY_RELU,
    UNARY_LEAKY_RELU, /* x < 0 ? alpha x : x */
    UNARY_SILU,       /* x * sigmoid(x) */
    UNARY_SIGMOID,
    UNARY_GELU,         /* x/2 (1 + erf(x / sqrt 2)) */
    UNARY_GELU_TANH,    /* the tanh approximation */
    UNARY_HARD_SWISH,   /* x * clamp(x/6 + 1/2, 0, 1) */
    UNARY_HARD_SIGMOID, /* clamp(alpha x + beta, 0, 1) */
    UNARY_TANH,
    UNARY_EXP,
    UNARY_LOG,
    UNARY_SQRT,
    UNARY_ABS,
    UNARY_NEG,
    UNARY_SIN,
    UNARY_COS,
    UNARY_CLAMP, /* min(max(x, alpha), beta) */
    UNARY_COUNT
} unary_kind;

const char *unary_name(unary_kind kind);

typedef struct unary_attr {
    unary_kind kind;
    float alpha, beta; /* meaning depends on kind; 0 when unused */
} unary_attr;

typedef enum binary_kind {
    BINARY_ADD,
    BINARY_SUB,
    BINARY_MUL,
    BINARY_DIV,
    BINARY_MAX,
    BINARY_MIN,
    BINARY_POW,
    BINARY_COUNT
} binary_kind;

/* What happens to an accumulator before it is stored: + bias, then
 * RESIDUAL_BEFORE: act(acc + residual); RESIDUAL_AFTER: act(acc) + residual. */
typedef enum residual_mode { RESIDUAL_NONE, RESIDUAL_BEFORE, RESIDUAL_AFTER } residual_mode;

typedef struct epilogue {
    unary_attr act; /* UNARY_IDENTITY for none */
    residual_mode residual;
} epilogue;

/* What a convolution reads instead of an element of x, but not of its padding: scale * act(x) +
 * shift. Not `used`: x itself. */
typedef struct conv_input {
    bool used;
    unary_attr act;
    float scale, shift;
} conv_input;

/* in: x [n, h, w, c], weight [out_c, kh, kw, c / groups], bias [out_c] or TENSOR_NONE, residual or
 * TENSOR_NONE, gamma [out_c] and beta [out_c] or TENSOR_NONE. With `norm` the output's channels are
 * normalised as by a layer norm, after the bias and before the activation; there is no residual
 * then. `input` and `norm` are made by fusion, for kernels that have them. Output height = (h +
 * pad_top + pad_bottom - dilation_h (kh - 1) - 1) / stride_h + 1.
 */
typedef struct conv2d_attr {
    int stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int dilation_h, dilation_w;
    int groups;
    epilogue epi;
    conv_input input;
    bool norm;
    float epsilon; /* of the norm */
} conv2d_attr;

/* A convolution of stride 1, no padding, one group and no activation. */
conv2d_attr conv2d_default(void);

/* in: x [n, h, w, c], weight [out_c, kh, kw, c] (spatially as in PyTorch's ConvTranspose2d, no
 * flip), bias, residual. Output height = (h - 1) stride_h - pad_top - pad_bottom + kh + extra_h. */
typedef struct conv_transpose2d_attr {
    int stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int extra_h, extra_w; /* "output padding" */
    epilogue epi;
} conv_transpose2d_attr;

/* in: x [..., k], weight [n, k], bias [n] or none, residual [..., n] or none. */
typedef struct linear_attr {
    epilogue epi;
    bool precise; /* in fp32 where the CPU backend would round to bfloat16 */
} linear_attr;

/* in: a [..., m, k], b [..., k, n], or [..., n, k] with transpose_b. Leading dimensions broadcast.
 * out = scale * a b. */
typedef struct matmul_attr {
    bool transpose_b;
    float scale;
} matmul_attr;

/* Multi-head attention, softmax(scale q k^T) v per head, in one operator so that a backend never
 * has to store the score matrix.
 *
 * in[0] q [b, lq, heads * dk], in[1] k [b, lk, heads * dk], in[2] v [b, lk, heads * dv]
 *   (k and v may have a batch of 1 that all queries' batches share)
 * in[3] rope_q [lq, dk / 2, 2] or none: (cos, sin) for pair i = elements (2i, 2i + 1) of every head
 *   (rotary embedding, Su et al. 2021, with the pairing of SAM 2's axial code)
 * in[4] rope_k [lr, dk / 2, 2] or none: key token t < rope_keys uses row t % lr, later ones none
 * in[5] key_valid [b or 1, lk] or none: keys where it is 0 take no part; a query without any valid
 *   key gives zeros
 * in[6] pad_k [heads * dk], in[7] pad_v [heads * dv], or none: the key (not rotated) and value of
 *   positions that a window has outside the grid; without them such positions take no part
 * out [b, lq, heads * dv]
 *
 * Windows (window_h > 0): tokens are the row-major cells of a grid_h x grid_w grid; queries attend
 * to the keys of their own window only. Queries may live on a coarser grid (Hiera's pooled
 * queries): lq = q_grid_h * q_grid_w with windows of q_window_h x q_window_w; both partitions have
 * the same number of windows. */
typedef struct attention_attr {
    int heads;
    float scale;
    int64_t rope_keys;
    int grid_h, grid_w, window_h, window_w;         /* all 0: global attention */
    int q_grid_h, q_grid_w, q_window_h, q_window_w; /* 0: as the keys' */
} attention_attr;

/* in: x [..., c], gamma [c] or none, beta [c] or none. Normalises the last dimension. */
typedef struct layer_norm_attr {
    float epsilon;
    unary_attr act; /* of the result; UNARY_IDENTITY for none */
} layer_norm_attr;

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE } pool_kind;

/* in: x [n, h, w, c]. Padding never wins a maximum; it counts in an average only with
 * count_padding. */
typedef struct pool2d_attr {
    pool_kind kind;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    bool ceil_mode; /* PyTorch's: a last window may start inside the input or the left padding */
    bool count_padding;
} pool2d_attr;

typedef enum resize_kind { RESIZE_NEAREST, RESIZE_BILINEAR, RESIZE_BICUBIC } resize_kind;
typedef enum resize_coords {
    RESIZE_HALF_PIXEL,    /* src = (dst + 1/2) / scale - 1/2 */
    RESIZE_ASYMMETRIC,    /* src = dst / scale */
    RESIZE_ALIGN_CORNERS, /* src = dst (in - 1) / (out - 1) */
} resize_coords;

/* in: x [n, h, w, c]. Nearest takes floor(src) for ASYMMETRIC and round-half-down(src) for the
 * others, with src computed exactly; without antialiasing pixels beyond the border repeat it, with
 * it they have no weight. ALIGN_CORNERS takes src = 0 where out is 1. Bicubic uses a = -0.75
 * (PyTorch, OpenCV) without antialiasing and a = -0.5 (PIL) with. antialias widens a bilinear or
 * bicubic filter by the shrink factor, as PIL and PyTorch do.
 */
typedef struct resize2d_attr {
    resize_kind kind;
    resize_coords coords;
    bool antialias;
    int64_t out_h, out_w;
} resize2d_attr;

typedef enum reduce_kind { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX } reduce_kind;

/* Reduces the axes whose bit is set; they stay with size 1. */
typedef struct reduce_attr {
    reduce_kind kind;
    uint32_t axes;
} reduce_attr;

typedef struct axis_attr { /* softmax, concat */
    int axis;
} axis_attr;

/* out[i] = x[start + i * step]; step >= 1. */
typedef struct slice_attr {
    int64_t start[TENSOR_MAX_RANK], step[TENSOR_MAX_RANK], size[TENSOR_MAX_RANK];
} slice_attr;

typedef struct pad_attr {
    int64_t before[TENSOR_MAX_RANK], after[TENSOR_MAX_RANK];
    float value;
} pad_attr;

typedef struct transpose_attr {
    int perm[TENSOR_MAX_RANK]; /* out dimension i is in dimension perm[i] */
} transpose_attr;

typedef union op_attr {
    conv2d_attr conv2d;
    conv_transpose2d_attr conv_transpose2d;
    linear_attr linear;
    matmul_attr matmul;
    attention_attr attention;
    layer_norm_attr layer_norm;
    unary_attr unary;
    binary_kind binary;
    pool2d_attr pool2d;
    resize2d_attr resize2d;
    reduce_attr reduce;
    axis_attr axis; /* OP_SOFTMAX, OP_CONCAT */
    slice_attr slice;
    pad_attr pad;
    transpose_attr transpose;
    tensor_shape reshape;
} op_attr;

/* ---- building ---------------------------------------------------------------------------------
 */

roto_status graph_new(graph **out);
void graph_free(graph *g); /* NULL is fine */

/* ROTO_OK, or the first error of any builder call (its message restored for roto_error_message()).
 */
roto_status graph_status(const graph *g);

/* Records an error from outside (an importer), unless there is one already; returns TENSOR_NONE. */
tensor_id graph_fail(graph *g, roto_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Names are copied; they appear in errors and listings. NULL makes a name from the operator. */
tensor_id graph_input(graph *g, const char *name, dtype type, tensor_shape shape);
tensor_id graph_constant(graph *g, const char *name, dtype type, tensor_shape shape,
                         const void *data); /* copied */
tensor_id graph_constant_borrow(graph *g, const char *name, dtype type, tensor_shape shape,
                                const void *data); /* must outlive the graph */
tensor_id graph_scalar(graph *g, float value);
void graph_output(graph *g, const char *name, tensor_id t);

/* Prefix of the names of operators added from now on, as in "backbone.stage3."; "" for none. */
void graph_scope(graph *g, const char *prefix);

tensor_id graph_conv2d(graph *g, tensor_id x, tensor_id weight, tensor_id bias,
                       const conv2d_attr *attr);
tensor_id graph_conv_transpose2d(graph *g, tensor_id x, tensor_id weight, tensor_id bias,
                                 const conv_transpose2d_attr *attr);
tensor_id graph_linear(graph *g, tensor_id x, tensor_id weight, tensor_id bias);
tensor_id graph_matmul(graph *g, tensor_id a, tensor_id b, const matmul_attr *attr);
tensor_id graph_attention(graph *g, const tensor_id in[8], const attention_attr *attr);
tensor_id graph_layer_norm(graph *g, tensor_id x, tensor_id gamma, tensor_id beta, float epsilon);
tensor_id graph_softmax(graph *g, tensor_id x, int axis);
tensor_id graph_unary(graph *g, unary_kind kind, tensor_id x);
tensor_id graph_unary_attr(graph *g, const unary_attr *attr, tensor_id x);
tensor_id graph_binary(graph *g, binary_kind kind, tensor_id a, tensor_id b);
tensor_id graph_pool2d(graph *g, tensor_id x, const pool2d_attr *attr);
tensor_id graph_resize2d(graph *g, tensor_id x, const resize2d_attr *attr);
tensor_id graph_reduce(graph *g, reduce_kind kind, tensor_id x, uint32_t axes);
tensor_id graph_concat(graph *g, const tensor_id *parts, int n_parts, int axis);
tensor_id graph_slice(graph *g, tensor_id x, const slice_attr *attr);
tensor_id graph_pad(graph *g, tensor_id x, const pad_attr *attr);
tensor_id graph_transpose(graph *g, tensor_id x, const int *perm);
tensor_id graph_reshape(graph *g, tensor_id x, tensor_shape shape);

/* Any operator by kind, with inputs in the order documented above; what the helpers call. n_in up
 * to GRAPH_MAX_INPUTS; missing optional inputs are TENSOR_NONE. */
enum { GRAPH_MAX_INPUTS = 16 };
tensor_id graph_node_add(graph *g, op_kind op, const char *name, const tensor_id *in, int n_in,
                         const op_attr *attr);

/* ---- reading ----------------------------------------------------------------------------------
 */

typedef enum tensor_role { TENSOR_INPUT, TENSOR_CONSTANT, TENSOR_COMPUTED } tensor_role;

typedef struct graph_tensor {
    const char *name;
    dtype type;
    tensor_shape shape;
    tensor_role role;
    const void *data; /* of a constant */
    int32_t producer; /* node index of a computed tensor, else -1 */
} graph_tensor;

typedef struct graph_node {
    const char *name;
    op_kind op;
    op_attr attr;
    int n_in;
    tensor_id in[GRAPH_MAX_INPUTS];
    tensor_id out;
} graph_node;

typedef struct graph_port { /* a named input or output */
    const char *name;
    tensor_id tensor;
} graph_port;

int graph_n_tensors(const graph *g);
int graph_n_nodes(const graph *g);
int graph_n_inputs(const graph *g);
int graph_n_outputs(const graph *g);

/* Valid until something is added to the graph. */
const graph_tensor *graph_tensor_at(const graph *g, tensor_id t);
const graph_node *graph_node_at(const graph *g,
                                int index); /* in an order that respects dependencies */
const graph_port *graph_input_at(const graph *g, int index);
const graph_port *graph_output_at(const graph *g, int index);

/* 2 per multiply-add of convolutions, linear layers, matrix products and attention; 0 for the rest.
 */
int64_t graph_node_flops(const graph *g, const graph_node *node);

#endif
