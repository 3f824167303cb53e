/* Runs a segmenter's graphs for the objects of a frame.
 *
 * A frame's objects are enqueued as far as their masks and waited for once. What the host decides
 * from those, which mask and whether the object is in sight, says what is remembered; that is
 * enqueued and not waited for, so that the device works on while the host goes on to the next
 * frame.
 */
#include "track/segmenter.h"

#include "base/error.h"
#include "track/mask_holes.h"
#include "track/mask_prompt.h"

#include <string.h>

/* Earlier logits that are given back to the decoder are cut to this, as the official code does. */
#define PRIOR_LOGIT_LIMIT 32.0f

/* Floats of one memory. */
static size_t n_memory(const roto_segmenter *s)
{
    return (size_t)(sam2_memory_tokens(&s->model->config, &s->size) * s->model->config.mem_dim);
}

static int64_t n_pixels(const roto_segmenter *s)
{
    return (int64_t)s->size.mask_w * s->size.mask_h;
}

static void copy_floats(float *to, const float *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof(float));
}

static roto_status copy(const roto_segmenter *s, const buffer_copy *copies, int n)
{
    return s->table->copy(s->backend, QUEUE_MAIN, copies, n);
}

/* For the follower, which looks at them when the frame's masks are there. */
static roto_status keep_features(roto_segmenter *s, const segment_graph *frame)
{
    buffer *features = frame->ports.out[FRAME_OUT_FEATURES];
    if (!s->kept_features)
        ROTO_TRY(s->table->buffer_new(s->backend, BUFFER_HOST, features->n, &s->kept_features));
    return copy(s, &(buffer_copy){.to = s->kept_features, .from = features, .n = features->n}, 1);
}

roto_status segment_features_are_there(roto_segmenter *s)
{
    const segment_graph *frame = NULL;
    ROTO_TRY(segment_ahead_bring(s));
    ROTO_TRY(segment_graphs_frame(s->graphs, &frame));
    if (s->keeps_features)
        ROTO_TRY(keep_features(s, frame));
    segment_times_end(s, SEGMENT_ENCODE);
    s->encoded = true;
    return ROTO_OK;
}

roto_status segment_encode_frame(roto_segmenter *s)
{
    if (s->encoded)
        return ROTO_OK;
    const segment_graph *maker = NULL;
    ROTO_TRY(segment_graphs_maker(s->graphs, &maker));
    if (s->device_input)
        ROTO_TRY(frame_device_enqueue(s->device_input, maker->ports.queue,
                                      maker->ports.in[FRAME_IN_IMAGE]));
    ROTO_TRY(s->table->enqueue(maker->e));
    s->ahead.encoded = -1; /* what was made ahead is overwritten */
    return segment_features_are_there(s);
}

static void fill_holes(const roto_segmenter *s, segment_object *o, int thread)
{
    const int32_t area =
        s->params.max_hole_px < 0 ? s->model->config.max_hole_area : s->params.max_hole_px;
    copy_floats(o->logits, o->raw, n_pixels(s));
    o->view = s->view;
    o->shown_fresh = false;
    if (o->object_score > 0)
        mask_fill_holes(o->logits, s->size.mask_w, s->size.mask_h, area,
                        s->hole_queue + thread * n_pixels(s), s->hole_state + thread * n_pixels(s));
}

/* What a decoder left for `batch` objects becomes theirs from `row` on. */
static roto_status hand_over(const roto_segmenter *s, const segment_graph *decoder, int32_t row,
                             int32_t batch)
{
    const segment_exchange *x = &s->exchange;
    buffer *const to[DECODER_N_OUT] = {[DECODER_OUT_MASKS] = x->masks,
                                       [DECODER_OUT_IOUS] = x->ious,
                                       [DECODER_OUT_OBJECT_SCORE] = x->scores,
                                       [DECODER_OUT_POINTERS] = x->pointers};
    buffer_copy copies[DECODER_N_OUT];
    for (int i = 0; i < DECODER_N_OUT; i++) {
        const size_t floats = to[i]->n / (size_t)x->n_rows;
        copies[i] = (buffer_copy){.to = to[i],
                                  .to_at = (size_t)row * floats,
                                  .from = decoder->ports.out[i],
                                  .n = (size_t)batch * floats};
    }
    return copy(s, copies, DECODER_N_OUT);
}

