/* The next frame's features, made while the device tracks this frame's objects.
 *
 * The frame graph is there once more, with outputs of its own. A run of it is enqueued in
 * QUEUE_AHEAD between enqueueing this frame's objects and waiting for their masks; when its frame
 * comes, its outputs are copied, on the device, to where the other graphs read them. Events order
 * the queues; the host waits for nothing more than before. */
#include "track/segmenter.h"

#include "base/error.h"

/* Whether the host can tell now what the frame graph will see. */
static bool is_useful(const roto_segmenter *s, const roto_image *image)
{
    return s->table->works_ahead && s->device_input && !s->zoom && s->sized &&
           image->width == s->frame_w && image->height == s->frame_h;
}

/* What this takes; the first time it allocates. */
static roto_status make(roto_segmenter *s, const roto_image *image, const segment_graph **out)
{
    const sam2_config *c = &s->model->config;
    ROTO_TRY(segment_graphs_ahead(s->graphs, out));
    if (!s->ahead.input)
        ROTO_TRY(frame_device_new(s->table, s->backend, s->size.image_w, s->size.image_h,
                                  c->image_mean, c->image_std, 1, s->team, &s->ahead.input));
    return frame_device_prepare(s->ahead.input, 0, image->width, image->height);
}

roto_status roto_segmenter_next(roto_segmenter *s, const roto_image *image, int64_t index)
{
    if (!s)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter is NULL");
    ROTO_TRY(roto_image_check(image));
    if (index < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "frame %lld; frames are numbered from 0",
                         (long long)index);
    if (is_useful(s, image)) {
        const segment_graph *ahead = NULL;
        ROTO_TRY(make(s, image, &ahead));
    }
    s->ahead.image = *image;
    s->ahead.wanted = index;
    return ROTO_OK;
}

roto_status segment_ahead_start(roto_segmenter *s)
{
    segment_ahead *a = &s->ahead;
    if (a->wanted < 0 || !is_useful(s, &a->image))
        return ROTO_OK;
    const segment_graph *ahead = NULL;
    ROTO_TRY(make(s, &a->image, &ahead));
    roto_image held;
    ROTO_TRY(frame_device_take(a->input, &a->image, &held));
    ROTO_TRY(frame_device_choose(a->input, 0, &held));
    ROTO_TRY(frame_device_enqueue(a->input, QUEUE_AHEAD, ahead->ports.in[FRAME_IN_IMAGE]));
    ROTO_TRY(s->table->enqueue(ahead->e));
    a->encoded = a->wanted;
    a->wanted = -1;
    segment_times_end(s, SEGMENT_INPUT);
    return ROTO_OK;
}

roto_status segment_ahead_take(roto_segmenter *s, const roto_image *image, int64_t index,
                               bool *taken)
{
    const int64_t encoded = s->ahead.encoded;
    const segment_graph *ahead = NULL, *frame = NULL;
    *taken = false;
    s->ahead.encoded = -1;
    if (encoded != index || !is_useful(s, image))
        return ROTO_OK;
    ROTO_TRY(segment_graphs_ahead(s->graphs, &ahead));
    ROTO_TRY(segment_graphs_frame(s->graphs, &frame));
    buffer_copy copies[FRAME_N_OUT];
    for (int i = 0; i < FRAME_N_OUT; i++) {
        buffer *to = frame->ports.out[i];
        copies[i] = (buffer_copy){.to = to, .from = ahead->ports.out[i], .n = to->n};
    }
    ROTO_TRY(s->table->queue_after(s->backend, QUEUE_MAIN, QUEUE_AHEAD));
    ROTO_TRY(s->table->copy(s->backend, QUEUE_MAIN, copies, FRAME_N_OUT));
    ROTO_TRY(s->table->queue_after(s->backend, QUEUE_AHEAD, QUEUE_MAIN));
    s->view = segment_view_whole(image->width, image->height);
    *taken = true;
    return segment_features_are_there(s, frame);
}

void segment_ahead_forget(roto_segmenter *s)
{
    s->ahead.wanted = s->ahead.encoded = -1;
}

void segment_ahead_free(roto_segmenter *s)
{
    segment_ahead_forget(s);
    frame_device_free(s->ahead.input);
    s->ahead.input = NULL;
}
