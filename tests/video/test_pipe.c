#include "support/cmocka_all.h"

#include "video/clip.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { WIDTH = 96, HEIGHT = 64, N_FRAMES = 60, FPS = 25 };

/* A child that writes `bytes` to a pipe in small pieces, then closes it or hangs; its pid. */
static pid_t feed_stdin(const char *data, size_t bytes, int hangs)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < bytes;) {
            size_t n = bytes - at < 1777 ? bytes - at : 1777;
            ssize_t put = write(ends[1], data + at, n);
            if (put <= 0)
                _exit(1);
            at += (size_t)put;
        }
        while (hangs)
            pause();
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return child;
}

static void end_child(pid_t child)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void standard_input_is_read_to_its_end(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    for (int fragmented = 0; fragmented < 2; fragmented++) {
        if (fragmented)
            clip_make_fragments(path.text, WIDTH, HEIGHT, N_FRAMES, FPS);
        else
            clip_make(path.text, WIDTH, HEIGHT, N_FRAMES, FPS);
        size_t bytes;
        char *data = temp_folder_get(&path, &bytes);
        int n;
        pid_t child = feed_stdin(data, bytes, 0);
        assert_int_equal(clip_check("-", FPS, &n), ROTO_END);
        assert_int_equal(n, N_FRAMES);
        end_child(child);
        child = feed_stdin(data, bytes * 3 / 4, 0);
        assert_int_equal(clip_check("-", FPS, &n), ROTO_ERROR_FORMAT);
        assert_in_range(n, 1, N_FRAMES - 1);
        end_child(child);
        free(data);
    }
    temp_folder_remove(&folder);
}

static void what_is_no_video_on_standard_input_is_refused(void **state)
{
    (void)state;
    roto_source *source;
    pid_t child = feed_stdin("", 0, 0);
    assert_int_equal(roto_source_open("-", NULL, &source), ROTO_ERROR_FORMAT);
    assert_null(source);
    end_child(child);
    /* A playlist must not make us open files. */
    const char *playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n"
                           "#EXT-X-ENDLIST\n";
    child = feed_stdin(playlist, strlen(playlist), 0);
    assert_int_not_equal(roto_source_open("-", NULL, &source), ROTO_OK);
    assert_null(source);
    end_child(child);
}

static int32_t stop_after(void *user)
{
    int *left = user;
    return --*left < 0;
}

static void waiting_can_be_stopped(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    clip_make_fragments(path.text, WIDTH, HEIGHT, N_FRAMES, FPS);
    size_t bytes;
    char *data = temp_folder_get(&path, &bytes);
    int left = 3;
    roto_source_params params = roto_source_params_default();
    params.should_stop = stop_after;
    params.user = &left;
    roto_source *source;
    /* Nothing arrives at all. */
    pid_t child = feed_stdin("", 0, 1);
    assert_int_equal(roto_source_open("-", &params, &source), ROTO_CANCELLED);
    assert_null(source);
    end_child(child);
    /* Nobody opens the other end of a FIFO. */
    temp_path fifo = temp_folder_join(&folder, "fifo");
    assert_int_equal(mkfifo(fifo.text, 0600), 0);
    left = 3;
    assert_int_equal(roto_source_open(fifo.text, &params, &source), ROTO_CANCELLED);
    assert_null(source);
    /* Some frames arrive, then no more. */
    left = 1000000;
    child = feed_stdin(data, bytes * 3 / 4, 1);
    assert_int_equal(roto_source_open("-", &params, &source), ROTO_OK);
    roto_frame *frame;
    roto_status status = ROTO_OK;
    int n = 0;
    for (; (status = roto_source_read(source, &frame)) == ROTO_OK; n++) {
        roto_frame_release(frame);
        left = 20; /* polls; reading a frame takes a few */
    }
    assert_int_equal(status, ROTO_CANCELLED);
    assert_true(n > 0);
    assert_int_equal(roto_source_read(source, &frame), ROTO_CANCELLED); /* and stays so */
    roto_source_close(source);
    end_child(child);
    free(data);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_input_is_read_to_its_end),
        cmocka_unit_test(what_is_no_video_on_standard_input_is_refused),
        cmocka_unit_test(waiting_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
