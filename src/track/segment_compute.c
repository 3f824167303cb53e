/* Runs a segmenter's graphs for the objects of a frame. */
#include "track/segmenter.h"

#include "base/error.h"
#include "format/half.h"
#include "track/mask_holes.h"
#include "track/mask_prompt.h"

#include <string.h>

/* Earlier logits that are given back to the decoder are cut to this, as the official code does. */
#define PRIOR_LOGIT_LIMIT 32.0f

static int64_t n_cells(const roto_segmenter *s)
{
    return (int64_t)s->size.w * s->size.h;
}

/* Numbers of one memory. */
static int64_t n_memory(const roto_segmenter *s)
{
    return sam2_memory_tokens(&s->model->config, &s->size) * s->model->config.mem_dim;
}

static int64_t n_pixels(const roto_segmenter *s)
{
    return (int64_t)s->size.mask_w * s->size.mask_h;
}

static float *input_of(const roto_segmenter *s, executable *e, int index)
{
    return s->table->input(e, index);
}

static const float *output_of(const roto_segmenter *s, executable *e, int index)
{
    return s->table->output(e, index);
}

static void copy_floats(float *to, const float *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof(float));
}

roto_status segment_encode_frame(roto_segmenter *s)
{
    if (s->encoded)
        return ROTO_OK;
    executable *frame = NULL;
    ROTO_TRY(segment_graphs_frame(s->graphs, &frame));
    ROTO_TRY(s->table->run(frame));
    segment_times_end(s, SEGMENT_ENCODE);
    s->encoded = true;
    return ROTO_OK;
}

/* What the frame graph left for the others. */
static const float *frame_output(const roto_segmenter *s, int index)
{
    executable *frame = NULL;
    segment_graphs_frame(s->graphs, &frame); /* it is compiled: it has run */
    return output_of(s, frame, index);
}

static void set_high_res(const roto_segmenter *s, executable *decoder)
{
    const int64_t d = s->model->config.d_model;
    copy_floats(input_of(s, decoder, DECODER_IN_HIGH_RES_S0),
                frame_output(s, FRAME_OUT_HIGH_RES_S0), n_pixels(s) * (d / 8));
    copy_floats(input_of(s, decoder, DECODER_IN_HIGH_RES_S1),
                frame_output(s, FRAME_OUT_HIGH_RES_S1), 4 * n_cells(s) * (d / 4));
}

static void fill_holes(const roto_segmenter *s, segment_object *o)
{
    const int32_t area =
        s->params.max_hole_px < 0 ? s->model->config.max_hole_area : s->params.max_hole_px;
    copy_floats(o->logits, o->raw, n_pixels(s));
    o->view = s->view;
    o->shown_fresh = false;
    if (o->object_score > 0)
        mask_fill_holes(o->logits, s->size.mask_w, s->size.mask_h, area, s->hole_queue,
                        s->hole_state);
}

/* Takes object `row` of a decoder's batch. */
static void take_answer(roto_segmenter *s, segment_object *o, executable *decoder, int64_t row,
                        bool multimask)
{
    const sam2_config *c = &s->model->config;
    const float *masks =
        output_of(s, decoder, DECODER_OUT_MASKS) + row * SAM2_N_MASKS * n_pixels(s);
    const float *ious = output_of(s, decoder, DECODER_OUT_IOUS) + row * SAM2_N_MASKS;
    const float *pointers =
        output_of(s, decoder, DECODER_OUT_POINTERS) + row * SAM2_N_MASKS * c->d_model;
    const mask_choice choice = mask_choose(masks, n_pixels(s), ious, multimask, c->stability_delta,
                                           c->stability_threshold);
    o->choice = choice.mask;
    o->iou = choice.iou;
    o->object_score = output_of(s, decoder, DECODER_OUT_OBJECT_SCORE)[row];
    const bool in_sight = o->object_score > 0;
    copy_floats(o->pointer,
                in_sight ? pointers + choice.pointer * c->d_model : s->model->no_obj_ptr,
                c->d_model);
    if (in_sight) {
        copy_floats(o->raw, masks + choice.mask * n_pixels(s), n_pixels(s));
    } else {
        for (int64_t i = 0; i < n_pixels(s); i++)
            o->raw[i] = MASK_NO_OBJECT_LOGIT;
    }
    fill_holes(s, o);
    o->present = true;
    segment_times_end(s, SEGMENT_DECODE);
}

