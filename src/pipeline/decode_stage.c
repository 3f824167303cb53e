#include "base/clock.h"
#include "base/error.h"
#include "pipeline/stage.h"

#include <string.h>

static void *decode(void *user)
{
    decode_stage *stage = user;
    for (int64_t n = 0; !stage->max_frames || n < stage->max_frames; n++) {
        roto_frame *frame = NULL;
        int64_t start = clock_now_ns();
        roto_status status = roto_source_read(stage->source, &frame);
        stage->busy_ns += clock_now_ns() - start;
        if (status != ROTO_OK) {
            if (status != ROTO_END)
                failure_keep(&stage->failure, status);
            break;
        }
        if (queue_push(stage->frames, frame) != ROTO_OK) {
            roto_frame_release(frame);
            break;
        }
    }
    /* Closed, not cancelled: frames before a failure are still for the model. */
    queue_close(stage->frames);
    return NULL;
}

roto_status decode_stage_start(decode_stage *stage)
{
    int code = pthread_create(&stage->thread, NULL, decode, stage);
    if (code != 0)
        return roto_fail(ROTO_ERROR_MEMORY, "cannot start the decoding thread: %s", strerror(code));
    stage->running = true;
    return ROTO_OK;
}

void decode_stage_join(decode_stage *stage)
{
    if (stage->running)
        pthread_join(stage->thread, NULL);
    stage->running = false;
}