/* Takes the answer in a row, which the host has waited for. */
static void take_answer(roto_segmenter *s, segment_object *o, int32_t row, bool multimask,
                        bool tracked, int thread)
{
    const sam2_config *c = &s->model->config;
    const segment_exchange *x = &s->exchange;
    const float *masks = x->masks->data + row * SAM2_N_MASKS * n_pixels(s),
                *ious = x->ious->data + (ptrdiff_t)row * SAM2_N_MASKS;
    mask_choice choice = mask_choose(masks, n_pixels(s), ious, multimask, c->stability_delta,
                                     c->stability_threshold);
    o->object_score = x->scores->data[row];
    if (tracked && s->params.memory.motion_aware)
        choice.mask = choice.pointer = segment_choose_by_motion(s, o, masks, ious);
    o->choice = choice.mask;
    o->iou = ious[choice.mask];
    const bool in_sight = o->object_score > 0;
    o->pointer = in_sight ? row * SAM2_N_MASKS + choice.pointer : -1;
    if (in_sight) {
        copy_floats(o->raw, masks + choice.mask * n_pixels(s), n_pixels(s));
    } else {
        for (int64_t i = 0; i < n_pixels(s); i++)
            o->raw[i] = MASK_NO_OBJECT_LOGIT;
    }
    fill_holes(s, o, thread);
    o->present = true;
    if (tracked && s->params.memory.distractor_aware)
        segment_look_for_distractor(s, o, masks, thread);
}

/* Enqueues memory attention for objects[row ...] that have room in its conditioning slots. */
static roto_status recall(roto_segmenter *s, segment_object *const *objects, int32_t row,
                          int32_t batch, int32_t n_conditioning)
{
    const sam2_config *c = &s->model->config;
    const segment_exchange *x = &s->exchange;
    const segment_graph *g = NULL;
    ROTO_TRY(segment_graphs_attention(s->graphs, batch, n_conditioning, &g));
    const size_t tokens = (size_t)sam2_window_tokens(c, &s->size, n_conditioning),
                 window = tokens * (size_t)c->mem_dim,
                 n_positions = (size_t)memory_window_pointer_floats(s->window, n_conditioning),
                 first = (size_t)row * x->row.valid; /* this batch's side by side */
    for (int32_t i = 0; i < batch; i++) {
        const memory_view view = memory_bank_look(&objects[row + i]->bank, s->frame, s->direction);
        const size_t at = (size_t)i * window,
                     positions = (size_t)(row + i) * x->row.pointer_positions;
        buffer_copy copies[MEMORY_WINDOW_MAX_COPIES + 1];
        int n = memory_window_write(s->window, &view, s->frame, s->direction, n_conditioning,
                                    (memory_place){g->ports.in[ATTENTION_IN_MEMORY], at},
                                    x->valid->data + first + (size_t)i * tokens,
                                    x->pointer_positions->data + positions, copies);
        copies[n++] = (buffer_copy){.to = g->ports.in[ATTENTION_IN_POSITIONS],
                                    .to_at = at + window - n_positions,
                                    .from = x->pointer_positions,
                                    .from_at = positions,
                                    .n = n_positions};
        ROTO_TRY(copy(s, copies, n));
    }
    const buffer_copy valid = {.to = g->ports.in[ATTENTION_IN_VALID],
                               .from = x->valid,
                               .from_at = first,
                               .n = (size_t)batch * tokens};
    ROTO_TRY(copy(s, &valid, 1));
    ROTO_TRY(s->table->enqueue(g->e));
    segment_times_end(s, SEGMENT_RECALL);
    return ROTO_OK;
}

static roto_status track_batch(roto_segmenter *s, segment_object *const *objects, int32_t row,
                               int32_t batch, int32_t n_conditioning)
{
    const segment_graph *decoder = NULL;
    ROTO_TRY(recall(s, objects, row, batch, n_conditioning));
    ROTO_TRY(segment_graphs_decoder(s->graphs, batch, &decoder));
    ROTO_TRY(s->table->enqueue(decoder->e));
    ROTO_TRY(hand_over(s, decoder, row, batch));
    segment_times_end(s, SEGMENT_DECODE);
    return ROTO_OK;
}

typedef roto_status batch_fn(roto_segmenter *s, segment_object *const *objects, int32_t row,
                             int32_t batch, int32_t n_conditioning);

/* objects[row ... end - 1] in batches of powers of two, the largest first. */
static roto_status in_batches(roto_segmenter *s, segment_object *const *objects, int32_t row,
                              int32_t end, int32_t n_conditioning, batch_fn *run)
{
    while (row < end) {
        const int32_t batch = segment_graphs_batch(s->graphs, end - row);
        ROTO_TRY(run(s, objects, row, batch, n_conditioning));
        row += batch;
    }
    return ROTO_OK;
}

static int32_t slots_for(const roto_segmenter *s, const segment_object *o)
{
    const memory_view view = memory_bank_look(&o->bank, s->frame, s->direction);
    return segment_graphs_conditioning(view.n_conditioning);
}

