#include "track/segmenter.h"

#include "base/cpu_features.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/team.h"
#include "models/sam2/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_OBJECTS = 1024,
    DEFAULT_OBJECTS = 64,
    DEFAULT_CONDITIONING = 4,
    MAX_BATCH = 8,
    MAX_KEPT_FRAMES = 65536,
    MAX_MARGIN = 1024
};

/* At most so many threads resize pictures where the backend has none. */
enum { HOST_THREADS = 8 };

roto_segmenter_params roto_segmenter_params_default(void)
{
    return (roto_segmenter_params){
        .struct_bytes = sizeof(roto_segmenter_params),
        .compute = roto_compute_params_default(),
        .max_objects = DEFAULT_OBJECTS,
        .max_conditioning = DEFAULT_CONDITIONING,
        .corrections_condition = 1,
        .max_hole_px = -1,
        .zoom = -1,
        .memory = {.prune_margin = -1},
        .max_batch = 0,
        .image_clean_px = 0,
        .keep_frames = 0,
    };
}

static roto_status check_flag(const char *name, int32_t value)
{
    if (value != 0 && value != 1)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: %s is %d; it has to be 0 or 1", name,
                         value);
    return ROTO_OK;
}

static roto_status check_memory(const roto_segmenter_params *p)
{
    const roto_memory_params *m = &p->memory;
    ROTO_TRY(check_flag("memory.motion_aware", m->motion_aware));
    ROTO_TRY(check_flag("memory.distractor_aware", m->distractor_aware));
    if (m->max_cond_frames != 0 &&
        (m->max_cond_frames < 2 || m->max_cond_frames > MEMORY_BANK_MAX_CONDITIONING))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: memory.max_cond_frames is %d; it has to be 0 or 2..%d",
                         m->max_cond_frames, MEMORY_BANK_MAX_CONDITIONING);
    if (m->prune_margin < -1 || m->prune_margin > MAX_MARGIN)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: memory.prune_margin is %d; it has to be -1..%d",
                         m->prune_margin, MAX_MARGIN);
    if (m->distractor_aware &&
        p->max_conditioning + DISTRACTOR_N_DRM > MEMORY_BANK_MAX_CONDITIONING)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: max_conditioning is %d; with memory.distractor_aware at most "
                         "%d prompted frames have room",
                         p->max_conditioning, MEMORY_BANK_MAX_CONDITIONING - DISTRACTOR_N_DRM);
    return ROTO_OK;
}

static roto_status check_params(const roto_segmenter_params *p)
{
    if (p->struct_bytes != sizeof(*p) || p->compute.struct_bytes != sizeof(p->compute))
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: the parameters do not come from "
                                              "roto_segmenter_params_default()");
    if (p->max_objects < 1 || p->max_objects > MAX_OBJECTS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: max_objects is %d; it has to be 1..%d",
                         p->max_objects, MAX_OBJECTS);
    if (p->max_conditioning < 1 || p->max_conditioning > MEMORY_BANK_MAX_CONDITIONING)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: max_conditioning is %d; it has to be 1..%d",
                         p->max_conditioning, MEMORY_BANK_MAX_CONDITIONING);
    if (p->zoom < -1 || p->zoom > 1)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: zoom is %d; it has to be -1, 0 or 1",
                         p->zoom);
    if (p->max_hole_px < -1)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: max_hole_px is %d; it has to be -1 or more", p->max_hole_px);
    if (p->image_clean_px < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: image_clean_px is %d; it has to be 0 or more",
                         p->image_clean_px);
    if (p->keep_frames < 0 || p->keep_frames > MAX_KEPT_FRAMES)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: keep_frames is %d; it has to be 0..%d",
                         p->keep_frames, MAX_KEPT_FRAMES);
    ROTO_TRY(check_memory(p));
    const int32_t batch = p->max_batch;
    if (batch < 0 || batch > MAX_BATCH || (batch & (batch - 1)) != 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter: max_batch is %d; it has to be 0, 1, 2, 4 or 8", batch);
    return ROTO_OK;
}

