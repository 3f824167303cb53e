#include "support/cmocka_all.h"

#include "video/clip.h"
#include "video/frame.h"

#include <malloc.h>
#include <math.h>
#include <stdbool.h>

enum { WIDTH = 96, HEIGHT = 64, N_FRAMES = 60, FPS = 25 };

/* The file cut to a share of its bytes gives some of its frames, then says that it breaks off. */
static int check_cut(const temp_folder *folder, const char *data, size_t bytes,
                     roto_status expected)
{
    temp_path path = temp_folder_join(folder, "cut.mp4");
    temp_folder_put(&path, data, bytes);
    int n;
    assert_int_equal(clip_check(path.text, FPS, &n), expected);
    if (expected != ROTO_END)
        assert_non_null(strstr(roto_error_message(), "cut.mp4: breaks off after"));
    return n;
}

static void a_file_cut_short_gives_its_frames_and_says_so(void **state)
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
        int before = 0;
        for (int share = 50; share <= 90; share += 10) {
            int n = check_cut(&folder, data, bytes * (size_t)share / 100, ROTO_ERROR_FORMAT);
            assert_in_range(n, before, N_FRAMES - 1);
            before = n;
        }
        assert_true(before >= N_FRAMES / 2);
        assert_int_equal(check_cut(&folder, data, bytes, ROTO_END), N_FRAMES);
        /* The header alone, and not even that. */
        temp_path cut = temp_folder_join(&folder, "cut.mp4");
        for (size_t keep = 100; keep < 1000; keep += 300) {
            temp_folder_put(&cut, data, keep);
            roto_source *source;
            assert_int_equal(roto_source_open(cut.text, NULL, &source), ROTO_ERROR_FORMAT);
            assert_null(source);
        }
        free(data);
    }
    temp_folder_remove(&folder);
}

static void damage_in_the_middle_costs_frames_and_is_reported(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    enum { N_LONG = 280 }; /* x264 starts anew after 250 frames */
    clip_make(path.text, WIDTH, HEIGHT, N_LONG, FPS);
    size_t bytes;
    char *data = temp_folder_get(&path, &bytes);
    memset(data + bytes * 6 / 10, 0xff, bytes / 50);
    temp_folder_put(&path, data, bytes);
    free(data);
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    roto_frame *frame;
    roto_status status;
    int n = 0;
    double before_s = -1;
    for (; (status = roto_source_read(source, &frame)) == ROTO_OK; n++) {
        assert_true(frame->time_s >= before_s && frame->duration_s > 0);
        before_s = frame->time_s;
        roto_frame_release(frame);
    }
    assert_int_equal(status, ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "damaged"));
    assert_in_range(n, N_LONG / 2, N_LONG - 1);
    assert_true(fabs(before_s - (N_LONG - 1.0) / FPS) < 1e-3); /* it went on after the damage */
    roto_source_close(source);
    temp_folder_remove(&folder);
}

static void held_frames_keep_their_pixels(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    clip_make(path.text, WIDTH, HEIGHT, N_FRAMES, FPS);
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        roto_source_params params = roto_source_params_default();
        params.n_threads = n_threads;
        roto_source *source;
        assert_int_equal(roto_source_open(path.text, &params, &source), ROTO_OK);
        roto_frame *held[N_FRAMES];
        for (int i = 0; i < N_FRAMES; i++)
            assert_int_equal(roto_source_read(source, &held[i]), ROTO_OK);
        for (int i = N_FRAMES - 1; i >= 0; i--) {
            assert_int_equal(roto_image_check(&held[i]->image), ROTO_OK);
            assert_true(fabs(clip_mean_luma(&held[i]->image) - clip_luma(i)) < 2);
            roto_frame_release(held[i]);
        }
        roto_source_close(source);
    }
    temp_folder_remove(&folder);
}

static void time_goes_on_after_a_gap_beyond_reason(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    const double times[] = {0, 0.04, 0.08, 7300, 7300.04}, expected[] = {0, 0.04, 0.08, 0, 0.04};
    video_writer *writer = clip_open(path.text, FPS);
    clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, WIDTH, HEIGHT);
    clip_picture_paint(&p, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(video_writer_write(writer, &p.image, times[i], 0.04), ROTO_OK);
    free(p.pixels);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    double previous_s = 0, resumed_s = 0;
    for (int i = 0; i < 5; i++) {
        roto_frame *frame;
        assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
        if (i == 3) { /* one nominal duration later, whatever that is at this mean rate */
            resumed_s = frame->time_s;
            assert_true(fabs(resumed_s - previous_s - frame->duration_s) < 1e-6);
        }
        assert_true(fabs(frame->time_s - expected[i] - (i >= 3 ? resumed_s : 0)) < 1e-4);
        previous_s = frame->time_s;
        roto_frame_release(frame);
    }
    roto_source_close(source);
    temp_folder_remove(&folder);
}

/* The sanitizers' allocators do not count for mallinfo2(). */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Bytes by which the heap grows between a tenth of the frames and all. */
static size_t heap_growth(const char *path, int n_frames)
{
    size_t in_use[2] = {0};
    video_writer *writer = clip_open("/dev/null", FPS);
    roto_source *source;
    assert_int_equal(roto_source_open(path, NULL, &source), ROTO_OK);
    for (int i = 0; i < n_frames; i++) {
        roto_frame *frame;
        assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
        draw_target target;
        assert_int_equal(frame_begin_drawing(frame, &target), ROTO_OK);
        memset(target.plane[0], 77, 16);
        assert_int_equal(video_writer_write(writer, &frame->image, frame->time_s, 0.04), ROTO_OK);
        roto_frame_release(frame);
        if (i == n_frames / 10)
            in_use[0] = mallinfo2().uordblks + mallinfo2().hblkhd;
    }
    in_use[1] = mallinfo2().uordblks + mallinfo2().hblkhd;
    roto_source_close(source);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    return in_use[1] > in_use[0] ? in_use[1] - in_use[0] : 0;
}

static void memory_stays_flat(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    clip_make(path.text, WIDTH, HEIGHT, 2000, FPS);
    /* FFmpeg notes where each fragment of a second lies, and the packets held back differ in size;
     * 16 bytes lost with each of the 1,800 frames would show. */
    assert_in_range(heap_growth(path.text, 2000), 0, 24 * 1024);
    temp_folder_remove(&folder);
}
#endif

static void drawing_changes_no_later_frame(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    clip_make(path.text, WIDTH, HEIGHT, N_FRAMES, FPS);
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    for (int i = 0; i < N_FRAMES; i++) {
        roto_frame *frame;
        assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
        assert_true(fabs(clip_mean_luma(&frame->image) - clip_luma(i)) < 2);
        draw_target target;
        assert_int_equal(frame_begin_drawing(frame, &target), ROTO_OK);
        assert_ptr_equal(target.plane[0], frame->image.plane[0]);
        for (int y = 0; y < HEIGHT; y++)
            memset(target.plane[0] + y * target.stride_bytes[0], 255, WIDTH);
        assert_true(clip_mean_luma(&frame->image) > 254);
        roto_frame_release(frame);
    }
    roto_source_close(source);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_short_gives_its_frames_and_says_so),
        cmocka_unit_test(damage_in_the_middle_costs_frames_and_is_reported),
        cmocka_unit_test(held_frames_keep_their_pixels),
        cmocka_unit_test(time_goes_on_after_a_gap_beyond_reason),
        cmocka_unit_test(drawing_changes_no_later_frame),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(memory_stays_flat),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
