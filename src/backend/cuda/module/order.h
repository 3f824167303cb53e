/* backend/cuda/module/order.h - recording a run, in which nodes that do not need each other run at
 * the same time. */
#ifndef BACKEND_CUDA_MODULE_ORDER_H
#define BACKEND_CUDA_MODULE_ORDER_H

#include "backend/cuda/module/site.h"

/* Bytes of device memory from `first` up to `end`. */
typedef struct byte_span {
    const char *first, *end;
} byte_span;

/* What a node's steps read and write. */
typedef struct node_use {
    byte_span reads[GRAPH_MAX_INPUTS], writes[2]; /* its output and its part of the workspace */
    size_t first_step, n_steps;
} node_use;

/* Of a node that has been prepared; its steps are those from first_step on. */
node_use order_use_of(const dev_site *site, size_t first_step);

/* Records a run once, so that later ones cost one call. Nodes go to several streams, which wait for
 * each other where one node reads or overwrites what another writes, or overwrites what it reads.
 */
roto_status order_record(executable *e);

#endif
