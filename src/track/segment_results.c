/* Hands out what is known about the current frame. */
#include "track/segmenter.h"

#include "base/error.h"

static roto_status need_frame(const roto_segmenter *s)
{
    if (!s)
        return roto_fail(ROTO_ERROR_ARGUMENT, "segmenter is NULL");
    if (s->frame < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "there is no current frame; roto_segmenter_frame() "
                                              "has to come first");
    return ROTO_OK;
}

static void measure(roto_segmenter *s, segment_object *o, int32_t index, int thread)
{
    (void)o, (void)thread;
    roto_segment *out = &s->segments[index];
    const float *logits = out->logits;
    mask_edges e;
    if (!mask_scaler_box(s->scaler, logits, &e))
        return;
    out->box = (roto_box){(float)e.x0, (float)e.y0, (float)e.x1, (float)e.y1};
    /* A cell of the logits' grid stands for so many pixels of the frame. */
    const float cell_w = (float)s->frame_w / (float)s->shown_w,
                cell_h = (float)s->frame_h / (float)s->shown_h;
    const int32_t n_cells = s->shown_w * s->shown_h;
    int32_t n = 0;
    for (int32_t i = 0; i < n_cells; i++)
        n += logits[i] > 0;
    out->area = (float)n * cell_w * cell_h;
}

roto_status roto_segmenter_results(roto_segmenter *s, const roto_segment **segments,
                                   int32_t *n_segments)
{
    if (!segments || !n_segments)
        return roto_fail(ROTO_ERROR_ARGUMENT, "no place for the results");
    ROTO_TRY(need_frame(s));
    int32_t n = 0;
    for (int32_t i = 0; i < s->n_objects; i++) {
        segment_object *o = s->objects[i];
        if (!o->present)
            continue;
        s->due[n] = o;
        s->segments[n++] = (roto_segment){.id = o->id,
                                          .object_score = o->object_score,
                                          .iou = o->iou,
                                          .source = o->source,
                                          .logits = segment_shown(s, o),
                                          .logits_width = s->shown_w,
                                          .logits_height = s->shown_h};
    }
    segment_each(s, s->due, n, measure);
    *segments = s->segments;
    *n_segments = n;
    return ROTO_OK;
}

roto_status roto_segmenter_mask(roto_segmenter *s, int64_t id, uint8_t value, uint8_t *mask,
                                ptrdiff_t stride_bytes)
{
    ROTO_TRY(need_frame(s));
    if (!mask || stride_bytes < s->frame_w)
        return roto_fail(ROTO_ERROR_ARGUMENT, "a mask with rows %lld bytes apart; they are %d long",
                         (long long)stride_bytes, s->frame_w);
    segment_object *o = segmenter_find(s, id);
    if (!o || !o->present)
        return roto_fail(ROTO_ERROR_ARGUMENT, "object %lld is not among frame %lld's results",
                         (long long)id, (long long)s->frame);
    mask_scaler_write(s->scaler, segment_shown(s, o), value, mask, stride_bytes);
    return ROTO_OK;
}

roto_status roto_segmenter_map(roto_segmenter *s, uint16_t *map, ptrdiff_t stride)
{
    ROTO_TRY(need_frame(s));
    if (!map || stride < s->frame_w)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "a map with rows %lld elements apart; they are %d long", (long long)stride,
                         s->frame_w);
    ROTO_TRY(mask_scaler_start_map(s->scaler, map, stride));
    uint16_t n = 0;
    for (int32_t i = 0; i < s->n_objects; i++) {
        if (s->objects[i]->present)
            mask_scaler_add_to_map(s->scaler, segment_shown(s, s->objects[i]), ++n);
    }
    return ROTO_OK;
}
