#include "pipeline/outputs.h"

#include "base/clock.h"
#include "base/memory.h"
#include "format/json_lines.h"
#include "format/mot_text.h"
#include "pipeline/failure.h"
#include "video/frame.h"
#include "video/overlay.h"
#include "video/video_writer.h"

#include <stdlib.h>

struct outputs {
    video_writer *video; /* each NULL when not wanted */
    overlay *drawing;
    json_lines *json;
    mot_writer *mot;
    const char **class_names; /* borrowed from the detector */
    int32_t n_class_names;
};

static roto_status list_class_names(outputs *o, const roto_detector *detector)
{
    o->n_class_names = roto_detector_n_classes(detector);
    o->class_names = memory_new_array((size_t)o->n_class_names, sizeof(*o->class_names));
    if (!o->class_names)
        return ROTO_ERROR_MEMORY;
    for (int32_t i = 0; i < o->n_class_names; i++)
        o->class_names[i] = roto_detector_class_name(detector, i);
    return ROTO_OK;
}

static roto_status open_video(outputs *o, const roto_run_params *params,
                              const roto_source_info *info)
{
    /* The encoder's threads stay as they are by default: its bits depend on their number, and the
     * same run must give the same file on every machine. */
    video_writer_params writer = video_writer_params_default();
    writer.fps = info->fps;
    writer.preset = params->overlay_preset;
    writer.crf = params->overlay_crf;
    roto_status status = overlay_new(&o->drawing);
    if (status == ROTO_OK)
        status = video_writer_open(params->overlay_path, &writer, &o->video);
    return status;
}

roto_status outputs_open(const roto_run_params *params, const roto_source_info *info,
                         const roto_detector *detector, outputs **out)
{
    *out = NULL;
    outputs *o = memory_new_array(1, sizeof(*o));
    if (!o)
        return ROTO_ERROR_MEMORY;
    roto_status status = list_class_names(o, detector);
    if (status == ROTO_OK && params->json_path)
        status = json_lines_open(params->json_path, &o->json);
    if (status == ROTO_OK && params->mot_path)
        status = mot_writer_open(params->mot_path, &o->mot);
    if (status == ROTO_OK && params->overlay_path)
        status = open_video(o, params, info);
    if (status != ROTO_OK) {
        failure first = {0};
        failure_keep(&first, status);
        outputs_close(o);
        return failure_raise(&first);
    }
    *out = o;
    return ROTO_OK;
}

static roto_status write_video(outputs *o, roto_frame *frame, const roto_track *tracks,
                               int32_t n_tracks, int64_t *draw_ns)
{
    draw_target target;
    int64_t start = clock_now_ns();
    roto_status status = frame_begin_drawing(frame, &target);
    if (status == ROTO_OK)
        status = overlay_draw_tracks(o->drawing, &target, tracks, n_tracks, o->class_names,
                                     o->n_class_names);
    *draw_ns += clock_now_ns() - start;
    if (status == ROTO_OK)
        status = video_writer_write(o->video, &frame->image, frame->time_s, frame->duration_s);
    return status;
}

roto_status outputs_write(outputs *o, roto_frame *frame, const roto_track *tracks, int32_t n_tracks,
                          int64_t *draw_ns)
{
    roto_status status = ROTO_OK;
    if (o->json) {
        const json_frame line = {.index = frame->index,
                                 .time_s = frame->time_s,
                                 .width = frame->image.width,
                                 .height = frame->image.height,
                                 .name = frame->name,
                                 .tracks = tracks,
                                 .n_tracks = n_tracks,
                                 .class_names = o->class_names,
                                 .n_class_names = o->n_class_names};
        status = json_lines_write(o->json, &line);
    }
    if (status == ROTO_OK && o->mot)
        status = mot_writer_frame(o->mot, frame->index + 1, tracks, n_tracks);
    if (status == ROTO_OK && o->video)
        status = write_video(o, frame, tracks, n_tracks, draw_ns);
    return status;
}

roto_status outputs_close(outputs *o)
{
    if (!o)
        return ROTO_OK;
    failure first = {0};
    failure_keep(&first, json_lines_close(o->json));
    failure_keep(&first, mot_writer_close(o->mot));
    failure_keep(&first, video_writer_close(o->video));
    overlay_free(o->drawing);
    free(o->class_names);
    free(o);
    return failure_raise(&first);
}