/* Runs memory attention for objects that have room in its conditioning slots. */
static roto_status recall(roto_segmenter *s, segment_object *const *objects, int32_t batch,
                          int32_t n_conditioning, executable **out)
{
    const sam2_config *c = &s->model->config;
    const int64_t tokens = sam2_window_tokens(c, &s->size, n_conditioning);
    executable *e = NULL;
    ROTO_TRY(segment_graphs_attention(s->graphs, batch, n_conditioning, &e));
    copy_floats(input_of(s, e, ATTENTION_IN_X), frame_output(s, FRAME_OUT_X),
                n_cells(s) * c->d_model);
    copy_floats(input_of(s, e, ATTENTION_IN_Q), frame_output(s, FRAME_OUT_Q),
                n_cells(s) * c->d_model);
    for (int32_t i = 0; i < batch; i++) {
        const memory_view view = memory_bank_look(&objects[i]->bank, s->frame, s->direction);
        memory_window_write(s->window, &view, s->frame, s->direction, n_conditioning,
                            input_of(s, e, ATTENTION_IN_MEMORY) + i * tokens * c->mem_dim,
                            input_of(s, e, ATTENTION_IN_KEYS) + i * tokens * c->mem_dim,
                            input_of(s, e, ATTENTION_IN_VALID) + i * tokens);
    }
    ROTO_TRY(s->table->run(e));
    segment_times_end(s, SEGMENT_RECALL);
    *out = e;
    return ROTO_OK;
}

static roto_status track_batch(roto_segmenter *s, segment_object *const *objects, int32_t batch,
                               int32_t n_conditioning)
{
    executable *attention = NULL, *decoder = NULL;
    ROTO_TRY(recall(s, objects, batch, n_conditioning, &attention));
    ROTO_TRY(segment_graphs_decoder(s->graphs, batch, &decoder));
    copy_floats(input_of(s, decoder, DECODER_IN_FEATURES),
                output_of(s, attention, ATTENTION_OUT_FEATURES),
                batch * n_cells(s) * s->model->config.d_model);
    set_high_res(s, decoder);
    ROTO_TRY(s->table->run(decoder));
    for (int32_t i = 0; i < batch; i++) {
        take_answer(s, objects[i], decoder, i, true);
        objects[i]->source = ROTO_SEGMENT_TRACKED;
        objects[i]->given.frame = -1;
    }
    return ROTO_OK;
}

typedef roto_status batch_fn(roto_segmenter *s, segment_object *const *objects, int32_t batch,
                             int32_t n_conditioning);

/* In batches of powers of two, the largest first. */
static roto_status in_batches(roto_segmenter *s, segment_object *const *objects, int32_t n,
                              int32_t n_conditioning, batch_fn *run)
{
    while (n > 0) {
        const int32_t batch = segment_graphs_batch(s->graphs, n);
        ROTO_TRY(run(s, objects, batch, n_conditioning));
        objects += batch;
        n -= batch;
    }
    return ROTO_OK;
}

static int32_t slots_for(const roto_segmenter *s, const segment_object *o)
{
    const memory_view view = memory_bank_look(&o->bank, s->frame, s->direction);
    return segment_graphs_conditioning(view.n_conditioning);
}

roto_status segment_track(roto_segmenter *s, segment_object **objects, int32_t n)
{
    int32_t done = 0;
    for (int32_t slots = 1; done < n; slots *= 2) {
        int32_t end = done;
        for (int32_t i = done; i < n; i++) {
            if (slots_for(s, objects[i]) != slots)
                continue;
            segment_object *o = objects[i];
            objects[i] = objects[end];
            objects[end++] = o;
        }
        ROTO_TRY(in_batches(s, objects + done, end - done, slots, track_batch));
        done = end;
    }
    return ROTO_OK;
}

