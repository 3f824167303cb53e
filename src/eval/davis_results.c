/* Masks that someone has made: DIR/SEQUENCE/FRAME.png. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/davis_ids.h"
#include "eval/davis_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct results {
    davis_source source;
    char *dir;
} results;

static bool is_object(const davis_task *task, uint8_t id)
{
    for (int32_t i = 0; i < task->n_objects; i++)
        if (task->objects[i].id == id)
            return true;
    return false;
}

static roto_status check_ids(const davis_task *task, const char *path, const uint8_t *ids)
{
    bool known[256] = {true};
    for (int id = 1; id < 256; id++)
        known[id] = is_object(task, (uint8_t)id);
    const size_t n = (size_t)task->width * (size_t)task->height;
    for (size_t i = 0; i < n; i++)
        if (!known[ids[i]])
            return roto_fail(ROTO_ERROR_FORMAT,
                             "%s: the pixel at %zu, %zu is of object %d, which the sequence does "
                             "not have",
                             path, i % (size_t)task->width, i / (size_t)task->width, ids[i]);
    return ROTO_OK;
}

static roto_status next(davis_source *source, const davis_task *task, const davis_step *step)
{
    const results *r = (const results *)source;
    char *path = NULL;
    if (asprintf(&path, "%s/%s/%s.png", r->dir, task->sequence->name,
                 task->sequence->frames[step->index].name) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    roto_status status = davis_ids_read(path, task, step->found);
    if (status == ROTO_OK)
        status = check_ids(task, path, step->found);
    free(path);
    return status;
}

static void release(davis_source *source)
{
    results *r = (results *)source;
    free(r->dir);
    free(r);
}

roto_status davis_results_new(const davis_task *task, const char *dir, davis_source **out)
{
    (void)task;
    results *r = memory_new_array(1, sizeof(*r));
    if (!r)
        return ROTO_ERROR_MEMORY;
    r->source = (davis_source){next, release};
    r->dir = memory_copy_string(dir);
    if (!r->dir) {
        free(r);
        return ROTO_ERROR_MEMORY;
    }
    *out = &r->source;
    return ROTO_OK;
}
