#include "pipeline/outputs.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json_lines.h"
#include "format/mot_text.h"
#include "pipeline/failure.h"
#include "pipeline/json_masks.h"
#include "pipeline/label_map.h"
#include "pipeline/mask_files.h"
#include "video/frame.h"
#include "video/overlay.h"
#include "video/video_writer.h"

#include <stdlib.h>

struct outputs {
    video_writer *video; /* each NULL when not wanted */
    overlay *drawing;
    json_lines *json;
    mot_writer *mot;
    mask_files *mask_files;
    label_map *map;
    json_masks json_masks;
    const char **class_names; /* borrowed from the detector */
    int32_t n_class_names;
};

static roto_status list_class_names(outputs *o, const roto_detector *detector)
{
    if (!detector)
        return ROTO_OK;
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
    if (status == ROTO_OK)
        status = label_map_new(&o->map);
    if (status == ROTO_OK)
        status = mask_files_open(params, info, &o->mask_files);
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

/* Masks under the boxes, boxes under the labels. */
static roto_status draw(outputs *o, const draw_target *target, const frame_objects *objects)
{
    for (int32_t i = 0; i < objects->n_masks; i++)
        ROTO_TRY(overlay_draw_mask(o->drawing, target, label_map_mask(o->map, i), target->width,
                                   overlay_identity_color(objects->mask_ids[i])));
    return overlay_draw_tracks(o->drawing, target, objects->tracks, objects->n_tracks,
                               o->class_names, o->n_class_names);
}

static roto_status write_video(outputs *o, roto_frame *frame, const frame_objects *objects,
                               int64_t *draw_ns)
{
    draw_target target;
    int64_t start = clock_now_ns();
    roto_status status = frame_begin_drawing(frame, &target);
    if (status == ROTO_OK)
        status = draw(o, &target, objects);
    *draw_ns += clock_now_ns() - start;
    if (status == ROTO_OK)
        status = video_writer_write(o->video, &frame->image, frame->time_s, frame->duration_s);
    return status;
}

/* What JSON, masks and overlay show; none of them is there without a mask. */
static roto_status make_map(outputs *o, const roto_frame *frame, const frame_objects *objects,
                            int64_t *masks_ns)
{
    const bool needed =
        mask_files_need_map(o->mask_files) || (objects->n_masks > 0 && (o->json || o->video));
    if (!needed)
        return ROTO_OK;
    const int64_t start = clock_now_ns();
    const roto_status status =
        label_map_make(o->map, objects, frame->image.width, frame->image.height);
    *masks_ns += clock_now_ns() - start;
    return status;
}

static roto_status write_json(outputs *o, const roto_frame *frame, const frame_objects *objects)
{
    ROTO_TRY(json_masks_make(&o->json_masks, objects, o->map, frame));
    const json_frame line = {.index = frame->index,
                             .time_s = frame->time_s,
                             .width = frame->image.width,
                             .height = frame->image.height,
                             .name = frame->name,
                             .tracks = objects->tracks,
                             .n_tracks = objects->n_tracks,
                             .masks = o->json_masks.of_tracks,
                             .class_names = o->class_names,
                             .n_class_names = o->n_class_names};
    return json_lines_write(o->json, &line);
}

roto_status outputs_write(outputs *o, roto_frame *frame, const frame_objects *objects,
                          output_times *times)
{
    roto_status status = make_map(o, frame, objects, &times->masks_ns);
    if (status == ROTO_OK && o->mask_files)
        status = mask_files_write(o->mask_files, frame, objects, o->map);
    if (status == ROTO_OK && o->json)
        status = write_json(o, frame, objects);
    if (status == ROTO_OK && o->mot)
        status = mot_writer_frame(o->mot, frame->index + 1, objects->tracks, objects->n_tracks);
    if (status == ROTO_OK && o->video)
        status = write_video(o, frame, objects, &times->draw_ns);
    return status;
}

roto_status outputs_close(outputs *o)
{
    if (!o)
        return ROTO_OK;
    failure first = {0};
    failure_keep(&first, json_lines_close(o->json));
    failure_keep(&first, mot_writer_close(o->mot));
    failure_keep(&first, mask_files_close(o->mask_files));
    failure_keep(&first, video_writer_close(o->video));
    overlay_free(o->drawing);
    label_map_free(o->map);
    json_masks_free(&o->json_masks);
    free(o->class_names);
    free(o);
    return failure_raise(&first);
}
