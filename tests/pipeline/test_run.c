#include "support/cmocka_all.h"
#include "support/temp_folder.h"

#include <roto/roto.h>

#include <string.h>

static const char clip[] = ROTO_SOURCE_DIR "/assets/clips/bedroom.mp4";
static const char model[] = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";
static const char *const people[] = {"person"};

enum { N_FRAMES = 12 };

static roto_run_params people_in_clip(void)
{
    roto_run_params p = roto_run_params_default();
    p.input = clip;
    p.model_path = model;
    p.class_names = people;
    p.n_class_names = 1;
    p.max_frames = N_FRAMES;
    p.detector.compute.n_threads = 2;
    return p;
}

static int count_lines(const temp_path *path)
{
    size_t bytes;
    char *text = temp_folder_get(path, &bytes);
    int n = 0;
    for (char *c = text; (c = strchr(c, '\n')); c++)
        n++;
    assert_true(bytes == 0 || text[bytes - 1] == '\n');
    free(text);
    return n;
}

/* What the callbacks of a run have seen. */
typedef struct witness {
    int64_t next_index, n_tracks;
    int64_t stop_at; /* the frame whose callback stops the run; -1: none */
    int n_progress, stop_progress;
    roto_run_progress latest;
} witness;

static int32_t see_frame(void *user, const roto_run_frame *found)
{
    witness *w = user;
    const roto_track *tracks = found->tracks;
    assert_int_equal(found->frame->index, w->next_index++);
    for (int32_t i = 0; i < found->n_tracks; i++)
        assert_true(tracks[i].id >= 1 && (i == 0 || tracks[i].id > tracks[i - 1].id));
    w->n_tracks += found->n_tracks;
    return found->frame->index == w->stop_at;
}

static int32_t see_progress(void *user, const roto_run_progress *progress)
{
    witness *w = user;
    assert_true(progress->frames_done >= w->latest.frames_done);
    w->latest = *progress;
    w->n_progress++;
    return w->stop_progress;
}

static void all_outputs_hold_all_frames(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path json = temp_folder_join(&folder, "t.jsonl"), mot = temp_folder_join(&folder, "t.txt"),
              video = temp_folder_join(&folder, "t.mp4");
    roto_run_params p = people_in_clip();
    witness w = {.stop_at = -1};
    p.json_path = json.text;
    p.mot_path = mot.text;
    p.overlay_path = video.text;
    p.on_frame = see_frame;
    p.on_progress = see_progress;
    p.user = &w;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_int_equal(roto_run(&p, &s), ROTO_OK);
    assert_int_equal(w.next_index, N_FRAMES);
    assert_int_equal(s.n_frames, N_FRAMES);
    assert_int_equal(s.n_identities, 2);
    assert_true(s.n_detections >= w.n_tracks && w.n_tracks >= N_FRAMES);
    assert_int_equal(w.latest.frames_done, N_FRAMES);
    assert_int_equal(w.latest.frames_total, N_FRAMES);
    assert_true(s.elapsed_s > 0 && s.frames_per_s > 0);
    assert_true(s.times.decode_s > 0 && s.times.detect_s > 0 && s.times.encode_s > 0);
    assert_true(s.detect_median_ms > 0 && s.detect_p99_ms >= s.detect_median_ms);
    assert_int_equal(count_lines(&json), N_FRAMES);
    assert_int_equal(count_lines(&mot), w.n_tracks);

    roto_run_params again = people_in_clip();
    again.input = video.text;
    again.max_frames = 0;
    roto_run_summary of_overlay = {.struct_bytes = sizeof(of_overlay)};
    assert_int_equal(roto_run(&again, &of_overlay), ROTO_OK);
    assert_int_equal(of_overlay.n_frames, N_FRAMES);
    temp_folder_remove(&folder);
}

static void a_frame_callback_stops_the_run_behind_its_frame(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path json = temp_folder_join(&folder, "t.jsonl");
    roto_run_params p = people_in_clip();
    witness w = {.stop_at = 4};
    p.json_path = json.text;
    p.on_frame = see_frame;
    p.user = &w;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_int_equal(roto_run(&p, &s), ROTO_CANCELLED);
    assert_int_equal(s.n_frames, 5);
    assert_int_equal(w.next_index, 5);
    assert_int_equal(count_lines(&json), 5);
    temp_folder_remove(&folder);
}

