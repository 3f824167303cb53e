/* track/segment_graphs.h - a segmenter's compiled graphs for one input size: a few batch sizes of
 * each, made before frames need them.
 *
 * What one graph hands to the next stays on the device. The frame graph's outputs, the features of
 * memory attention and the decoder's outputs are in buffers that all graphs that read or write them
 * are bound to; memories and what the host has to say are copied into input buffers before a run
 * (segment_compute.c). */
#ifndef TRACK_SEGMENT_GRAPHS_H
#define TRACK_SEGMENT_GRAPHS_H

#include "backend/backend.h"
#include "models/sam2/model.h"
#include "track/memory_window.h"

enum {
    SEGMENT_N_BATCHES = 4,      /* 1, 2, 4 and 8 objects */
    SEGMENT_N_CONDITIONING = 4, /* 1, 2, 4 and 8 prompted frames */
    SEGMENT_N_SPARSE = 3,       /* 3, 15 and 63 points and a padding */
    SEGMENT_MAX_POINTS = 63,
    SEGMENT_POINT_BATCH = 8 /* single points that are answered at once */
};

typedef struct segment_graphs segment_graphs;

/* By index as in sam2/model.h. What only a decoder with prompts takes and the answers to single
 * points are not bound, and neither is the image where the host makes it of the picture: the host
 * has them in the executable's own memory. */
typedef struct segment_graph {
    graph *g;
    executable *e;
    port_buffers ports;
} segment_graph;

/* `max_batch`: the largest batch to use. Borrows model, backend and window. */
roto_status segment_graphs_new(const sam2_model *model, const sam2_size *size,
                               const backend_table *table, backend *b, int32_t max_batch,
                               const memory_window *window, segment_graphs **out);
void segment_graphs_free(segment_graphs *s); /* NULL is fine */

/* Compiles what n_objects with up to n_conditioning prompted frames each, and a prompt of n_points
 * (-1: none), will need, so that the frame loop compiles nothing. */
roto_status segment_graphs_prepare(segment_graphs *s, int32_t n_objects, int32_t n_conditioning,
                                   int32_t n_points);

/* The largest batch for n objects. */
int32_t segment_graphs_batch(const segment_graphs *s, int32_t n_objects);
/* How many conditioning slots the graph has that takes n. */
int32_t segment_graphs_conditioning(int32_t n);
/* How many sparse tokens the graph has that takes n points. */
int32_t segment_graphs_sparse(int32_t n_points);

/* The graphs; compiled now if they were not prepared. */
roto_status segment_graphs_frame(segment_graphs *s, const segment_graph **out);
/* What makes the frame's features: the same, or, where a queue runs ahead, one in that queue whose
 * outputs become the frame's by copying. The frame then has no executable. */
roto_status segment_graphs_maker(segment_graphs *s, const segment_graph **out);
roto_status segment_graphs_attention(segment_graphs *s, int32_t batch, int32_t n_conditioning,
                                     const segment_graph **out);
roto_status segment_graphs_decoder(segment_graphs *s, int32_t batch, const segment_graph **out);
roto_status segment_graphs_prompted(segment_graphs *s, int32_t n_points, const segment_graph **out);
roto_status segment_graphs_points(segment_graphs *s, const segment_graph **out);
roto_status segment_graphs_encoder(segment_graphs *s, int32_t batch, const segment_graph **out);

#endif
