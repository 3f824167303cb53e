/* backend/cpu/simd/elementwise.h - functions of two elements. */
#ifndef BACKEND_CPU_SIMD_ELEMENTWISE_H
#define BACKEND_CPU_SIMD_ELEMENTWISE_H

#include "graph/graph.h"

typedef struct elementwise_table {
    /* out[i] = kind(a[i], b[i]) for i < n; an operand that is `one` is its first element
     * throughout. */
    void (*binary)(binary_kind kind, int64_t n, const float *a, bool a_is_one, const float *b,
                   bool b_is_one, float *out);
} elementwise_table;

extern const elementwise_table elementwise_table_generic, elementwise_table_avx2,
    elementwise_table_avx512;

#endif