static void a_progress_callback_stops_the_run(void **state)
{
    (void)state;
    roto_run_params p = people_in_clip();
    witness w = {.stop_at = -1, .stop_progress = 1};
    p.max_frames = 0;
    p.on_progress = see_progress;
    p.user = &w;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_int_equal(roto_run(&p, &s), ROTO_CANCELLED);
    assert_int_equal(w.n_progress, 1);
    assert_true(s.n_frames < 200);
}

static void writers_that_fail_end_the_run_with_their_message(void **state)
{
    (void)state;
    roto_run_params p = people_in_clip();
    p.json_path = "/dev/full";
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_int_equal(roto_run(&p, &s), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "/dev/full"));
    assert_int_equal(s.n_frames, 0);
}

/* Stops at the frame before the one at which the writers would fail, or just after: whichever comes
 * first, everything ends. */
static void stopping_and_failing_together_end_the_run(void **state)
{
    (void)state;
    for (int64_t stop_at = 0; stop_at < 4; stop_at++) {
        roto_run_params p = people_in_clip();
        witness w = {.stop_at = stop_at};
        p.mot_path = "/dev/full"; /* has something to write from the third frame on */
        p.on_frame = see_frame;
        p.user = &w;
        roto_status status = roto_run(&p, NULL);
        assert_true(status == ROTO_CANCELLED || status == ROTO_ERROR_IO);
    }
}

static void a_video_that_breaks_off_gives_its_frames_first(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path whole = {.text = ""}, cut = temp_folder_join(&folder, "cut.mp4"),
              json = temp_folder_join(&folder, "t.jsonl");
    snprintf(whole.text, sizeof(whole.text), "%s", clip);
    size_t bytes;
    char *data = temp_folder_get(&whole, &bytes);
    temp_folder_put(&cut, data, bytes / 10);
    free(data);
    roto_run_params p = people_in_clip();
    p.input = cut.text;
    p.max_frames = 0;
    p.json_path = json.text;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_int_equal(roto_run(&p, &s), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "cut.mp4"));
    assert_in_range(s.n_frames, 5, 60);
    assert_int_equal(count_lines(&json), s.n_frames);
    temp_folder_remove(&folder);
}

static void wrong_parameters_are_refused_before_any_work(void **state)
{
    (void)state;
    static const char *const misspelt[] = {"persn"};
    roto_run_params p = people_in_clip();
    assert_int_equal(roto_run(NULL, NULL), ROTO_ERROR_ARGUMENT);
    p.struct_bytes--;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    p = people_in_clip();
    p.input = NULL;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    p = people_in_clip();
    p.model_path = NULL;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    p = people_in_clip();
    p.max_frames = -1;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    p = people_in_clip();
    p.overlay_crf = 52;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    p = people_in_clip();
    p.n_class_names = -1;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    p = people_in_clip();
    p.overlay_path = clip;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "are the same"));
    p = people_in_clip();
    p.class_names = misspelt;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "did you mean \"person\"?"));
    p = people_in_clip();
    p.tracker.max_objects = 0;
    assert_int_equal(roto_run(&p, NULL), ROTO_ERROR_ARGUMENT);
    roto_run_summary s = {.struct_bytes = 1};
    p = people_in_clip();
    assert_int_equal(roto_run(&p, &s), ROTO_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_outputs_hold_all_frames),
        cmocka_unit_test(a_frame_callback_stops_the_run_behind_its_frame),
        cmocka_unit_test(a_progress_callback_stops_the_run),
        cmocka_unit_test(writers_that_fail_end_the_run_with_their_message),
        cmocka_unit_test(stopping_and_failing_together_end_the_run),
        cmocka_unit_test(a_video_that_breaks_off_gives_its_frames_first),
        cmocka_unit_test(wrong_parameters_are_refused_before_any_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
