/* graph/infer.h - what an operator's inputs have to be, and what comes out. */
#ifndef GRAPH_INFER_H
#define GRAPH_INFER_H

#include "graph/graph.h"

/* Checks the operands (NULL for a missing optional one) and attributes of `node`, fills in the
 * output's shape and type. ROTO_ERROR_ARGUMENT with a message naming the operator otherwise. */
roto_status infer_output(const char *name, const graph_node *node,
                         const graph_tensor *const operands[GRAPH_MAX_INPUTS], tensor_shape *shape,
                         dtype *type);

#endif
