/* track/segment_graphs.h - a segmenter's compiled graphs for one input size: a few batch sizes of
 * each, made before frames need them. */
#ifndef TRACK_SEGMENT_GRAPHS_H
#define TRACK_SEGMENT_GRAPHS_H

#include "backend/backend.h"
#include "models/sam2/model.h"

enum {
    SEGMENT_N_BATCHES = 4,      /* 1, 2, 4 and 8 objects */
    SEGMENT_N_CONDITIONING = 4, /* 1, 2, 4 and 8 prompted frames */
    SEGMENT_N_SPARSE = 3,       /* 3, 15 and 63 points and a padding */
    SEGMENT_MAX_POINTS = 63,
    SEGMENT_POINT_BATCH = 8 /* single points that are answered at once */
};

typedef struct segment_graphs segment_graphs;

/* `max_batch`: the largest batch to use. Borrows model and backend. */
roto_status segment_graphs_new(const sam2_model *model, const sam2_size *size,
                               const backend_table *table, backend *b, int32_t max_batch,
                               segment_graphs **out);
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

/* The executables; compiled now if they were not prepared. */
roto_status segment_graphs_frame(segment_graphs *s, executable **out);
roto_status segment_graphs_attention(segment_graphs *s, int32_t batch, int32_t n_conditioning,
                                     executable **out);
roto_status segment_graphs_decoder(segment_graphs *s, int32_t batch, executable **out);
roto_status segment_graphs_prompted(segment_graphs *s, int32_t n_points, executable **out);
roto_status segment_graphs_points(segment_graphs *s, executable **out);
roto_status segment_graphs_encoder(segment_graphs *s, int32_t batch, executable **out);

#endif
