/* tests/backend/backend_case.h - one graph through the reference and through the CPU backend at
 * every instruction set and several thread counts. */
#ifndef TESTS_BACKEND_BACKEND_CASE_H
#define TESTS_BACKEND_BACKEND_CASE_H

#include "graph/graph.h"

/* A constant or an input with pseudo-random values in [-scale, scale). */
tensor_id case_constant(graph *g, tensor_shape shape, uint32_t seed, float scale);
tensor_id case_input(graph *g, tensor_shape shape);

/* Fails the test unless every output is within `bound` of the reference in relative L2 and the bits
 * agree between thread counts and from run to run. Frees the graph. */
void case_check(const char *name, graph *g, double bound);

/* Name of a kernel that the CPU backend chose for operators of this kind; NULL if it has none. */
const char *case_kernel(const graph *g, op_kind op);

#endif
