#include "support/cmocka_all.h"

#include "base/queue.h"
#include "video/clip.h"
#include "video/frame.h"
#include "video/overlay.h"

#include <math.h>
#include <pthread.h>

/* Read in one thread, drawn on and written in a second, released in a third: as a pipeline does. */
enum { WIDTH = 96, HEIGHT = 64, N_FRAMES = 120, FPS = 25, DEPTH = 4 };

typedef struct line {
    queue *read, *written;
    const char *out;
    int n_wrong;
} line;

static void *draw_and_write(void *user)
{
    line *l = user;
    overlay *o = NULL;
    video_writer *writer = NULL;
    video_writer_params params = video_writer_params_default();
    l->n_wrong += overlay_new(&o) != ROTO_OK;
    l->n_wrong += video_writer_open(l->out, &params, &writer) != ROTO_OK;
    for (void *item; queue_pop(l->read, &item) == ROTO_OK;) {
        roto_frame *frame = item;
        draw_target target;
        const roto_track track = {.id = frame->index + 1, .box = {10, 20, 60, 60}};
        l->n_wrong += frame_begin_drawing(frame, &target) != ROTO_OK;
        l->n_wrong += overlay_draw_tracks(o, &target, &track, 1, NULL, 0) != ROTO_OK;
        l->n_wrong +=
            video_writer_write(writer, &frame->image, frame->time_s, frame->duration_s) != ROTO_OK;
        l->n_wrong += queue_push(l->written, frame) != ROTO_OK;
    }
    l->n_wrong += video_writer_close(writer) != ROTO_OK;
    overlay_free(o);
    queue_close(l->written);
    return NULL;
}

static void *release(void *user)
{
    line *l = user;
    for (void *item; queue_pop(l->written, &item) == ROTO_OK;)
        roto_frame_release(item);
    return NULL;
}

static void frames_may_cross_threads(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path in = temp_folder_join(&folder, "in.mp4"), out = temp_folder_join(&folder, "out.mp4");
    clip_make(in.text, WIDTH, HEIGHT, N_FRAMES, FPS);
    line l = {.out = out.text};
    assert_int_equal(queue_new(DEPTH, &l.read), ROTO_OK);
    assert_int_equal(queue_new(DEPTH, &l.written), ROTO_OK);
    pthread_t writing, releasing;
    assert_int_equal(pthread_create(&writing, NULL, draw_and_write, &l), 0);
    assert_int_equal(pthread_create(&releasing, NULL, release, &l), 0);
    roto_source_params params = roto_source_params_default();
    params.n_threads = 2;
    roto_source *source;
    assert_int_equal(roto_source_open(in.text, &params, &source), ROTO_OK);
    roto_frame *frame;
    roto_status status;
    int n = 0;
    for (; (status = roto_source_read(source, &frame)) == ROTO_OK; n++) {
        /* Whatever the other threads draw, the decoder's own pictures stay as they were. */
        assert_true(fabs(clip_mean_luma(&frame->image) - clip_luma(n)) < 2);
        assert_int_equal(queue_push(l.read, frame), ROTO_OK);
    }
    queue_close(l.read);
    pthread_join(writing, NULL);
    pthread_join(releasing, NULL);
    assert_int_equal(status, ROTO_END);
    assert_int_equal(n, N_FRAMES);
    assert_int_equal(l.n_wrong, 0);
    roto_source_close(source);
    queue_free(l.read);
    queue_free(l.written);
    assert_int_equal(roto_source_open(out.text, NULL, &source), ROTO_OK);
    for (n = 0; roto_source_read(source, &frame) == ROTO_OK; n++)
        roto_frame_release(frame);
    assert_int_equal(n, N_FRAMES);
    roto_source_close(source);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames_may_cross_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
