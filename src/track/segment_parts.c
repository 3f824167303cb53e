/* What a model's parts hold and cost. */
#include "track/segmenter.h"

#include "base/error.h"

#include <string.h>

typedef struct part {
    const char *name;
    const char *prefixes[2]; /* of its tensors */
} part;

/* In the order of a frame. What no prefix names are vectors and projections of pointers. */
enum { ENCODER, ATTENTION, DECODER, MEMORY, REST, N_PARTS };
static const part parts[N_PARTS] = {
    [ENCODER] = {"image encoder", {"image_encoder."}},
    [ATTENTION] = {"memory attention", {"memory_attention."}},
    [DECODER] = {"mask decoder", {"sam_prompt_encoder.", "sam_mask_decoder."}},
    [MEMORY] = {"memory encoder", {"memory_encoder.", "spatial_perceiver."}},
    [REST] = {"pointers, vectors", {NULL}},
};

static int part_of(const char *tensor)
{
    for (int i = 0; i < REST; i++) {
        for (int k = 0; k < 2; k++) {
            const char *prefix = parts[i].prefixes[k];
            if (prefix && strncmp(tensor, prefix, strlen(prefix)) == 0)
                return i;
        }
    }
    return REST;
}

/* The graph of a part for one object that was prompted on one frame and has all its memories. */
static roto_status build(const sam2_model *m, int index, const sam2_size *size, graph **out)
{
    switch (index) {
    case ENCODER:
        return sam2_frame_graph(m, size, out);
    case ATTENTION:
        return sam2_memory_attention_graph(m, size, 1, 1, out);
    case DECODER:
        return sam2_mask_decoder_graph(m, size, 1, 0, out);
    case MEMORY:
        return sam2_memory_encoder_graph(m, size, 1, out);
    default:
        return ROTO_OK;
    }
}

static roto_status measure(const roto_segmenter *s, const graph *g, roto_segmenter_part *out)
{
    executable *e = NULL;
    for (int i = 0; i < graph_n_nodes(g); i++)
        out->flops += graph_node_flops(g, graph_node_at(g, i));
    ROTO_TRY(s->table->compile(s->backend, g, &e));
    out->memory_bytes = (int64_t)s->table->memory_bytes(e);
    s->table->release(e);
    return ROTO_OK;
}

roto_status roto_segmenter_parts(const roto_segmenter *s, int32_t frame_width, int32_t frame_height,
                                 roto_segmenter_part out[ROTO_SEGMENTER_MAX_PARTS], int32_t *n)
{
    if (!s || !out || !n)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: no segmenter, or no place for its parts");
    if (frame_width < 1 || frame_height < 1)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: a frame of %d x %d", frame_width,
                         frame_height);
    const sam2_tensors *tensors = &s->model->tensors;
    const sam2_size size = sam2_size_for(&s->model->config, frame_width, frame_height);
    for (int i = 0; i < N_PARTS; i++)
        out[i] = (roto_segmenter_part){.name = parts[i].name};
    for (int i = 0; i < tensors->n; i++)
        out[part_of(tensors->items[i].name)].n_parameters += shape_count(&tensors->items[i].shape);
    for (int i = 0; i < N_PARTS; i++) {
        graph *g = NULL;
        roto_status status = build(s->model, i, &size, &g);
        if (status == ROTO_OK && g)
            status = measure(s, g, &out[i]);
        graph_free(g);
        if (status != ROTO_OK)
            return status;
    }
    *n = N_PARTS;
    return ROTO_OK;
}
