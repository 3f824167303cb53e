#include "support/cmocka_all.h"

#include "video/clip.h"
#include "video/mp4_rewrite.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { WIDTH = 96, HEIGHT = 64 };

static void frames_and_times_come_back(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    const double rates[] = {24, 24000 / 1001.0, 25, 30000 / 1001.0, 60, 7};
    for (int i = 0; i < 6; i++) {
        clip_make(path.text, WIDTH, HEIGHT, 50, rates[i]);
        int n;
        assert_int_equal(clip_check(path.text, rates[i], &n), ROTO_END);
        assert_int_equal(n, 50);
        roto_source *source;
        assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
        const roto_source_info *info = roto_source_describe(source);
        assert_true(fabs(info->fps - rates[i]) < 1e-3);
        assert_int_equal(info->n_frames, 50);
        assert_true(fabs(info->duration_s - 50 / rates[i]) < 1e-3);
        assert_string_equal(info->codec, "h264");
        roto_source_close(source);
    }
    temp_folder_remove(&folder);
}

/* B-frames and lookahead, which "ultrafast" does without, reorder and hold back frames. */
static void uneven_times_come_back(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    const double times[] = {0.25, 0.25, 0.26, 0.5, 0.501, 0.502, 3, 3.04, 3.08, 3.12, 90, 90.5};
    const int n = (int)(sizeof(times) / sizeof(times[0]));
    video_writer *writer;
    assert_int_equal(video_writer_open(path.text, NULL, &writer), ROTO_OK);
    clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, WIDTH, HEIGHT);
    for (int i = 0; i < n; i++) {
        clip_picture_paint(&p, i);
        assert_int_equal(video_writer_write(writer, &p.image, times[i], 0.04), ROTO_OK);
    }
    free(p.pixels);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    for (int i = 0; i < n; i++) {
        roto_frame *frame;
        assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
        assert_true(fabs(frame->time_s - (times[i] - times[0])) < 2e-5);
        assert_true(fabs(clip_mean_luma(&frame->image) - clip_luma(i)) < 3);
        roto_frame_release(frame);
    }
    roto_source_close(source);
    temp_folder_remove(&folder);
}

