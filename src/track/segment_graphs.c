#include "track/segment_graphs.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

struct segment_graphs {
    const sam2_model *model;
    sam2_size size;
    const backend_table *table;
    backend *backend;
    int32_t max_batch;
    const memory_window *window;
    segment_graph maker, frame;
    segment_graph attention[SEGMENT_N_BATCHES][SEGMENT_N_CONDITIONING];
    segment_graph decoder[SEGMENT_N_BATCHES];
    segment_graph prompted[SEGMENT_N_SPARSE];
    segment_graph encoder[SEGMENT_N_BATCHES];
    segment_graph points;

    buffer **buffers; /* all there are */
    size_t n_buffers, buffer_capacity;
    /* By batch size, what several graphs share: */
    buffer *features[SEGMENT_N_BATCHES]; /* from memory attention to the decoders */
    buffer *decoded[SEGMENT_N_BATCHES][DECODER_N_OUT];
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
                               const memory_window *window, segment_graphs **out)
{
    *out = memory_new_array(1, sizeof(**out));
    if (!*out)
        return ROTO_ERROR_MEMORY;
    **out = (segment_graphs){.model = model,
                             .size = *size,
                             .table = table,
                             .backend = b,
                             .window = window,
                             .max_batch = 1 << log2_ceil(max_batch)};
    if ((*out)->max_batch > 1 << (SEGMENT_N_BATCHES - 1))
        (*out)->max_batch = 1 << (SEGMENT_N_BATCHES - 1);
    return ROTO_OK;
}

static void release(const segment_graphs *s, segment_graph *c)
{
    if (c->e)
        s->table->release(c->e);
    graph_free(c->g);
}

void segment_graphs_free(segment_graphs *s)
{
    if (!s)
        return;
    release(s, &s->maker);
    for (int i = 0; i < SEGMENT_N_BATCHES; i++) {
        release(s, &s->decoder[i]);
        release(s, &s->encoder[i]);
        for (int k = 0; k < SEGMENT_N_CONDITIONING; k++)
            release(s, &s->attention[i][k]);
    }
    for (int i = 0; i < SEGMENT_N_SPARSE; i++)
        release(s, &s->prompted[i]);
    release(s, &s->points);
    for (size_t i = 0; i < s->n_buffers; i++)
        s->table->buffer_free(s->buffers[i]);
    free(s->buffers);
    free(s);
}

/* A buffer for an input or output of `g`, unless there is one at *place already. */
static roto_status make_buffer(segment_graphs *s, const graph *g, const graph_port *port,
                               buffer **place)
{
    if (*place)
        return ROTO_OK;
    if (!memory_grow((void **)&s->buffers, &s->buffer_capacity, s->n_buffers + 1,
                     sizeof(*s->buffers)))
        return ROTO_ERROR_MEMORY;
    const size_t n = (size_t)shape_count(&graph_tensor_at(g, port->tensor)->shape);
    ROTO_TRY(s->table->buffer_new(s->backend, BUFFER_DEVICE, n, place));
    s->buffers[s->n_buffers++] = *place;
    return ROTO_OK;
}

static roto_status make_inputs(segment_graphs *s, segment_graph *c, int first, int end)
{
    for (int i = first; i < end; i++)
        ROTO_TRY(make_buffer(s, c->g, graph_input_at(c->g, i), &c->ports.in[i]));
    return ROTO_OK;
}

static roto_status make_outputs(segment_graphs *s, segment_graph *c)
{
    for (int i = 0; i < graph_n_outputs(c->g); i++)
        ROTO_TRY(make_buffer(s, c->g, graph_output_at(c->g, i), &c->ports.out[i]));
    return ROTO_OK;
}

/* Hands a graph out after `made`, its making, or forgets it. */
static roto_status finish(const segment_graphs *s, segment_graph *c, roto_status made,
                          const segment_graph **out)
{
    if (made != ROTO_OK) {
        release(s, c);
        *c = (segment_graph){.g = NULL};
        return made;
    }
    *out = c;
    return ROTO_OK;
}

static roto_status compile(segment_graphs *s, segment_graph *c)
{
    return s->table->compile_bound(s->backend, c->g, &c->ports, &c->e);
}