static void take_tracked(roto_segmenter *s, segment_object *o, int32_t index, int thread)
{
    take_answer(s, o, index, true, true, thread);
    o->source = ROTO_SEGMENT_TRACKED;
    o->given.frame = -1;
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
        ROTO_TRY(in_batches(s, objects, done, end, slots, track_batch));
        done = end;
    }
    ROTO_TRY(segment_ahead_start(s));
    ROTO_TRY(s->table->wait(s->backend)); /* the one of a frame without prompts */
    segment_times_end(s, SEGMENT_WAIT);
    segment_each(s, objects, n, take_tracked);
    segment_times_end(s, SEGMENT_CHOOSE);
    return ROTO_OK;
}

roto_status segment_decode(roto_segmenter *s, decoder_features features, const prompt_point *points,
                           int32_t n_points, const float *prior)
{
    const int32_t n_sparse = segment_graphs_sparse(n_points);
    const segment_graph *g = NULL, *frame = NULL;
    ROTO_TRY(segment_graphs_prompted(s->graphs, n_points, &g));
    ROTO_TRY(segment_graphs_frame(s->graphs, &frame));
    const buffer *of_frame = frame->ports.out[FRAME_OUT_FEATURES];
    if (features != FEATURES_RECALLED)
        ROTO_TRY(copy(s,
                      &(buffer_copy){.to = g->ports.in[DECODER_IN_FEATURES],
                                     .from = of_frame,
                                     .n = of_frame->n},
                      1));
    float *no_memory = s->table->input(g->e, DECODER_IN_NO_MEMORY);
    *no_memory = features == FEATURES_WITHOUT_MEMORY ? 1 : 0;
    prompt_encoder_points(&s->model->prompt_encoder, &s->size, points, n_points, n_sparse,
                          s->table->input(g->e, DECODER_IN_SPARSE));
    /* The prompt ends with one padding point; a prompt without points has two. */
    const int32_t n_valid = SAM2_N_OUTPUT_TOKENS + (n_points > 0 ? n_points : 1) + 1;
    float *valid = s->table->input(g->e, DECODER_IN_VALID);
    for (int32_t i = 0; i < SAM2_N_OUTPUT_TOKENS + n_sparse; i++)
        valid[i] = i < n_valid ? 1 : 0;
    float *mask = s->table->input(g->e, DECODER_IN_MASK),
          *has_mask = s->table->input(g->e, DECODER_IN_HAS_MASK);
    for (int64_t i = 0; i < n_pixels(s); i++)
        mask[i] = prior ? prior[i] : 0;
    *has_mask = prior ? 1 : 0;
    ROTO_TRY(s->table->enqueue(g->e));
    ROTO_TRY(hand_over(s, g, 0, 1));
    return s->table->wait(s->backend);
}

/* A mask prompt is its own answer; the decoder only makes its pointer, from features without
 * memory. */
static roto_status accept_mask(roto_segmenter *s, segment_object *o, const prompt_set *p)
{
    const segment_view *v = &s->view;
    const uint8_t *seen = p->mask + (ptrdiff_t)v->y * p->mask_w + v->x;
    ROTO_TRY(mask_prompt_resize(seen, v->w, v->h, p->mask_w, &s->size, s->image_mask));
    ROTO_TRY(mask_prompt_logits(s->image_mask, &s->size, o->raw));
    bool in_sight = false;
    for (int64_t i = 0; i < (int64_t)s->size.image_w * s->size.image_h; i++)
        in_sight = in_sight || s->image_mask[i] > 0;
    mask_prompt_downsample(s->image_mask, &s->size, s->model->mask_downsample.weight,
                           s->model->mask_downsample.bias, o->logits);
    ROTO_TRY(segment_decode(s, FEATURES_OF_FRAME, NULL, 0, o->logits));
    o->pointer = in_sight && s->exchange.scores->data[0] > 0 ? 0 : -1;
    o->object_score = in_sight ? MASK_PROMPT_LOGIT : -MASK_PROMPT_LOGIT;
    o->iou = 1;
    o->choice = -1;
    fill_holes(s, o, 0);
    o->present = true;
    segment_times_end(s, SEGMENT_DECODE);
    return ROTO_OK;
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
    if (with_memory)
        ROTO_TRY(recall(s, &o, 0, 1, slots_for(s, o)));
    for (int64_t i = 0; refine && i < n_pixels(s); i++) {
        const float logit = o->logits[i];
        o->raw[i] = logit < -PRIOR_LOGIT_LIMIT  ? -PRIOR_LOGIT_LIMIT
                    : logit > PRIOR_LOGIT_LIMIT ? PRIOR_LOGIT_LIMIT
                                                : logit;
    }
    ROTO_TRY(segment_decode(s, with_memory ? FEATURES_RECALLED : FEATURES_WITHOUT_MEMORY, points,
                            p->n_points, refine ? o->raw : NULL));
    take_answer(s, o, 0, p->n_points <= 1, false, 0);
    segment_times_end(s, SEGMENT_DECODE);
    return ROTO_OK;
}

