/* tests/backend/checkops/roof.h - what the machine can do at best, measured now. */
#ifndef TESTS_BACKEND_CHECKOPS_ROOF_H
#define TESTS_BACKEND_CHECKOPS_ROOF_H

#include <roto/error.h>

typedef struct machine_roof {
    double flops_per_s; /* fp32 multiply-adds in registers, 2 each */
    double bytes_per_s; /* copying memory far larger than the caches, read and written */
} machine_roof;

/* On n_threads threads at once, with the instructions of `isa` ("generic", "avx2", "avx512"). */
roto_status roof_measure(const char *isa, int n_threads, machine_roof *out);

#endif