static roto_status make_maker(segment_graphs *s, segment_graph *c)
{
    ROTO_TRY(sam2_frame_graph(s->model, &s->size, &c->g));
    if (s->table->show)
        ROTO_TRY(make_inputs(s, c, FRAME_IN_IMAGE, FRAME_IN_IMAGE + 1));
    ROTO_TRY(make_outputs(s, c));
    c->ports.queue = s->table->works_ahead ? QUEUE_AHEAD : QUEUE_MAIN;
    return compile(s, c);
}

/* Buffers of what the maker makes, for everything else to be bound to. */
static roto_status make_frame(segment_graphs *s, const segment_graph *maker)
{
    for (int i = 0; i < FRAME_N_OUT; i++)
        ROTO_TRY(make_buffer(s, maker->g, graph_output_at(maker->g, i), &s->frame.ports.out[i]));
    return ROTO_OK;
}

/* Places and times of memories do not change: a window's slots have theirs. */
static roto_status fill_positions(const segment_graphs *s, const segment_graph *c, int32_t batch,
                                  int32_t n_conditioning)
{
    const sam2_config *config = &s->model->config;
    const size_t mem_dim = (size_t)config->mem_dim,
                 n_places = (size_t)(sam2_window_spatial(config, n_conditioning) *
                                     sam2_memory_tokens(config, &s->size)) *
                            mem_dim,
                 stride = (size_t)sam2_window_tokens(config, &s->size, n_conditioning) * mem_dim;
    buffer *host = NULL;
    ROTO_TRY(s->table->buffer_new(s->backend, BUFFER_HOST, n_places, &host));
    memory_window_places(s->window, n_conditioning, host->data);
    roto_status status = ROTO_OK;
    for (int32_t i = 0; i < batch && status == ROTO_OK; i++)
        status = s->table->copy(s->backend, QUEUE_MAIN,
                                &(buffer_copy){.to = c->ports.in[ATTENTION_IN_POSITIONS],
                                               .to_at = (size_t)i * stride,
                                               .from = host,
                                               .n = n_places},
                                1);
    if (status == ROTO_OK)
        status = s->table->wait(s->backend);
    s->table->buffer_free(host);
    return status;
}

static roto_status make_attention(segment_graphs *s, segment_graph *c, int32_t batch,
                                  int32_t n_conditioning)
{
    const segment_graph *frame = NULL;
    ROTO_TRY(segment_graphs_frame(s, &frame));
    ROTO_TRY(sam2_memory_attention_graph(s->model, &s->size, batch, n_conditioning, &c->g));
    c->ports.in[ATTENTION_IN_X] = frame->ports.out[FRAME_OUT_X];
    c->ports.in[ATTENTION_IN_Q] = frame->ports.out[FRAME_OUT_Q];
    ROTO_TRY(make_inputs(s, c, ATTENTION_IN_MEMORY, ATTENTION_IN_VALID + 1));
    buffer **features = &s->features[log2_ceil(batch)];
    ROTO_TRY(make_buffer(s, c->g, graph_output_at(c->g, ATTENTION_OUT_FEATURES), features));
    c->ports.out[ATTENTION_OUT_FEATURES] = *features;
    ROTO_TRY(compile(s, c));
    return fill_positions(s, c, batch, n_conditioning);
}

static roto_status make_decoder(segment_graphs *s, segment_graph *c, int32_t batch,
                                int32_t n_sparse)
{
    const segment_graph *frame = NULL;
    const int32_t level = log2_ceil(batch);
    ROTO_TRY(segment_graphs_frame(s, &frame));
    ROTO_TRY(sam2_mask_decoder_graph(s->model, &s->size, batch, n_sparse, &c->g));
    ROTO_TRY(make_buffer(s, c->g, graph_input_at(c->g, DECODER_IN_FEATURES), &s->features[level]));
    c->ports.in[DECODER_IN_FEATURES] = s->features[level];
    c->ports.in[DECODER_IN_HIGH_RES_S0] = frame->ports.out[FRAME_OUT_HIGH_RES_S0];
    c->ports.in[DECODER_IN_HIGH_RES_S1] = frame->ports.out[FRAME_OUT_HIGH_RES_S1];
    for (int i = 0; i < DECODER_N_OUT; i++) {
        ROTO_TRY(make_buffer(s, c->g, graph_output_at(c->g, i), &s->decoded[level][i]));
        c->ports.out[i] = s->decoded[level][i];
    }
    return compile(s, c);
}

