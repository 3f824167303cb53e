/* The next frame's features, made while the device tracks this frame's objects.
 *
 * The frame graph runs in QUEUE_AHEAD, for an announced frame between enqueueing this frame's
 * objects and waiting for their masks: by then the pictures of earlier frames have been taken, and
 * there is memory for two. When its frame comes, its outputs are copied, on the device, to where
 * the other graphs read them. Events order the queues; the host waits for nothing more than without
 * it.
 */
#include "track/segmenter.h"

#include "base/error.h"

/* Whether the host can tell now what the frame graph will see. */
static bool is_useful(const roto_segmenter *s, const roto_image *image)
{
    return s->table->works_ahead && s->device_input && !s->zoom && s->sized &&
           image->width == s->frame_w && image->height == s->frame_h;
}

roto_status roto_segmenter_next(roto_segmenter *s, const roto_image *image, int64_t index)
{
    if (!s)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter is NULL");
    ROTO_TRY(roto_image_check(image));
    if (index < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "frame %lld; frames are numbered from 0",
                         (long long)index);
    s->ahead.image = *image;
    s->ahead.wanted = index;
    return ROTO_OK;
}

roto_status segment_ahead_start(roto_segmenter *s)
{
    segment_ahead *a = &s->ahead;
    if (a->wanted < 0 || !is_useful(s, &a->image))
        return ROTO_OK;
    const segment_graph *maker = NULL;
    roto_image taken;
    ROTO_TRY(segment_graphs_maker(s->graphs, &maker));
    ROTO_TRY(frame_device_take(s->device_input, &a->image, &taken));
    ROTO_TRY(frame_device_choose(s->device_input, 0, &taken));
    ROTO_TRY(frame_device_enqueue(s->device_input, QUEUE_AHEAD, maker->ports.in[FRAME_IN_IMAGE]));
    ROTO_TRY(s->table->enqueue(maker->e));
    a->encoded = a->wanted;
    a->wanted = -1;
    segment_times_end(s, SEGMENT_INPUT);
    return ROTO_OK;
}

roto_status segment_ahead_bring(roto_segmenter *s)
{
    const segment_graph *maker = NULL, *frame = NULL;
    ROTO_TRY(segment_graphs_maker(s->graphs, &maker));
    ROTO_TRY(segment_graphs_frame(s->graphs, &frame));
    if (maker == frame)
        return ROTO_OK;
    buffer_copy copies[FRAME_N_OUT];
    for (int i = 0; i < FRAME_N_OUT; i++) {
        buffer *to = frame->ports.out[i];
        copies[i] = (buffer_copy){.to = to, .from = maker->ports.out[i], .n = to->n};
    }
    ROTO_TRY(s->table->queue_after(s->backend, QUEUE_MAIN, QUEUE_AHEAD));
    ROTO_TRY(s->table->copy(s->backend, QUEUE_MAIN, copies, FRAME_N_OUT));
    return s->table->queue_after(s->backend, QUEUE_AHEAD, QUEUE_MAIN);
}

roto_status segment_ahead_take(roto_segmenter *s, const roto_image *image, int64_t index,
                               bool *taken)
{
    const int64_t encoded = s->ahead.encoded;
    *taken = encoded == index && is_useful(s, image);
    s->ahead.encoded = -1;
    if (!*taken)
        return ROTO_OK;
    s->view = segment_view_whole(image->width, image->height);
    return segment_features_are_there(s);
}

void segment_ahead_forget(roto_segmenter *s)
{
    s->ahead.wanted = s->ahead.encoded = -1;
}
