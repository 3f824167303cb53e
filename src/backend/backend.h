/* backend/backend.h - what runs a planned graph: one table of functions a backend.
 *
 * A backend compiles a graph into an executable: it plans (graph/plan.h), packs the weights,
 * allocates everything. Running allocates nothing. An operator that a backend lacks is an error at
 * compile time naming the operator; nothing falls back silently.
 *
 * What one executable hands to the next stays on the device: both are compiled with that output and
 * that input bound to the same buffer. Work is enqueued in order, copies between buffers as well,
 * and waited for when the host needs a result. On the CPU a buffer is memory, enqueueing is doing
 * and there is nothing to wait for.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/team.h"
#include "graph/graph.h"
#include "graph/plan.h"

typedef enum precision {
    PRECISION_FP32,
    PRECISION_BF16 /* products of bfloat16 values summed in fp32 in convolutions, linear layers and,
                      but for AVX512-BF16, attention, on the CPU over 32 tokens or more; fp32
                      elsewhere; open() refuses it where the processor lacks them */
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

/* What is enqueued in a queue is done in its order; between queues only queue_after() orders. */
typedef enum backend_queue {
    QUEUE_MAIN,  /* what somebody waits for */
    QUEUE_AHEAD, /* what will be needed later; uses what the other one leaves idle */
    BACKEND_N_QUEUES
} backend_queue;

typedef enum buffer_kind {
    BUFFER_DEVICE,      /* what executables read and write: floats */
    BUFFER_DEVICE_BF16, /* kept as bfloat16; only copies from and to the device's read and write it
                         */
    BUFFER_HOST         /* what the host reads and writes, and copies go to and come from: floats */
} buffer_kind;

/* Memory of a backend, zeroed when it is made. */
typedef struct buffer {
    backend *owner;
    buffer_kind kind;
    size_t n;    /* elements */
    float *data; /* of BUFFER_HOST; else for the backend alone */
} buffer;

/* Buffers of BUFFER_DEVICE in which an executable has inputs and outputs, from their start, in
 * fp32, row-major and contiguous; by index, NULL for those that it keeps itself. A run leaves a
 * bound input as it is. */
enum { BACKEND_MAX_PORTS = 16 };
typedef struct port_buffers {
    buffer *in[BACKEND_MAX_PORTS], *out[BACKEND_MAX_PORTS];
    backend_queue queue; /* that runs are enqueued in */
} port_buffers;

/* to[to_at + i] = from[from_at + i] for 0 <= i < n, rounded to nearest even where `to` is kept as
 * bfloat16. */
typedef struct buffer_copy {
    buffer *to;
    size_t to_at;
    const buffer *from;
    size_t from_at, n;
} buffer_copy;

/* A kernel as it will run, for listings and benchmarks. */
typedef struct kernel_info {
    const char *node; /* the operator's name in the graph */
    op_kind op;
    const char *kernel; /* "gemm.avx512", "reference", ... */
    int64_t flops;
    double seconds; /* of the latest profiled run; 0 otherwise */
} kernel_info;

typedef struct picture_view picture_view; /* backend/picture.h */

/* Calls that a device's driver was given so far, by all backends of the process. */
typedef struct backend_calls {
    long runs, launches, copies, orders, waits, allocations; /* orders: of queues and streams */
} backend_calls;

typedef struct backend_table {
    const char *name; /* "reference", "cpu", "cuda" */

    roto_status (*open)(const backend_params *params, backend **out);
    void (*close)(backend *b);

    /* Its threads, which the host may use while no graph runs. NULL: it has none. */
    team *(*host_team)(backend *b);

    /* `g` has to outlive the executable: constants may be read in place. */
    roto_status (*compile)(backend *b, const graph *g, executable **out);
    void (*release)(executable *e); /* NULL is fine */

    /* The same with some inputs and outputs bound. The buffers have to outlive the executable, and
     * what bound outputs hold may be lost. */
    roto_status (*compile_bound)(backend *b, const graph *g, const port_buffers *ports,
                                 executable **out);

    /* Host memory of an input, to be written in full before every run (a run may overwrite it), and
     * of an output, valid until the next run; row-major, contiguous. Indices as in the graph. Of
     * bound ones: NULL. */
    void *(*input)(executable *e, int index);
    const void *(*output)(executable *e, int index);

    roto_status (*run)(executable *e); /* enqueues it and waits */

    roto_status (*buffer_new)(backend *b, buffer_kind kind, size_t n, buffer **out);
    void (*buffer_free)(buffer *of); /* waits first; NULL is fine */

    /* Appends a run, or copies that are independent of each other (not from host to host), to a
     * queue. Neither allocates nor waits. Until the next wait() the host leaves
     * alone what the work reads of its memory, and what the work writes there is not defined. */
    roto_status (*enqueue)(executable *e);
    roto_status (*copy)(backend *b, backend_queue queue, const buffer_copy *copies, int n);
    /* Appends making inputs of pictures, independent of each other. NULL: pictures are the host's
     * work. */
    roto_status (*show)(backend *b, backend_queue queue, const picture_view *views, int n);
    /* What `waiting` is given from now on comes after all that `other` was given so far. */
    roto_status (*queue_after)(backend *b, backend_queue waiting, backend_queue other);
    /* Returns when everything in QUEUE_MAIN is done; reports what failed meanwhile. */
    roto_status (*wait)(backend *b);

    /* Runs once timing every kernel; *infos belongs to the executable. */
    roto_status (*profile)(executable *e, const kernel_info **infos, int *n_infos);

    /* Arena, packed weights and workspace, also where other executables use them, too. */
    size_t (*memory_bytes)(const executable *e);

    void (*calls)(backend_calls *out); /* NULL: there is no driver */

    bool works_ahead;  /* QUEUE_AHEAD runs beside QUEUE_MAIN; else it comes first */
    int largest_batch; /* of objects that are better computed together than one after the other */
} backend_table;

/* NULL when there is no backend of that name. */
const backend_table *backend_find(const char *name);

/* The backend and the device index that a device's name stands for: "cpu", "reference", "cuda" or
 * "cuda:N". ROTO_ERROR_DEVICE for any other; whether a device is there shows in open(). */
roto_status backend_choose(const char *name, const backend_table **table, int *device);

/* For backends: which tensors of `g`, whose inputs and outputs are those that were bound, are in
 * buffers; by_tensor has room for all of its tensors. Refuses buffers that do not fit. */
roto_status port_buffers_resolve(const graph *g, const port_buffers *ports, const backend *b,
                                 buffer **by_tensor);
/* For backends: fuses `g` and lays it out around what is bound; *by_tensor as above, of the fused
 * graph. What was made before a failure is the caller's as well. */
roto_status port_buffers_lay_out(const graph *g, const plan_traits *traits,
                                 const port_buffers *ports, const backend *b, graph **fused,
                                 buffer ***by_tensor, graph_layout **places);
/* ROTO_ERROR_INTERNAL when the copy would leave a buffer, or is of a kind that there is not. */
roto_status buffer_copy_check(const buffer_copy *copy);

extern const backend_table backend_reference;
extern const backend_table backend_cpu;
extern const backend_table backend_cuda; /* open() loads its module */

#endif
