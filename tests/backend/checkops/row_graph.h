/* tests/backend/checkops/row_graph.h - a row as a graph with inputs to fill. */
#ifndef TESTS_BACKEND_CHECKOPS_ROW_GRAPH_H
#define TESTS_BACKEND_CHECKOPS_ROW_GRAPH_H

#include "backend/backend.h"
#include "backend/checkops/row.h"

typedef enum row_context {
    CONTEXT_PLAIN,   /* the operator alone */
    CONTEXT_STRIDED, /* operand 0 is a slice of wider rows and the output part of a concatenation,
                        which a backend may read and write in place */
    CONTEXT_ROUNDED, /* attention within windows whose result a linear layer with weights of 0 and 1
                        reads, for which a backend may round it when it is written */
    CONTEXT_COUNT
} row_context;

/* What an operand holds; decided by the operator, so that logarithms get positive numbers. */
typedef struct fill {
    enum { FILL_EVEN, FILL_POSITIVE, FILL_MASK, FILL_ONE, FILL_ROTATION } kind;
    float scale;
    uint32_t seed;
} fill;

enum { MAX_ROW_INPUTS = GRAPH_MAX_INPUTS + 1 };
typedef struct row_graph {
    graph *g;
    fill fills[MAX_ROW_INPUTS]; /* by graph input */
} row_graph;

/* False when the context does not exist for the row (a scalar has no wider rows). */
bool row_has_context(const check_row *row, row_context context);

roto_status row_graph_new(const check_row *row, row_context context, row_graph *out);
void row_graph_free(row_graph *rg);

/* Writes every input of an executable of the row's graph. */
void row_graph_fill(const row_graph *rg, const backend_table *table, executable *e);

/* Bytes that the operator has to read and write at least. */
double row_bytes(const check_row *row);

#endif