/* The offset of the first box of a kind at the file's top level, or -1. */
static long find_box(const char *data, size_t bytes, const char *kind)
{
    for (size_t at = 0; at + 8 <= bytes;) {
        const uint8_t *head = (const uint8_t *)data + at;
        size_t size =
            (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
        if (memcmp(head + 4, kind, 4) == 0)
            return (long)at;
        at += size >= 8 ? size : bytes;
    }
    return -1;
}

static void a_closed_file_is_plain_with_its_index_in_front(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4"), link = temp_folder_join(&folder, "l.mp4");
    assert_int_equal(symlink("a.mp4", link.text), 0);
    clip_make(link.text, WIDTH, HEIGHT, 100, 25);
    assert_int_equal(temp_folder_count(&folder), 2); /* nothing temporary is left */
    struct stat info;
    assert_int_equal(lstat(link.text, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    size_t bytes;
    char *data = temp_folder_get(&path, &bytes);
    long moov = find_box(data, bytes, "moov"), mdat = find_box(data, bytes, "mdat");
    assert_true(moov > 0 && mdat > moov);
    assert_int_equal(find_box(data, bytes, "moof"), -1);
    free(data);
    temp_folder_remove(&folder);
}

static void an_interrupted_file_plays_up_to_the_last_second(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        clip_write_frames(clip_open(path.text, 25), WIDTH, HEIGHT, 0, 140, 25);
        raise(SIGKILL);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    int n;
    assert_int_equal(clip_check(path.text, 25, &n), ROTO_END);
    assert_in_range(n, 140 - 25 - 2, 140);
    temp_folder_remove(&folder);
}

/* Noise, which does not compress. */
static roto_status write_noise(video_writer *writer, int n_frames, int *n_written)
{
    clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, WIDTH, HEIGHT);
    uint32_t random = 1;
    roto_status status = ROTO_OK;
    for (*n_written = 0; *n_written < n_frames && status == ROTO_OK; ++*n_written) {
        for (int i = 0; i < WIDTH * HEIGHT * 3 / 2; i++) {
            random = random * 1664525u + 1013904223u;
            p.pixels[i] = (uint8_t)(random >> 24);
        }
        status = video_writer_write(writer, &p.image, *n_written * 0.04, 0.04);
    }
    free(p.pixels);
    return status;
}

static void a_full_disk_is_reported_and_leaves_whole_fragments(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    const rlim_t limit_bytes = 600000;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {limit_bytes, before.rlim_max};
    video_writer *writer = clip_open(path.text, 25);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int n_written;
    roto_status status = write_noise(writer, 1000, &n_written);
    char message[256];
    snprintf(message, sizeof(message), "%s", roto_error_message());
    roto_status again = write_noise(writer, 1, &n_written);
    roto_status closing = video_writer_close(writer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, ROTO_ERROR_IO);
    assert_non_null(strstr(message, "a.mp4: cannot write: File too large"));
    assert_int_equal(again, ROTO_ERROR_ARGUMENT);
    assert_int_equal(closing, ROTO_OK);

    struct stat info;
    assert_int_equal(stat(path.text, &info), 0);
    assert_in_range(info.st_size, limit_bytes / 3, limit_bytes);
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    roto_frame *frame;
    int n = 0;
    for (; (status = roto_source_read(source, &frame)) == ROTO_OK; n++)
        roto_frame_release(frame);
    assert_int_equal(status, ROTO_END); /* nothing is cut off in the middle */
    assert_true(n >= 25);
    roto_source_close(source);
    temp_folder_remove(&folder);
}

/* Room for the fragments, but not for the copy with its index in front. */
static void no_room_for_rewriting_keeps_the_fragments(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    clip_make_fragments(path.text, WIDTH, HEIGHT, 60, 25);
    size_t bytes, bytes_after;
    char *data = temp_folder_get(&path, &bytes);
    assert_true(find_box(data, bytes, "moof") > 0);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {bytes / 2, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool done = mp4_rewrite(path.text, 60);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(done);
    assert_int_equal(temp_folder_count(&folder), 1);
    char *after = temp_folder_get(&path, &bytes_after);
    assert_int_equal(bytes_after, bytes);
    assert_memory_equal(after, data, bytes);
    assert_false(mp4_rewrite(path.text, 59)); /* a frame more than was written: something is off */
    assert_true(mp4_rewrite(path.text, 60));
    free(data);
    free(after);
    int n;
    assert_int_equal(clip_check(path.text, 25, &n), ROTO_END);
    assert_int_equal(n, 60);
    temp_folder_remove(&folder);
}

static void devices_and_bad_places_are_told_apart(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    video_writer *writer;
    assert_int_equal(video_writer_open("/nowhere/a.mp4", NULL, &writer), ROTO_ERROR_IO);
    assert_null(writer);
    assert_non_null(strstr(roto_error_message(), "/nowhere/a.mp4: cannot create"));
    assert_int_equal(video_writer_open(folder.path, NULL, &writer), ROTO_ERROR_IO);

    writer = clip_open("/dev/full", 25);
    int n_written;
    assert_int_equal(write_noise(writer, 1000, &n_written), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "/dev/full: cannot write: No space left"));
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    struct stat info;
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    temp_folder_remove(&folder);
}

static void a_file_without_frames_is_removed(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    assert_int_equal(video_writer_close(clip_open(path.text, 25)), ROTO_OK);
    assert_int_equal(temp_folder_count(&folder), 0);
    temp_folder_remove(&folder);
}

static void parameters_out_of_range_are_refused(void **state)
{
    (void)state;
    video_writer *writer;
    video_writer_params bad[5];
    for (int i = 0; i < 5; i++)
        bad[i] = video_writer_params_default();
    bad[0].preset = "quick";
    bad[1].preset = NULL;
    bad[2].crf = 52;
    bad[3].n_threads = 0;
    bad[4].fps = (double)NAN;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(video_writer_open("/nowhere/a.mp4", &bad[i], &writer),
                         ROTO_ERROR_ARGUMENT);
        assert_null(writer);
    }
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    writer = clip_open(path.text, 25);
    clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, WIDTH, HEIGHT);
    clip_picture_paint(&p, 0);
    assert_int_equal(video_writer_write(writer, &p.image, (double)NAN, 1), ROTO_ERROR_ARGUMENT);
    assert_int_equal(video_writer_write(writer, &p.image, 1e9, 1), ROTO_ERROR_ARGUMENT);
    assert_int_equal(video_writer_write(writer, &p.image, 0, 0), ROTO_ERROR_ARGUMENT);
    assert_int_equal(video_writer_write(writer, &p.image, 5, 1), ROTO_OK);
    assert_int_equal(video_writer_write(writer, &p.image, 4, 1), ROTO_ERROR_ARGUMENT);
    p.image.width = 0;
    assert_int_equal(video_writer_write(writer, &p.image, 6, 1), ROTO_ERROR_ARGUMENT);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    free(p.pixels);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_and_times_come_back),
        cmocka_unit_test(uneven_times_come_back),
        cmocka_unit_test(a_closed_file_is_plain_with_its_index_in_front),
        cmocka_unit_test(an_interrupted_file_plays_up_to_the_last_second),
        cmocka_unit_test(a_full_disk_is_reported_and_leaves_whole_fragments),
        cmocka_unit_test(no_room_for_rewriting_keeps_the_fragments),
        cmocka_unit_test(devices_and_bad_places_are_told_apart),
        cmocka_unit_test(a_file_without_frames_is_removed),
        cmocka_unit_test(parameters_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
