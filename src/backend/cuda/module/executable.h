/* backend/cuda/module/executable.h - what a backend and an executable of this module are. */
#ifndef BACKEND_CUDA_MODULE_EXECUTABLE_H
#define BACKEND_CUDA_MODULE_EXECUTABLE_H

#include "backend/cuda/module/device.h"
#include "backend/cuda/module/order.h"
#include "backend/cuda/module/site.h"
#include "graph/plan.h"

struct backend {
    int device;
    precision precision;
    int n_multiprocessors, compute_capability;
    bool only_common;
    struct blas *blas; /* NULL where cuBLASLt cannot be had */
    cudaStream_t stream;
};

typedef struct step {
    launch_fn *launch;
    void *params;            /* owned */
    void (*release)(void *); /* of what params own; or NULL */
    kernel_info info;
} step;

struct executable {
    backend *owner;
    graph *g; /* fused */
    graph_layout *layout;
    bool *is_bf16;           /* by tensor */
    buffer **bound;          /* by tensor; NULL for those of the arenas */
    const float **constants; /* by tensor: on the device, once some step wants it */
    device_memory memory;    /* weights, arena, workspace */
    char *arena, *arena_bf16, *workspace;
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

roto_status step_launch(const step *s, cudaStream_t stream);

#endif