static roto_status make_encoder(segment_graphs *s, segment_graph *c, int32_t batch)
{
    const segment_graph *frame = NULL;
    ROTO_TRY(segment_graphs_frame(s, &frame));
    ROTO_TRY(sam2_memory_encoder_graph(s->model, &s->size, batch, &c->g));
    c->ports.in[ENCODER_IN_FRAME_FEATURES] = frame->ports.out[FRAME_OUT_MEMORY_FEATURES];
    ROTO_TRY(make_inputs(s, c, ENCODER_IN_MASK, ENCODER_IN_ABSENT + 1));
    ROTO_TRY(make_outputs(s, c));
    return compile(s, c);
}

static roto_status make_points(segment_graphs *s, segment_graph *c)
{
    const segment_graph *frame = NULL;
    ROTO_TRY(segment_graphs_frame(s, &frame));
    ROTO_TRY(sam2_point_decoder_graph(s->model, &s->size, SEGMENT_POINT_BATCH, &c->g));
    c->ports.in[POINTS_IN_FEATURES] = frame->ports.out[FRAME_OUT_FEATURES];
    c->ports.in[POINTS_IN_HIGH_RES_S0] = frame->ports.out[FRAME_OUT_HIGH_RES_S0];
    c->ports.in[POINTS_IN_HIGH_RES_S1] = frame->ports.out[FRAME_OUT_HIGH_RES_S1];
    return compile(s, c);
}

roto_status segment_graphs_maker(segment_graphs *s, const segment_graph **out)
{
    segment_graph *c = &s->maker;
    return finish(s, c, c->e ? ROTO_OK : make_maker(s, c), out);
}

roto_status segment_graphs_frame(segment_graphs *s, const segment_graph **out)
{
    ROTO_TRY(segment_graphs_maker(s, out));
    if (!s->table->works_ahead)
        return ROTO_OK;
    ROTO_TRY(make_frame(s, *out));
    *out = &s->frame;
    return ROTO_OK;
}

roto_status segment_graphs_attention(segment_graphs *s, int32_t batch, int32_t n_conditioning,
                                     const segment_graph **out)
{
    segment_graph *c = &s->attention[log2_ceil(batch)][log2_ceil(n_conditioning)];
    return finish(s, c, c->e ? ROTO_OK : make_attention(s, c, batch, n_conditioning), out);
}

roto_status segment_graphs_decoder(segment_graphs *s, int32_t batch, const segment_graph **out)
{
    segment_graph *c = &s->decoder[log2_ceil(batch)];
    return finish(s, c, c->e ? ROTO_OK : make_decoder(s, c, batch, 0), out);
}

roto_status segment_graphs_prompted(segment_graphs *s, int32_t n_points, const segment_graph **out)
{
    segment_graph *c = &s->prompted[sparse_index(n_points)];
    return finish(s, c, c->e ? ROTO_OK : make_decoder(s, c, 1, segment_graphs_sparse(n_points)),
                  out);
}

roto_status segment_graphs_encoder(segment_graphs *s, int32_t batch, const segment_graph **out)
{
    segment_graph *c = &s->encoder[log2_ceil(batch)];
    return finish(s, c, c->e ? ROTO_OK : make_encoder(s, c, batch), out);
}

roto_status segment_graphs_points(segment_graphs *s, const segment_graph **out)
{
    segment_graph *c = &s->points;
    return finish(s, c, c->e ? ROTO_OK : make_points(s, c), out);
}

roto_status segment_graphs_prepare(segment_graphs *s, int32_t n_objects, int32_t n_conditioning,
                                   int32_t n_points)
{
    const segment_graph *any = NULL;
    ROTO_TRY(segment_graphs_frame(s, &any));
    for (int32_t batch = 1; batch <= n_objects && batch <= s->max_batch; batch *= 2) {
        for (int32_t n = 1; n <= segment_graphs_conditioning(n_conditioning); n *= 2)
            ROTO_TRY(segment_graphs_attention(s, batch, n, &any));
        ROTO_TRY(segment_graphs_decoder(s, batch, &any));
        ROTO_TRY(segment_graphs_encoder(s, batch, &any));
    }
    if (n_points >= 0)
        ROTO_TRY(segment_graphs_prompted(s, n_points, &any));
    return ROTO_OK;
}
