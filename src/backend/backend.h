/* backend/backend.h - what runs a planned graph: one table of functions a backend.
 *
 * A backend compiles a graph into an executable: it plans (graph/plan.h), packs the weights,
 * allocates everything. Running allocates nothing. An operator that a backend lacks is an error at
 * compile time naming the operator; nothing falls back silently.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "graph/graph.h"

typedef enum precision {
    PRECISION_FP32,
    PRECISION_BF16 /* products of bfloat16 values summed in fp32 in convolutions, linear layers and,
                      but for AVX512-BF16, attention; fp32 elsewhere; open() refuses it where the
                      processor lacks them */
} precision;

typedef struct backend_params {
    precision precision;
    int n_threads;   /* 1..TEAM_MAX_THREADS */
    const char *isa; /* cpu: limit to "generic", "avx2" or "avx512", in bf16 "avx512", "amx" or, to
                        test the latter's kernels without it, "amx-emulated", which is slow; cuda:
                        "mma", kernels that run on every supported GPU; NULL: the best that the
                        processor has */
    int device;      /* cuda: which GPU, from 0 on */
} backend_params;

typedef struct backend backend;
typedef struct executable executable;

/* A kernel as it will run, for listings and benchmarks. */
typedef struct kernel_info {
    const char *node; /* the operator's name in the graph */
    op_kind op;
    const char *kernel; /* "gemm.avx512", "reference", ... */
    int64_t flops;
    double seconds; /* of the latest profiled run; 0 otherwise */
} kernel_info;

typedef struct backend_table {
    const char *name; /* "reference", "cpu", "cuda" */

    roto_status (*open)(const backend_params *params, backend **out);
    void (*close)(backend *b);

    /* `g` has to outlive the executable: constants may be read in place. */
    roto_status (*compile)(backend *b, const graph *g, executable **out);
    void (*release)(executable *e); /* NULL is fine */

    /* Host memory of an input, to be written in full before every run (a run may overwrite it), and
     * of an output, valid until the next run; row-major, contiguous. Indices as in the graph. */
    void *(*input)(executable *e, int index);
    const void *(*output)(executable *e, int index);

    roto_status (*run)(executable *e);

    /* Runs once timing every kernel; *infos belongs to the executable. */
    roto_status (*profile)(executable *e, const kernel_info **infos, int *n_infos);

    size_t (*memory_bytes)(const executable *e); /* arena, packed weights and workspace */
} backend_table;

/* NULL when there is no backend of that name. */
const backend_table *backend_find(const char *name);

/* The backend and the device index that a device's name stands for: "cpu", "reference", "cuda" or
 * "cuda:N". ROTO_ERROR_DEVICE for any other; whether a device is there shows in open(). */
roto_status backend_choose(const char *name, const backend_table **table, int *device);

extern const backend_table backend_reference;
extern const backend_table backend_cpu;
extern const backend_table backend_cuda; /* open() loads its module */

#endif
