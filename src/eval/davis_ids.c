#include "eval/davis_ids.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { N_VALUES = 256, VOID_ID = 255 };

/* Puts first[id] = frame for ids that were not seen before. */
static roto_status look_through(const char *path, size_t frame, davis_task *task,
                                size_t first[N_VALUES])
{
    roto_image image;
    void *storage = NULL;
    ROTO_TRY(roto_image_read_ids(path, &image, &storage));
    if (task->width == 0) {
        task->width = image.width;
        task->height = image.height;
    }
    roto_status status = ROTO_OK;
    if (image.width != task->width || image.height != task->height) {
        status =
            roto_fail(ROTO_ERROR_FORMAT, "%s: %d x %d pixels; the masks before it have %d x %d",
                      path, image.width, image.height, task->width, task->height);
    } else {
        const size_t n = (size_t)image.width * (size_t)image.height;
        bool seen[N_VALUES] = {0};
        for (size_t i = 0; i < n; i++)
            seen[image.plane[0][i]] = true;
        for (int id = 0; id < N_VALUES; id++)
            if (seen[id] && first[id] == SIZE_MAX)
                first[id] = frame;
    }
    roto_image_free(storage);
    return status;
}

static int32_t count_objects(const size_t first[N_VALUES])
{
    int32_t n = 0;
    for (int id = 1; id < VOID_ID; id++)
        n += first[id] != SIZE_MAX;
    return n;
}

roto_status davis_task_init(const davis_sequence *sequence, davis_task *out)
{
    *out = (davis_task){.sequence = sequence};
    size_t first[N_VALUES];
    memset(first, 0xff, sizeof(first));
    for (size_t i = 0; i < sequence->n_frames; i++)
        if (sequence->frames[i].mask)
            ROTO_TRY(look_through(sequence->frames[i].mask, i, out, first));
    out->n_objects = count_objects(first);
    out->is_binary = out->n_objects == 0 && first[VOID_ID] != SIZE_MAX;
    if (out->is_binary) {
        out->n_objects = 1;
        first[1] = first[VOID_ID];
    }
    if (out->n_objects == 0)
        return roto_fail(ROTO_ERROR_FORMAT, "sequence %s: no mask holds an object", sequence->name);
    out->objects = memory_new_array((size_t)out->n_objects, sizeof(*out->objects));
    if (!out->objects)
        return ROTO_ERROR_MEMORY;
    int32_t n = 0;
    for (int id = 1; id < VOID_ID; id++)
        if (first[id] != SIZE_MAX)
            out->objects[n++] = (davis_object){.id = (uint8_t)id, .first = first[id]};
    return ROTO_OK;
}

void davis_task_release(davis_task *task)
{
    free(task->objects);
    *task = (davis_task){0};
}

roto_status davis_ids_read(const char *path, const davis_task *task, uint8_t *ids)
{
    roto_image image;
    void *storage = NULL;
    ROTO_TRY(roto_image_read_ids(path, &image, &storage));
    roto_status status = ROTO_OK;
    const size_t n = (size_t)task->width * (size_t)task->height;
    if (image.width != task->width || image.height != task->height)
        status = roto_fail(ROTO_ERROR_FORMAT, "%s: %d x %d pixels; the true mask has %d x %d", path,
                           image.width, image.height, task->width, task->height);
    else if (task->is_binary)
        for (size_t i = 0; i < n; i++)
            ids[i] = image.plane[0][i] != 0;
    else
        memcpy(ids, image.plane[0], n);
    roto_image_free(storage);
    return status;
}

roto_status davis_truth_read(const char *path, const davis_task *task, uint8_t *ids)
{
    ROTO_TRY(davis_ids_read(path, task, ids));
    const size_t n = (size_t)task->width * (size_t)task->height;
    for (size_t i = 0; i < n; i++)
        if (ids[i] == VOID_ID)
            ids[i] = 0;
    return ROTO_OK;
}
