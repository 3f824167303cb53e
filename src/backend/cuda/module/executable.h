/* backend/cuda/module/executable.h - what a backend and an executable of this module are. */
#ifndef BACKEND_CUDA_MODULE_EXECUTABLE_H
#define BACKEND_CUDA_MODULE_EXECUTABLE_H

#include "backend/cuda/module/device.h"
#include "backend/cuda/module/order.h"
#include "backend/cuda/module/scratch.h"
#include "backend/cuda/module/site.h"
#include "backend/cuda/module/weight_pool.h"
#include "graph/plan.h"

struct backend {
    int device;
    precision precision;
    int n_multiprocessors, compute_capability;
    bool only_common;
    struct blas *blas;                     /* NULL where cuBLASLt cannot be had */
    int least_priority, greatest_priority; /* of streams; the greatest is the lowest number */
    cudaStream_t streams[BACKEND_N_QUEUES];
    cudaEvent_t passed[BACKEND_N_QUEUES]; /* for one queue to wait for another */
    weight_pool weights;
    scratch_pool scratch;
};

typedef struct step {
    launch_fn *launch;
    void *params;            /* owned */
    void (*release)(void *); /* of what params own; or NULL */
    kernel_info info;
} step;

struct executable {
    backend *owner;
    backend_queue queue;
    cudaStream_t stream; /* the queue's */
    graph *g;            /* fused */
    graph_layout *layout;
    buffer **bound;          /* by tensor; NULL for those of the arenas */
    const float **constants; /* by tensor: on the device, once some step wants it */
    device_memory memory;    /* tables of its own */
    weight_holds weights;    /* shared ones */
    scratch_block *arena_block, *workspace_block;
    char *arena, *workspace;
    size_t workspace_bytes;
    size_t *node_workspace; /* by node: while measuring its bytes, then where its part begins */
    bool measuring;         /* how much workspace the steps take */
    step *steps;
    size_t n_steps, step_capacity;
    node_use *uses; /* of the nodes that have steps */
    size_t n_uses;
    kernel_info *infos;
    float **inputs, **outputs; /* page-locked host memory, by port; NULL where bound */
    cudaGraphExec_t replay;    /* a whole run */
};

/* Of the streams whose work goes to a queue. */
static inline int queue_priority(const backend *b, backend_queue queue)
{
    return queue == QUEUE_MAIN ? b->greatest_priority : b->least_priority;
}

static inline bool executable_is_bf16(const executable *e, tensor_id t)
{
    return e->layout->places[t].element_bytes == sizeof(uint16_t);
}

roto_status step_launch(const step *s, cudaStream_t stream);

#endif
