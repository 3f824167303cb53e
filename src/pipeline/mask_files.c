#include "pipeline/mask_files.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/image_ids16.h"
#include "pipeline/failure.h"
#include "pipeline/image_folder.h"
#include "video/video_writer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A matte is data: artefacts that nobody minds in a picture would fringe whatever it cuts out. */
enum { MATTE_CRF = 10 };

enum { MAX_PALETTE_ID = 255, MAX_ID = 65535 };

struct mask_files {
    const char *masks_path; /* borrowed from the run's parameters; for messages */
    image_folder *masks;    /* each NULL when not wanted */
    image_folder *matte_folder;
    video_writer *matte_video;
    uint8_t *ids; /* of a frame */
    uint16_t *ids16;
    size_t id_capacity, id16_capacity;
    uint16_t *id_of_label; /* of a frame: 0 for 0 */
    size_t label_capacity;
};

static bool ends_in(const char *path, const char *extension)
{
    const size_t n = strlen(path), e = strlen(extension);
    return n > e && strcasecmp(path + n - e, extension) == 0;
}

/* Nobody wants a folder that is called matte.mov. */
static roto_status refuse_other_kinds(const char *path)
{
    static const char *const others[] = {".mov", ".mkv", ".webm", ".avi", ".png", ".jpg", ".gif"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (ends_in(path, others[i]))
            return roto_fail(ROTO_ERROR_UNSUPPORTED,
                             "%s: a matte is an .mp4 video or a folder, not %s", path, others[i]);
    return ROTO_OK;
}

/* Before any work: the run would end at the object's first frame. */
static roto_status check_ids(const roto_run_params *params)
{
    for (int32_t i = 0; params->masks_path && i < params->n_prompts; i++)
        if (params->prompts[i].id > MAX_ID)
            return roto_fail(ROTO_ERROR_ARGUMENT, "%s: object %lld; a PNG holds ids up to %d",
                             params->masks_path, (long long)params->prompts[i].id, MAX_ID);
    return ROTO_OK;
}

static roto_status open_matte(mask_files *f, const roto_run_params *params,
                              const roto_source_info *info)
{
    if (!ends_in(params->matte_path, ".mp4"))
        return image_folder_open(params->matte_path, &f->matte_folder);
    video_writer_params writer = video_writer_params_default();
    writer.fps = info->fps;
    writer.preset = params->overlay_preset;
    writer.crf = MATTE_CRF;
    return video_writer_open(params->matte_path, &writer, &f->matte_video);
}

roto_status mask_files_open(const roto_run_params *params, const roto_source_info *info,
                            mask_files **out)
{
    *out = NULL;
    if (!params->masks_path && !params->matte_path)
        return ROTO_OK;
    ROTO_TRY(check_ids(params));
    if (params->matte_path)
        ROTO_TRY(refuse_other_kinds(params->matte_path));
    mask_files *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->masks_path = params->masks_path;
    roto_status status = ROTO_OK;
    if (params->masks_path)
        status = image_folder_open(params->masks_path, &f->masks);
    if (status == ROTO_OK && params->matte_path)
        status = open_matte(f, params, info);
    if (status != ROTO_OK) {
        failure first = {0};
        failure_keep(&first, status);
        mask_files_close(f);
        return failure_raise(&first);
    }
    *out = f;
    return ROTO_OK;
}

bool mask_files_need_map(const mask_files *f)
{
    return f && f->masks;
}

static roto_image grey_image(const uint8_t *pixels, const roto_image *of)
{
    return (roto_image){.width = of->width,
                        .height = of->height,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {pixels},
                        .stride_bytes = {of->width}};
}

/* Fills in id_of_label; *highest is the highest id. */
static roto_status list_ids(mask_files *f, const frame_objects *objects, int64_t *highest)
{
    const size_t n = (size_t)objects->n_masks;
    *highest = n ? objects->mask_ids[n - 1] : 0;
    if (*highest > MAX_ID)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: object %lld; a PNG holds ids up to %d",
                         f->masks_path, (long long)*highest, MAX_ID);
    if (!memory_grow((void **)&f->id_of_label, &f->label_capacity, n + 1, sizeof(*f->id_of_label)))
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++)
        f->id_of_label[i + 1] = (uint16_t)objects->mask_ids[i];
    return ROTO_OK;
}

static roto_status write_masks(mask_files *f, const roto_frame *frame, const frame_objects *objects,
                               const uint16_t *labels)
{
    const roto_image *image = &frame->image;
    const size_t n = (size_t)image->width * (size_t)image->height;
    const char *path;
    int64_t highest;
    ROTO_TRY(list_ids(f, objects, &highest));
    ROTO_TRY(image_folder_name(f->masks, frame, &path));
    if (highest <= MAX_PALETTE_ID) {
        if (!memory_grow((void **)&f->ids, &f->id_capacity, n, 1))
            return ROTO_ERROR_MEMORY;
        for (size_t i = 0; i < n; i++)
            f->ids[i] = (uint8_t)f->id_of_label[labels[i]];
        const roto_image ids = grey_image(f->ids, image);
        return roto_image_write_ids(path, &ids);
    }
    if (!memory_grow((void **)&f->ids16, &f->id16_capacity, n, sizeof(*f->ids16)))
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++)
        f->ids16[i] = f->id_of_label[labels[i]];
    return image_ids16_write(path, f->ids16, image->width, image->height);
}

static roto_status write_matte(mask_files *f, const roto_frame *frame, const frame_objects *objects,
                               label_map *map)
{
    const uint8_t *matte;
    ROTO_TRY(label_map_matte(map, objects, frame->image.width, frame->image.height, &matte));
    const roto_image image = grey_image(matte, &frame->image);
    if (f->matte_video)
        return video_writer_write(f->matte_video, &image, frame->time_s, frame->duration_s);
    const char *path;
    ROTO_TRY(image_folder_name(f->matte_folder, frame, &path));
    return roto_image_write_png(path, &image);
}

roto_status mask_files_write(mask_files *f, const roto_frame *frame, const frame_objects *objects,
                             label_map *map)
{
    if (f->masks)
        ROTO_TRY(write_masks(f, frame, objects, label_map_labels(map)));
    if (f->matte_video || f->matte_folder)
        ROTO_TRY(write_matte(f, frame, objects, map));
    return ROTO_OK;
}

roto_status mask_files_close(mask_files *f)
{
    if (!f)
        return ROTO_OK;
    const roto_status status = video_writer_close(f->matte_video);
    image_folder_free(f->masks);
    image_folder_free(f->matte_folder);
    free(f->ids);
    free(f->ids16);
    free(f->id_of_label);
    free(f);
    return status;
}