static roto_status open_backend(roto_segmenter *s)
{
    const roto_compute_params *c = &s->params.compute;
    const char *device = c->device ? c->device : "cpu";
    int device_index;
    ROTO_TRY(backend_choose(device, &s->table, &device_index));
    if (c->n_threads < 0 || c->n_threads > TEAM_MAX_THREADS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: %d threads; it has to be 0..%d",
                         c->n_threads, TEAM_MAX_THREADS);
    const int n_cores = cpu_features_detect().n_cores;
    const int most = n_cores < TEAM_MAX_THREADS ? n_cores : TEAM_MAX_THREADS;
    const backend_params params = {
        .precision = c->precision == ROTO_PRECISION_BF16 ? PRECISION_BF16 : PRECISION_FP32,
        .n_threads = c->n_threads ? c->n_threads : most,
        .device = device_index,
    };
    ROTO_TRY(s->table->open(&params, &s->backend));
    if (s->table->host_team) {
        s->team = s->table->host_team(s->backend);
        return ROTO_OK;
    }
    const int n = params.n_threads < HOST_THREADS ? params.n_threads : HOST_THREADS;
    ROTO_TRY(team_new(n, &s->own_team));
    s->team = s->own_team;
    return ROTO_OK;
}

static void describe(roto_segmenter *s)
{
    const sam2_config *c = &s->model->config;
    char input[64];
    if (c->image_size)
        snprintf(input, sizeof(input), "%d x %d px", c->image_size, c->image_size);
    else
        snprintf(input, sizeof(input), "about %d px in the frame's shape", c->image_pixels);
    snprintf(s->description, sizeof(s->description),
             "%s: %s, %.2f M parameters, input of %s, %d memories, on %s", c->name, c->trunk,
             (double)weights_n_parameters(s->model->weights) / 1e6, input, c->num_maskmem,
             s->table->name);
}

roto_status segmenter_new(sam2_model *model, const roto_segmenter_params *params,
                          roto_segmenter **out)
{
    *out = NULL;
    roto_status status = ROTO_ERROR_MEMORY;
    roto_segmenter *s = memory_new_array(1, sizeof(*s));
    if (!s) {
        sam2_model_free(model);
        return status;
    }
    s->model = model;
    s->params = params ? *params : roto_segmenter_params_default();
    s->frame = s->last_frame = -1;
    s->direction = 1;
    segment_ahead_forget(s);
    status = check_params(&s->params);
    if (status != ROTO_OK)
        goto fail;
    if (s->params.memory.prune_margin >= 0 && s->model->config.perceiver_layers > 0) {
        status = roto_fail(ROTO_ERROR_UNSUPPORTED,
                           "segmenter: memory.prune_margin is %d, but memories of %s have no "
                           "token a cell that could be left out; -1 is right",
                           s->params.memory.prune_margin, s->model->config.name);
        goto fail;
    }
    s->zoom = s->params.zoom == 1 && !s->model->config.image_size;
    status = open_backend(s);
    if (status != ROTO_OK)
        goto fail;
    status = ROTO_ERROR_MEMORY;
    s->objects = memory_new_array((size_t)s->params.max_objects, sizeof(*s->objects));
    s->spare = memory_new_array((size_t)s->params.max_objects, sizeof(*s->spare));
    s->due = memory_new_array((size_t)s->params.max_objects, sizeof(*s->due));
    s->segments = memory_new_array((size_t)s->params.max_objects, sizeof(*s->segments));
    if (!s->objects || !s->spare || !s->due || !s->segments)
        goto fail;
    status = segment_each_begin(s);
    if (status != ROTO_OK)
        goto fail;
    describe(s);
    *out = s;
    return ROTO_OK;
fail:
    roto_segmenter_close(s);
    return status;
}

roto_status roto_segmenter_open(const char *model_path, const roto_segmenter_params *params,
                                roto_segmenter **out)
{
    if (!model_path || !out)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter: no path, or no place for the handle");
    *out = NULL;
    if (params)
        ROTO_TRY(check_params(params));
    sam2_model *model = NULL;
    ROTO_TRY(sam2_model_open(model_path, &model));
    return segmenter_new(model, params, out);
}

static void object_free(segment_object *o)
{
    for (size_t i = 0; i < o->n_waiting; i++)
        prompt_set_free(&o->waiting[i]);
    free(o->waiting);
    memory_bank_free(&o->bank);
    free(o->logits);
    free(o->raw);
    free(o->shown);
    free(o);
}

static void forget_spare(roto_segmenter *s)
{
    for (int32_t i = 0; i < s->n_spare; i++)
        object_free(s->spare[i]);
    s->n_spare = 0;
}

