#include "base/clock.h"
#include "base/error.h"
#include "pipeline/stage.h"

#include <string.h>

static void write_frame(write_stage *stage, write_job *job)
{
    int64_t start = clock_now_ns();
    output_times times = {0};
    roto_status status = outputs_write(stage->out, job->frame, &job->objects, &times);
    stage->times.draw_ns += times.draw_ns;
    stage->times.masks_ns += times.masks_ns;
    stage->write_ns += clock_now_ns() - start - times.draw_ns - times.masks_ns;
    if (status == ROTO_OK) {
        stage->n_frames++;
        return;
    }
    failure_keep(&stage->failure, status);
    queue_cancel(stage->jobs);
    queue_cancel(stage->free_jobs);
}

static void *write_all(void *user)
{
    write_stage *stage = user;
    void *item;
    while (queue_pop(stage->jobs, &item) == ROTO_OK) {
        write_job *job = item;
        write_frame(stage, job);
        roto_frame_release(job->frame);
        job->frame = NULL;
        queue_push(stage->free_jobs, job); /* has room for every job there is */
    }
    int64_t start = clock_now_ns();
    roto_status status = outputs_close(stage->out);
    stage->out = NULL;
    stage->write_ns += clock_now_ns() - start;
    failure_keep(&stage->failure, status);
    return NULL;
}

roto_status write_stage_start(write_stage *stage)
{
    int code = pthread_create(&stage->thread, NULL, write_all, stage);
    if (code != 0)
        return roto_fail(ROTO_ERROR_MEMORY, "cannot start the writing thread: %s", strerror(code));
    stage->running = true;
    return ROTO_OK;
}

void write_stage_join(write_stage *stage)
{
    if (stage->running)
        pthread_join(stage->thread, NULL);
    stage->running = false;
}