roto_status segment_decode(roto_segmenter *s, const float *features, const prompt_point *points,
                           int32_t n_points, const float *prior, executable **out)
{
    const int32_t n_sparse = segment_graphs_sparse(n_points);
    executable *e = NULL;
    ROTO_TRY(segment_graphs_prompted(s->graphs, n_points, &e));
    copy_floats(input_of(s, e, DECODER_IN_FEATURES), features,
                n_cells(s) * s->model->config.d_model);
    set_high_res(s, e);
    prompt_encoder_points(&s->model->prompt_encoder, &s->size, points, n_points, n_sparse,
                          input_of(s, e, DECODER_IN_SPARSE));
    /* The prompt ends with one padding point; a prompt without points has two. */
    const int32_t n_valid = SAM2_N_OUTPUT_TOKENS + (n_points > 0 ? n_points : 1) + 1;
    float *valid = input_of(s, e, DECODER_IN_VALID);
    for (int32_t i = 0; i < SAM2_N_OUTPUT_TOKENS + n_sparse; i++)
        valid[i] = i < n_valid ? 1 : 0;
    float *mask = input_of(s, e, DECODER_IN_MASK);
    for (int64_t i = 0; i < n_pixels(s); i++) {
        const float logit = prior ? prior[i] : 0;
        mask[i] = logit;
    }
    input_of(s, e, DECODER_IN_HAS_MASK)[0] = prior ? 1 : 0;
    ROTO_TRY(s->table->run(e));
    *out = e;
    return ROTO_OK;
}

/* A mask prompt is its own answer; the decoder only makes its pointer, from features without
 * memory. */
static roto_status accept_mask(roto_segmenter *s, segment_object *o, const prompt_set *p)
{
    const sam2_config *c = &s->model->config;
    const segment_view *v = &s->view;
    const uint8_t *seen = p->mask + (ptrdiff_t)v->y * p->mask_w + v->x;
    ROTO_TRY(mask_prompt_resize(seen, v->w, v->h, p->mask_w, &s->size, s->image_mask));
    ROTO_TRY(mask_prompt_logits(s->image_mask, &s->size, o->raw));
    bool in_sight = false;
    for (int64_t i = 0; i < (int64_t)s->size.image_w * s->size.image_h; i++)
        in_sight = in_sight || s->image_mask[i] > 0;
    mask_prompt_downsample(s->image_mask, &s->size, s->model->mask_downsample.weight,
                           s->model->mask_downsample.bias, o->logits);
    executable *e = NULL;
    ROTO_TRY(segment_decode(s, frame_output(s, FRAME_OUT_FEATURES), NULL, 0, o->logits, &e));
    const bool decoded = in_sight && output_of(s, e, DECODER_OUT_OBJECT_SCORE)[0] > 0;
    copy_floats(o->pointer, decoded ? output_of(s, e, DECODER_OUT_POINTERS) : s->model->no_obj_ptr,
                c->d_model);
    o->object_score = in_sight ? MASK_PROMPT_LOGIT : -MASK_PROMPT_LOGIT;
    o->iou = 1;
    o->choice = -1;
    fill_holes(s, o);
    o->present = true;
    segment_times_end(s, SEGMENT_DECODE);
    return ROTO_OK;
}

/* The frame's features as they are for an object without a past. */
static void without_memory(const roto_segmenter *s, float *out)
{
    const float *features = frame_output(s, FRAME_OUT_FEATURES);
    const int64_t d = s->model->config.d_model;
    for (int64_t i = 0; i < n_cells(s) * d; i++)
        out[i] = features[i] + s->model->no_mem_embed[i % d];
}

roto_status segment_prompted(roto_segmenter *s, segment_object *o, const prompt_set *p, bool refine,
                             bool with_memory)
{
    if (p->mask)
        return accept_mask(s, o, p);
    const segment_view *v = &s->view;
    prompt_point points[SEGMENT_MAX_POINTS];
    for (int32_t i = 0; i < p->n_points; i++) {
        points[i] = p->points[i];
        points[i].x = (points[i].x - (float)v->x) * ((float)s->size.image_w / (float)v->w);
        points[i].y = (points[i].y - (float)v->y) * ((float)s->size.image_h / (float)v->h);
    }
    const float *features = s->features;
    if (with_memory) {
        executable *attention = NULL;
        ROTO_TRY(recall(s, &o, 1, slots_for(s, o), &attention));
        features = output_of(s, attention, ATTENTION_OUT_FEATURES);
    } else {
        without_memory(s, s->features);
    }
    for (int64_t i = 0; refine && i < n_pixels(s); i++) {
        const float logit = o->logits[i];
        o->raw[i] = logit < -PRIOR_LOGIT_LIMIT  ? -PRIOR_LOGIT_LIMIT
                    : logit > PRIOR_LOGIT_LIMIT ? PRIOR_LOGIT_LIMIT
                                                : logit;
    }
    executable *e = NULL;
    ROTO_TRY(segment_decode(s, features, points, p->n_points, refine ? o->raw : NULL, &e));
    take_answer(s, o, e, 0, p->n_points <= 1);
    return ROTO_OK;
}