/* Whether the frame is to be remembered as a prompted one. */
static bool conditions(const roto_segmenter *s, const segment_object *o)
{
    return o->source == ROTO_SEGMENT_PROMPTED ||
           (o->source == ROTO_SEGMENT_CORRECTED && s->params.corrections_condition);
}

/* Where a frame goes in an object's bank. */
typedef struct memory_target {
    memory_place memory, pointer;
} memory_target;

enum { MAX_TARGETS = 2 /* an anchor is a recent memory, too */ };

static int choose_slots(roto_segmenter *s, segment_object *o, memory_target to[MAX_TARGETS])
{
    if (conditions(s, o)) {
        conditioning_slot *slot = memory_bank_condition(&o->bank, s->frame);
        copy_floats(slot->mask, o->logits, n_pixels(s));
        slot->view = o->view;
        slot->object_score = o->object_score;
        slot->iou = o->iou;
        segment_remember_prompted(s, o);
        to[0] = (memory_target){slot->memory, slot->pointer};
        return 1;
    }
    memory_slot *slot = memory_bank_memory(&o->bank, s->frame, s->direction);
    segment_judge_memory(s, o, slot);
    to[0] = (memory_target){slot->memory, memory_bank_pointer(&o->bank, s->frame)->pointer};
    const conditioning_slot *anchor = o->anchors ? memory_select_anchor(&o->bank, s->frame) : NULL;
    if (!anchor)
        return 1;
    to[1] = (memory_target){anchor->memory, anchor->pointer};
    return 2;
}

/* A tracked mask enters as it was decoded; of a prompted one what the user saw, in black and white:
 * logits whose sigmoid is 0 or 1. Where the model enlarges them first, the border lies where the
 * enlarged logits change their sign, and they are made large by a power of two. */
static void write_mask(roto_segmenter *s, segment_object *o, int32_t index, int thread)
{
    (void)thread;
    float *out = s->exchange.mask->data + index * n_pixels(s);
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

static roto_status remember_batch(roto_segmenter *s, segment_object *const *objects, int32_t row,
                                  int32_t batch, int32_t unused)
{
    (void)unused;
    const segment_exchange *x = &s->exchange;
    const size_t d = (size_t)s->model->config.d_model;
    const segment_graph *g = NULL;
    ROTO_TRY(segment_graphs_encoder(s->graphs, batch, &g));
    buffer_copy stores[2 * MAX_TARGETS * (1 << (SEGMENT_N_BATCHES - 1))];
    int n_stores = 0;
    for (int32_t i = 0; i < batch; i++) {
        const segment_object *o = objects[row + i];
        memory_target to[MAX_TARGETS];
        x->absent->data[row + i] = o->object_score > 0 ? 0 : 1;
        const int n = choose_slots(s, objects[row + i], to);
        for (int k = 0; k < n; k++) {
            const memory_place memory = to[k].memory, pointer = to[k].pointer;
            stores[n_stores++] =
                (buffer_copy){memory.in, memory.at, g->ports.out[ENCODER_OUT_MEMORY],
                              (size_t)i * n_memory(s), n_memory(s)};
            stores[n_stores++] =
                o->pointer < 0
                    ? (buffer_copy){pointer.in, pointer.at, s->no_pointer, 0, d}
                    : (buffer_copy){pointer.in, pointer.at, x->pointers, (size_t)o->pointer * d, d};
        }
    }
    const buffer_copy inputs[2] = {
        {.to = g->ports.in[ENCODER_IN_MASK],
         .from = x->mask,
         .from_at = (size_t)row * x->row.mask,
         .n = (size_t)batch * x->row.mask},
        {.to = g->ports.in[ENCODER_IN_ABSENT],
         .from = x->absent,
         .from_at = (size_t)row,
         .n = (size_t)batch},
    };
    ROTO_TRY(copy(s, inputs, 2));
    ROTO_TRY(s->table->enqueue(g->e));
    ROTO_TRY(copy(s, stores, n_stores));
    segment_times_end(s, SEGMENT_REMEMBER);
    return ROTO_OK;
}

roto_status segment_remember(roto_segmenter *s, segment_object **objects, int32_t n)
{
    segment_each(s, objects, n, write_mask);
    return in_batches(s, objects, 0, n, 0, remember_batch);
}
