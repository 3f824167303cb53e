/* graph/plan.h - from a graph as the model wrote it to one that a backend runs: fusion, then places
 * in one arena by liveness. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "graph/graph.h"

/* What a backend's kernels take, asked while planning. */
typedef struct plan_traits {
    bool fuse; /* fold activations, residuals and space-to-depth into convolutions and linear layers
                */
    bool views; /* rows of a tensor may lie further apart than the last dimension is long, so that
                   parts of a concatenation along it are written in place and slices of it are not
                   copied */
    size_t apart_bytes; /* tensors of at most so many bytes share memory with none, so that nodes
                           which do not need each other's results can run at the same time */
    /* Chooses how many bytes an element of each tensor takes, 2 or 4, of a fused graph whose
     * tensors with bound[t] have a place elsewhere; tensors that may share memory (reshapes,
     * slices, concatenations) take the same. NULL: 4. */
    roto_status (*choose_bytes)(const graph *g, const bool *bound, uint8_t *element_bytes);
    bool norm_activations; /* fold activations into layer norms */
    /* Whether the kernel of this convolution, which has no residual, can normalise its channels and
     * apply functions to its input; NULL: none can. */
    bool (*takes_norm)(const graph *g, const graph_node *conv2d);
} plan_traits;

/* Rewrites `g` into a new graph with the same inputs and outputs (same order and names) and the
 * same results up to rounding. Constants of `g` are borrowed: it has to outlive *out. */
roto_status graph_fuse(const graph *g, const plan_traits *traits, graph **out);

typedef enum place_kind {
    PLACE_CONSTANT, /* graph_tensor.data */
    PLACE_ARENA,
    PLACE_BOUND /* memory that the caller has for the tensor `root` */
} place_kind;

typedef struct tensor_place {
    place_kind kind;
    size_t offset_bytes; /* in the arena or in root's memory, a multiple of element_bytes; of 64
                            unless the tensor is a view */
    int64_t row_stride;  /* elements from one row (the last dimension) to the next */
    tensor_id root;      /* whose memory it is in: its own, or that of what it is a view of */
    uint8_t element_bytes;
} tensor_place;

typedef struct graph_layout {
    tensor_place *places; /* by tensor_id */
    bool *skipped;        /* by node index: nothing to run, the output shares its input's memory */
    size_t arena_bytes;
} graph_layout;

/* Gives every tensor a place such that no two tensors that are needed at the same time overlap,
 * except views. Inputs live from the start of a run until their last use, outputs until its end.
 * Inputs and outputs t of the graph with bound[t] are not in the arena, nor are their views; bound
 * may be NULL. */
roto_status graph_layout_new(const graph *g, const plan_traits *traits, const bool *bound,
                             graph_layout **out);
void graph_layout_free(graph_layout *layout); /* NULL is fine */

#endif
