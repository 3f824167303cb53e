/* tests/backend/checkops/bench.h - times rows and says how far from the roof they are. */
#ifndef TESTS_BACKEND_CHECKOPS_BENCH_H
#define TESTS_BACKEND_CHECKOPS_BENCH_H

#include "backend/backend.h"
#include "backend/checkops/roof.h"
#include "backend/checkops/row.h"

/* Prints a line: kernels, ms, GFLOP/s or GB/s, and the least time that the roof allows as a share
 * of the time taken, once of the wall clock's and once of the processor's, which hardly depends on
 * what else the machine does. Operators on tensors that fit the caches may pass the roof of memory.
 */
roto_status bench_row(const check_row *row, const backend_table *table,
                      const backend_params *params, const machine_roof *roof);

#endif