static void forget_objects(roto_segmenter *s)
{
    for (int32_t i = 0; i < s->n_objects; i++)
        object_free(s->objects[i]);
    s->n_objects = 0;
    forget_spare(s);
}

/* Forgets everything but keeps the memory, whose size is that of the model's input. */
static void object_clear(segment_object *o)
{
    for (size_t i = 0; i < o->n_waiting; i++)
        prompt_set_free(&o->waiting[i]);
    o->n_waiting = 0;
    if (o->bank.memories)
        memory_bank_clear(&o->bank);
    o->present = false;
    o->given = (prompt_set){.frame = -1};
    o->motion = (motion_memory){0};
    o->distractor = (distractor_memory){0};
    o->anchors = false;
}

/* Objects come and go all the time where a detector makes them: after a while they need no new
 * memory. Together the lists hold at most max_objects. */
static segment_object *object_new(roto_segmenter *s)
{
    if (s->n_spare > 0)
        return s->spare[--s->n_spare];
    segment_object *o = memory_new_array(1, sizeof(*o));
    if (o)
        o->given.frame = -1;
    return o;
}

static void forget_size(roto_segmenter *s)
{
    for (int i = 0; i < SEGMENT_VIEW_LEVELS; i++) {
        frame_input_free(s->inputs[i]);
        s->inputs[i] = NULL;
    }
    frame_device_free(s->device_input);
    s->device_input = NULL;
    s->held = (roto_image){.width = 0};
    free(s->spread);
    s->spread = NULL;
    segment_ahead_forget(s);
    segment_graphs_free(s->graphs);
    memory_window_free(s->window);
    segment_exchange_free(&s->exchange);
    if (s->backend) {
        s->table->buffer_free(s->no_pointer);
        s->table->buffer_free(s->kept_features);
    }
    mask_scaler_free(s->scaler);
    free(s->hole_queue);
    free(s->hole_state);
    free(s->image_mask);
    free(s->prior);
    s->graphs = NULL;
    s->window = NULL;
    s->scaler = NULL;
    s->hole_queue = NULL;
    s->hole_state = NULL;
    s->image_mask = s->prior = NULL;
    s->no_pointer = s->kept_features = NULL;
    s->sized = s->encoded = false;
    s->frame_w = s->frame_h = 0;
}

void roto_segmenter_close(roto_segmenter *s)
{
    if (!s)
        return;
    forget_objects(s);
    forget_size(s);
    segment_each_end(s);
    if (s->backend)
        s->table->close(s->backend);
    team_free(s->own_team);
    sam2_model_free(s->model);
    free(s->held_bytes);
    free(s->objects);
    free(s->spare);
    free(s->due);
    free(s->segments);
    free(s);
}

void roto_segmenter_reset(roto_segmenter *s)
{
    if (!s)
        return;
    forget_objects(s);
    segment_ahead_forget(s);
    s->frame = s->last_frame = -1;
    s->direction = 1;
    s->given_direction = 0;
    s->is_image = s->encoded = false;
    s->frame_w = s->frame_h = 0;
    mask_scaler_free(s->scaler);
    s->scaler = NULL;
}

const char *roto_segmenter_describe(const roto_segmenter *s)
{
    return s ? s->description : "";
}

static roto_status make_exchange(roto_segmenter *s)
{
    const sam2_config *c = &s->model->config;
    const size_t d = (size_t)c->d_model;
    const int32_t slots = segment_graphs_conditioning(s->params.max_conditioning);
    const segment_row row = {
        .valid = (size_t)sam2_window_tokens(c, &s->size, slots),
        .pointer_positions = (size_t)memory_window_pointer_floats(s->window, slots),
        .mask = (size_t)s->size.mask_w * (size_t)s->size.mask_h,
        .pointers = SAM2_N_MASKS * d,
    };
    s->exchange = segment_exchange_make(s->table, s->backend, &row);
    ROTO_TRY(segment_exchange_reserve(&s->exchange, 1));
    ROTO_TRY(s->table->buffer_new(s->backend, BUFFER_DEVICE, d, &s->no_pointer));
    buffer *host = NULL;
    ROTO_TRY(s->table->buffer_new(s->backend, BUFFER_HOST, d, &host));
    memcpy(host->data, s->model->no_obj_ptr, d * sizeof(float));
    roto_status status = s->table->copy(
        s->backend, QUEUE_MAIN, &(buffer_copy){.to = s->no_pointer, .from = host, .n = d}, 1);
    if (status == ROTO_OK)
        status = s->table->wait(s->backend);
    s->table->buffer_free(host);
    return status;
}