/* Whether the frame is to be remembered as a prompted one. */
static bool conditions(const roto_segmenter *s, const segment_object *o)
{
    return o->source == ROTO_SEGMENT_PROMPTED ||
           (o->source == ROTO_SEGMENT_CORRECTED && s->params.corrections_condition);
}

/* As bfloat16, where the model keeps memories so. */
static void store_memory(const roto_segmenter *s, const segment_object *o, const float *encoded,
                         void *memory)
{
    const sam2_config *c = &s->model->config;
    const bool in_sight = o->object_score > 0;
    float *floats = memory;
    uint16_t *halves = memory;
    for (int64_t i = 0; i < n_memory(s); i++) {
        const float value =
            encoded[i] + (in_sight ? 0 : s->model->no_obj_embed_spatial[i % c->mem_dim]);
        if (c->memory_bf16)
            halves[i] = bf16_from_float(value);
        else
            floats[i] = value;
    }
}

static void store(roto_segmenter *s, segment_object *o, const float *encoded)
{
    void *memory;
    float *pointer;
    if (conditions(s, o)) {
        conditioning_slot *slot = memory_bank_condition(&o->bank, s->frame);
        copy_floats(slot->mask, o->logits, n_pixels(s));
        slot->view = o->view;
        slot->object_score = o->object_score;
        slot->iou = o->iou;
        memory = slot->memory;
        pointer = slot->pointer;
    } else {
        memory = memory_bank_memory(&o->bank, s->frame, s->direction)->memory;
        pointer = memory_bank_pointer(&o->bank, s->frame)->pointer;
    }
    copy_floats(pointer, o->pointer, s->model->config.d_model);
    store_memory(s, o, encoded, memory);
}

/* A tracked mask enters as it was decoded; of a prompted one what the user saw, in black and white:
 * logits whose sigmoid is 0 or 1. Where the model enlarges them first, the border lies where the
 * enlarged logits change their sign, and they are made large by a power of two. */
static void write_mask(const roto_segmenter *s, const segment_object *o, float *out)
{
    const bool enlarged = s->model->config.memory_mask_stride < SAM2_MASK_STRIDE;
    for (int64_t i = 0; i < n_pixels(s); i++) {
        if (o->source == ROTO_SEGMENT_TRACKED)
            out[i] = o->raw[i];
        else if (enlarged)
            out[i] = o->logits[i] * 0x1p100f;
        else
            out[i] = o->logits[i] > 0 ? -MASK_NO_OBJECT_LOGIT : MASK_NO_OBJECT_LOGIT;
    }
}

static roto_status remember_batch(roto_segmenter *s, segment_object *const *objects, int32_t batch,
                                  int32_t unused)
{
    (void)unused;
    executable *e = NULL;
    ROTO_TRY(segment_graphs_encoder(s->graphs, batch, &e));
    copy_floats(input_of(s, e, ENCODER_IN_FRAME_FEATURES),
                frame_output(s, FRAME_OUT_MEMORY_FEATURES), n_cells(s) * s->model->config.d_model);
    for (int32_t i = 0; i < batch; i++)
        write_mask(s, objects[i], input_of(s, e, ENCODER_IN_MASK) + i * n_pixels(s));
    ROTO_TRY(s->table->run(e));
    for (int32_t i = 0; i < batch; i++)
        store(s, objects[i], output_of(s, e, ENCODER_OUT_MEMORY) + i * n_memory(s));
    segment_times_end(s, SEGMENT_REMEMBER);
    return ROTO_OK;
}

roto_status segment_remember(roto_segmenter *s, segment_object **objects, int32_t n)
{
    return in_batches(s, objects, n, 0, remember_batch);
}
