/* format/onnx/onnx.h - ONNX files of convolutional networks as graphs.
 *
 * ONNX images are NCHW, ours NHWC. The importer moves no data for this: each value remembers which
 * ONNX dimension each dimension in memory is (its "order"). Inputs of four dimensions arrive as
 * [n, h, w, c] with order 0 2 3 1, convolutions keep it, elementwise operators and concatenations
 * bring the smaller operand to the order of the larger one, a Transpose only relabels, and a
 * Reshape is a plain one whenever the dimensions that it merges or splits lie side by side in
 * memory. A transpose is inserted only where an operator cannot work in the order at hand. So
 * backbones and necks come out without any, and heads of the form Reshape, Concat, Transpose to
 * [1, anchors, channels] become views.
 *
 * Whatever depends on shapes and constants alone is computed while importing. A batch normalisation
 * behind a convolution becomes part of its weights.
 */
#ifndef FORMAT_ONNX_ONNX_H
#define FORMAT_ONNX_ONNX_H

#include "graph/graph.h"

typedef struct onnx_import_params {
    /* For dimensions that the file leaves open in inputs of four dimensions; 0: none given, which
     * makes an open height or width an error and an open batch 1. */
    int64_t batch, height, width;
    /* Values to compute instead of the file's outputs, by ONNX name, for example in front of a part
     * that the importer does not support; n_outputs 0: the file's. */
    const char *const *outputs;
    int n_outputs;
    /* Leave outputs in the order they come out; else they are row-major in ONNX's order. */
    bool keep_output_order;
} onnx_import_params;

typedef struct onnx_port {
    const char *name;
    tensor_shape shape;         /* as in the ONNX file */
    int order[TENSOR_MAX_RANK]; /* dimension i of the graph's tensor is dimension order[i] of shape
                                 */
} onnx_port;

typedef struct onnx_model {
    graph *graph; /* its inputs and outputs are those below, in order */
    onnx_port *inputs, *outputs;
    int n_inputs, n_outputs;
    int n_transposes;  /* inserted or left by the importer */
    int64_t n_weights; /* elements of floating-point constants in the graph */
    struct memory_arena *arena;
} onnx_model;

/* params may be NULL. ROTO_ERROR_FORMAT for damaged files, ROTO_ERROR_UNSUPPORTED, naming node and
 * operator, for what the importer does not know. */
roto_status onnx_import(const char *path, const onnx_import_params *params, onnx_model **out);

/* The same from memory; `name` is for messages. */
roto_status onnx_import_bytes(const void *data, size_t bytes, const char *name,
                              const onnx_import_params *params, onnx_model **out);

void onnx_model_free(onnx_model *model); /* NULL is fine */

#endif