static roto_status make_inputs(roto_segmenter *s, const sam2_size *size)
{
    const sam2_config *c = &s->model->config;
    const int n = s->zoom ? SEGMENT_VIEW_LEVELS : 1;
    if (s->table->show)
        return frame_device_new(s->table, s->backend, size->image_w, size->image_h, c->image_mean,
                                c->image_std, n, s->team, &s->device_input);
    for (int i = 0; i < n; i++)
        ROTO_TRY(frame_input_new(size->image_w, size->image_h, c->image_mean, c->image_std, s->team,
                                 &s->inputs[i]));
    return ROTO_OK;
}

static roto_status make_sized(roto_segmenter *s, const sam2_size *size)
{
    const size_t pixels = (size_t)size->mask_w * (size_t)size->mask_h;
    const int32_t batch =
        s->params.max_batch ? s->params.max_batch : (int32_t)s->table->largest_batch;
    forget_size(s);
    forget_spare(s);
    s->size = *size;
    ROTO_TRY(make_inputs(s, size));
    const int32_t finer = s->zoom ? SEGMENT_VIEW_FINER : 1;
    s->shown_w = size->mask_w * finer;
    s->shown_h = size->mask_h * finer;
    s->spread = memory_new_array((size_t)s->shown_w * (size_t)s->shown_h, sizeof(float));
    ROTO_TRY(memory_window_new(s->model, size, &s->window));
    ROTO_TRY(
        segment_graphs_new(s->model, size, s->table, s->backend, batch, s->window, &s->graphs));
    ROTO_TRY(make_exchange(s));
    const size_t n_threads = (size_t)team_n_threads(s->team);
    s->hole_queue = memory_new_array(n_threads * pixels, sizeof(*s->hole_queue));
    s->hole_state = memory_new_array(n_threads * pixels, sizeof(*s->hole_state));
    s->image_mask = memory_new_array((size_t)size->image_w * (size_t)size->image_h, sizeof(float));
    s->prior = memory_new_array(pixels, sizeof(float));
    if (!s->spread || !s->hole_queue || !s->hole_state || !s->image_mask || !s->prior)
        return ROTO_ERROR_MEMORY;
    s->sized = true;
    return ROTO_OK;
}

/* Whether an object holds tensors of the present size. */
static bool any_ready(const roto_segmenter *s)
{
    for (int32_t i = 0; i < s->n_objects; i++) {
        if (s->objects[i]->logits)
            return true;
    }
    return false;
}

roto_status segmenter_size(roto_segmenter *s, const roto_image *image)
{
    const sam2_size size = sam2_size_for(&s->model->config, image->width, image->height);
    const bool same =
        s->sized && size.image_w == s->size.image_w && size.image_h == s->size.image_h;
    if (!same) {
        if (any_ready(s))
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "a picture of %d x %d pixels would change the model's input from "
                             "%d x %d to %d x %d while objects are tracked; reset the segmenter "
                             "first",
                             image->width, image->height, s->size.image_w, s->size.image_h,
                             size.image_w, size.image_h);
        const roto_status status = make_sized(s, &size);
        if (status != ROTO_OK) {
            forget_size(s);
            return status;
        }
    }
    if (!s->scaler || image->width != s->frame_w || image->height != s->frame_h) {
        mask_scaler *scaler = NULL;
        ROTO_TRY(mask_scaler_new(s->shown_w, s->shown_h, image->width, image->height, &scaler));
        mask_scaler_free(s->scaler);
        s->scaler = scaler;
        s->frame_w = image->width;
        s->frame_h = image->height;
    }
    return ROTO_OK;
}

