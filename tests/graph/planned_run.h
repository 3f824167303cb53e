/* tests/graph/planned_run.h - executes a graph in the places that a layout gives its tensors, with
 * the reference's operators. */
#ifndef TESTS_GRAPH_PLANNED_RUN_H
#define TESTS_GRAPH_PLANNED_RUN_H

#include "graph/plan.h"

/* Runs `g` as `layout` says: inputs and outputs of every operator are read and written at their
 * places in one arena, skipped nodes do nothing. Returns the arena; NULL when out of memory.
 * Inputs hold planned_input() of their index. Free with free(). */
float *planned_run(const graph *g, const graph_layout *layout);

/* Element `i` of input `index` of any graph. */
float planned_input(int index, int64_t i);

/* A tensor after planned_run(), contiguous. Free with free(). */
float *planned_tensor(const graph *g, const graph_layout *layout, const float *arena, tensor_id t);

/* True when no operator writes where something lies that is needed later. */
bool planned_places_are_disjoint(const graph *g, const graph_layout *layout);

#endif
