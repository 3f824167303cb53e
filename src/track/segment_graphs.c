#include "track/segment_graphs.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct compiled {
    graph *g;
    executable *e;
} compiled;

struct segment_graphs {
    const sam2_model *model;
    sam2_size size;
    const backend_table *table;
    backend *backend;
    int32_t max_batch;
    compiled frame;
    compiled attention[SEGMENT_N_BATCHES][SEGMENT_N_CONDITIONING];
    compiled decoder[SEGMENT_N_BATCHES];
    compiled prompted[SEGMENT_N_SPARSE];
    compiled encoder[SEGMENT_N_BATCHES];
    compiled points;
};

/* The smallest power of two that holds n, as an exponent. */
static int32_t log2_ceil(int32_t n)
{
    int32_t exponent = 0;
    while ((1 << exponent) < n)
        exponent++;
    return exponent;
}

/* 3, 15, 63 points. */
static int32_t sparse_index(int32_t n_points)
{
    int32_t index = 0;
    while ((4 << 2 * index) - 1 < n_points)
        index++;
    return index;
}

int32_t segment_graphs_conditioning(int32_t n)
{
    return 1 << log2_ceil(n);
}

int32_t segment_graphs_sparse(int32_t n_points)
{
    return 4 << 2 * sparse_index(n_points);
}

int32_t segment_graphs_batch(const segment_graphs *s, int32_t n_objects)
{
    int32_t batch = s->max_batch;
    while (batch > n_objects)
        batch /= 2;
    return batch;
}

roto_status segment_graphs_new(const sam2_model *model, const sam2_size *size,
                               const backend_table *table, backend *b, int32_t max_batch,
                               segment_graphs **out)
{
    *out = memory_new_array(1, sizeof(**out));
    if (!*out)
        return ROTO_ERROR_MEMORY;
    **out = (segment_graphs){.model = model,
                             .size = *size,
                             .table = table,
                             .backend = b,
                             .max_batch = 1 << log2_ceil(max_batch)};
    if ((*out)->max_batch > 1 << (SEGMENT_N_BATCHES - 1))
        (*out)->max_batch = 1 << (SEGMENT_N_BATCHES - 1);
    return ROTO_OK;
}

static void release(const segment_graphs *s, compiled *c)
{
    if (c->e)
        s->table->release(c->e);
    graph_free(c->g);
}

void segment_graphs_free(segment_graphs *s)
{
    if (!s)
        return;
    release(s, &s->frame);
    for (int i = 0; i < SEGMENT_N_BATCHES; i++) {
        release(s, &s->decoder[i]);
        release(s, &s->encoder[i]);
        for (int k = 0; k < SEGMENT_N_CONDITIONING; k++)
            release(s, &s->attention[i][k]);
    }
    for (int i = 0; i < SEGMENT_N_SPARSE; i++)
        release(s, &s->prompted[i]);
    release(s, &s->points);
    free(s);
}

/* Compiles `c->g`, just built with `built`, unless that was done before. */
static roto_status finish(segment_graphs *s, compiled *c, roto_status built, executable **out)
{
    ROTO_TRY(built);
    const roto_status status = s->table->compile(s->backend, c->g, &c->e);
    if (status != ROTO_OK) {
        graph_free(c->g);
        *c = (compiled){0};
        return status;
    }
    *out = c->e;
    return ROTO_OK;
}

roto_status segment_graphs_frame(segment_graphs *s, executable **out)
{
    compiled *c = &s->frame;
    *out = c->e;
    return c->e ? ROTO_OK : finish(s, c, sam2_frame_graph(s->model, &s->size, &c->g), out);
}

roto_status segment_graphs_attention(segment_graphs *s, int32_t batch, int32_t n_conditioning,
                                     executable **out)
{
    compiled *c = &s->attention[log2_ceil(batch)][log2_ceil(n_conditioning)];
    *out = c->e;
    return c->e ? ROTO_OK
                : finish(
                      s, c,
                      sam2_memory_attention_graph(s->model, &s->size, batch, n_conditioning, &c->g),
                      out);
}

roto_status segment_graphs_decoder(segment_graphs *s, int32_t batch, executable **out)
{
    compiled *c = &s->decoder[log2_ceil(batch)];
    *out = c->e;
    return c->e ? ROTO_OK
                : finish(s, c, sam2_mask_decoder_graph(s->model, &s->size, batch, 0, &c->g), out);
}

roto_status segment_graphs_prompted(segment_graphs *s, int32_t n_points, executable **out)
{
    compiled *c = &s->prompted[sparse_index(n_points)];
    *out = c->e;
    return c->e ? ROTO_OK
                : finish(s, c,
                         sam2_mask_decoder_graph(s->model, &s->size, 1,
                                                 segment_graphs_sparse(n_points), &c->g),
                         out);
}

roto_status segment_graphs_encoder(segment_graphs *s, int32_t batch, executable **out)
{
    compiled *c = &s->encoder[log2_ceil(batch)];
    *out = c->e;
    return c->e ? ROTO_OK
                : finish(s, c, sam2_memory_encoder_graph(s->model, &s->size, batch, &c->g), out);
}

roto_status segment_graphs_points(segment_graphs *s, executable **out)
{
    compiled *c = &s->points;
    *out = c->e;
    return c->e ? ROTO_OK
                : finish(s, c,
                         sam2_point_decoder_graph(s->model, &s->size, SEGMENT_POINT_BATCH, &c->g),
                         out);
}

roto_status segment_graphs_prepare(segment_graphs *s, int32_t n_objects, int32_t n_conditioning,
                                   int32_t n_points)
{
    executable *e = NULL;
    ROTO_TRY(segment_graphs_frame(s, &e));
    for (int32_t batch = 1; batch <= n_objects && batch <= s->max_batch; batch *= 2) {
        for (int32_t n = 1; n <= segment_graphs_conditioning(n_conditioning); n *= 2)
            ROTO_TRY(segment_graphs_attention(s, batch, n, &e));
        ROTO_TRY(segment_graphs_decoder(s, batch, &e));
        ROTO_TRY(segment_graphs_encoder(s, batch, &e));
    }
    if (n_points >= 0)
        ROTO_TRY(segment_graphs_prompted(s, n_points, &e));
    return ROTO_OK;
}
