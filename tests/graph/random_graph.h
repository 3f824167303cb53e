/* tests/graph/random_graph.h - small graphs that mix the operators which fusion and layout treat
 * specially. */
#ifndef TESTS_GRAPH_RANDOM_GRAPH_H
#define TESTS_GRAPH_RANDOM_GRAPH_H

#include "graph/graph.h"

/* The same graph for the same seed; NULL when it could not be made (the error is stored). */
graph *random_graph_new(uint32_t seed);

#endif