/* Where the object is in the list, or would be. */
static int32_t place_of(const roto_segmenter *s, int64_t id)
{
    int32_t first = 0, end = s->n_objects;
    while (first < end) {
        const int32_t middle = first + (end - first) / 2;
        if (s->objects[middle]->id < id)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

segment_object *segmenter_find(const roto_segmenter *s, int64_t id)
{
    const int32_t at = place_of(s, id);
    return at < s->n_objects && s->objects[at]->id == id ? s->objects[at] : NULL;
}

roto_status segmenter_object(roto_segmenter *s, int64_t id, segment_object **out, bool *is_new)
{
    *out = segmenter_find(s, id);
    *is_new = !*out;
    if (*out)
        return ROTO_OK;
    if (s->n_objects == s->params.max_objects)
        return roto_fail(ROTO_ERROR_MEMORY,
                         "object %lld would be one more than the %d that max_objects allows",
                         (long long)id, s->params.max_objects);
    segment_object *o = object_new(s);
    if (!o)
        return ROTO_ERROR_MEMORY;
    o->id = id;
    const int32_t at = place_of(s, id);
    memmove(s->objects + at + 1, s->objects + at,
            (size_t)(s->n_objects - at) * sizeof(*s->objects));
    s->objects[at] = o;
    s->n_objects++;
    *out = o;
    return ROTO_OK;
}

void segmenter_forget(roto_segmenter *s, segment_object *o)
{
    const int32_t at = place_of(s, o->id);
    object_clear(o);
    s->spare[s->n_spare++] = o;
    s->n_objects--;
    memmove(s->objects + at, s->objects + at + 1,
            (size_t)(s->n_objects - at) * sizeof(*s->objects));
}

roto_status roto_segmenter_remove(roto_segmenter *s, int64_t id)
{
    segment_object *o = s ? segmenter_find(s, id) : NULL;
    if (!o)
        return roto_fail(ROTO_ERROR_ARGUMENT, "there is no object %lld to remove", (long long)id);
    segmenter_forget(s, o);
    return ROTO_OK;
}

static roto_status make_object_ready(roto_segmenter *s, segment_object *o)
{
    if (o->logits)
        return ROTO_OK;
    const sam2_config *c = &s->model->config;
    const roto_memory_params *m = &s->params.memory;
    const memory_bank_shape shape = {
        .memory_floats = (int32_t)sam2_memory_tokens(c, &s->size) * c->mem_dim,
        .memory_bf16 = c->memory_bf16,
        .pointer_floats = c->d_model,
        .mask_floats = s->size.mask_w * s->size.mask_h,
        .num_maskmem = c->num_maskmem,
        .temporal_stride = c->memory_temporal_stride,
        .max_pointers = c->max_obj_ptrs,
        .max_conditioning = s->params.max_conditioning,
        .n_kept = s->params.keep_frames,
        .max_cond_frames = m->max_cond_frames,
        .selective = m->motion_aware || m->distractor_aware,
        .interval = m->distractor_aware ? DISTRACTOR_DELTA : c->memory_temporal_stride,
        .max_recent = m->distractor_aware && c->num_maskmem > DISTRACTOR_N_RAM ? DISTRACTOR_N_RAM
                                                                               : c->num_maskmem - 1,
        .max_anchors = m->distractor_aware ? DISTRACTOR_N_DRM : 0,
        .n_cells = m->prune_margin >= 0 ? s->size.w * s->size.h : 0,
    };
    if (!o->bank.memories)
        ROTO_TRY(memory_bank_init(&o->bank, &shape, s->table, s->backend));
    if (!o->raw)
        o->raw = memory_new_array((size_t)shape.mask_floats, sizeof(float));
    if (s->zoom && !o->shown)
        o->shown = memory_new_array((size_t)s->shown_w * (size_t)s->shown_h, sizeof(float));
    if (s->zoom && !o->shown)
        return ROTO_ERROR_MEMORY;
    o->logits = memory_new_array((size_t)shape.mask_floats, sizeof(float));
    return o->raw && o->logits ? ROTO_OK : ROTO_ERROR_MEMORY;
}

roto_status segmenter_make_room(roto_segmenter *s, segment_object *o, int32_t n_points)
{
    ROTO_TRY(make_object_ready(s, o));
    ROTO_TRY(segment_exchange_reserve(&s->exchange, s->n_objects));
    ROTO_TRY(memory_bank_reserve(&o->bank, (int32_t)o->n_waiting + 1));
    int32_t most = 1;
    for (int32_t i = 0; i < s->n_objects; i++) {
        const segment_object *each = s->objects[i];
        const int32_t n =
            each->bank.n_conditioning + (int32_t)each->n_waiting + (each == o ? 1 : 0);
        most = n > most ? n : most;
    }
    most = most < s->params.max_conditioning ? most : s->params.max_conditioning;
    if (s->params.memory.distractor_aware)
        most += DISTRACTOR_N_DRM;
    return segment_graphs_prepare(s->graphs, s->n_objects, most, n_points);
}
