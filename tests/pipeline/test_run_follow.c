/* roto_run() with a detector whose objects the segmenter carries. */
#include "support/cmocka_all.h"
#include "support/temp_folder.h"

#include <roto/roto.h>
#include <stdbool.h>
#include <string.h>

static const char clip[] = ROTO_SOURCE_DIR "/assets/clips/bedroom.mp4";
static const char model[] = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";
static const char segmenter[] = ROTO_SOURCE_DIR "/assets/models/roto_s.safetensors";
static const char *const person[] = {"person"};

enum { N_FRAMES = 7, EVERY = 6, WIDTH = 960, MARKED_FRAMES = 5 };

/* Around the older of the two children at the start of the clip. */
static const roto_box older = {316, 9, 514, 398};

static roto_run_params run_of(int32_t n_threads)
{
    roto_run_params p = roto_run_params_default();
    p.input = clip;
    p.model_path = model;
    p.segmenter_path = segmenter;
    p.class_names = person;
    p.n_class_names = 1;
    p.detect_every = EVERY;
    p.max_frames = N_FRAMES;
    p.detector.compute.n_threads = p.segmenter.compute.n_threads = n_threads;
    return p;
}

static void assert_ok(roto_status status)
{
    if (status != ROTO_OK)
        fail_msg("%s", roto_error_message());
}

typedef struct watch {
    int64_t first_id, second_id, n_frames, n_both; /* second_id 0: any that is larger */
} watch;

static float middle(const roto_box *b)
{
    return (b->x0 + b->x1) / 2;
}

/* The girl jumps at the right of the boy, who kneels. */
static int32_t look(void *user, const roto_run_frame *found)
{
    watch *w = user;
    w->n_frames++;
    assert_int_equal(found->n_tracks, found->n_segments);
    for (int32_t i = 0; i < found->n_tracks; i++) {
        const roto_track *t = &found->tracks[i];
        const roto_segment *s = &found->segments[i];
        assert_int_equal(t->missed_frames, 0);
        assert_int_equal(s->id, t->id);
        assert_in_range((int64_t)s->area, 10000, 60000);
        const float *in = s->logits + (s->logits_height / 2) * s->logits_width;
        int32_t n = 0;
        for (int32_t x = 0; x < s->logits_width; x++)
            n += in[x] > 0 && (float)x * WIDTH / (float)s->logits_width > t->box.x0 - 9 &&
                 (float)x * WIDTH / (float)s->logits_width < t->box.x1 + 9;
        assert_true(n > 0); /* both reach over the middle of the picture */
    }
    if (found->n_tracks < 2)
        return 0;
    w->n_both++;
    assert_int_equal(found->n_tracks, 2);
    if (w->second_id == 0)
        w->second_id = found->tracks[1].id;
    assert_int_equal(found->tracks[0].id, w->first_id);
    assert_int_equal(found->tracks[1].id, w->second_id);
    assert_true(w->second_id > w->first_id);
    const float first = middle(&found->tracks[0].box), second = middle(&found->tracks[1].box);
    assert_true(first > second + 50);
    return 0;
}

static void masks_carry_what_the_detector_found(void **state)
{
    (void)state;
    watch w = {.first_id = 1, .second_id = 2};
    roto_run_params p = run_of(2);
    p.on_frame = look;
    p.user = &w;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_ok(roto_run(&p, &s));
    assert_int_equal(w.n_frames, N_FRAMES);
    assert_true(w.n_both >= N_FRAMES - 3);
    assert_int_equal(s.n_identities, 2);
    /* Two children in each frame in which the detector ran, which were not all. */
    assert_true(s.n_detections >= 2 * (N_FRAMES / EVERY + 1) && s.n_detections < 2 * N_FRAMES);
    assert_true(s.times.detect_s > 0 && s.times.segment_s > 0);
}

static void marks_and_detections_go_together(void **state)
{
    (void)state;
    roto_run_prompt prompt = {.id = 7, .frame = 0, .prompt = roto_prompt_default()};
    prompt.prompt.box = &older;
    watch w = {.first_id = 7};
    roto_run_params p = run_of(2);
    p.prompts = &prompt;
    p.n_prompts = 1;
    p.max_frames = MARKED_FRAMES;
    p.on_frame = look;
    p.user = &w;
    roto_run_summary s = {.struct_bytes = sizeof(s)};
    assert_ok(roto_run(&p, &s));
    assert_int_equal(w.n_frames, MARKED_FRAMES);
    assert_true(w.n_both >= 1);
    assert_int_equal(s.n_identities, 2);
}

static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    char *text[2];
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        const temp_path json = temp_folder_join(&folder, i ? "2.jsonl" : "1.jsonl");
        roto_run_params p = run_of(i + 1);
        p.json_path = json.text;
        p.max_frames = 3;
        assert_ok(roto_run(&p, NULL));
        text[i] = temp_folder_get(&json, &bytes[i]);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(text[0], text[1], bytes[0]);
    assert_non_null(strstr(text[0], "\"counts\""));
    free(text[0]);
    free(text[1]);
    temp_folder_remove(&folder);
}

static void assert_refused(const roto_run_params *p, const char *words)
{
    assert_int_equal(roto_run(p, NULL), ROTO_ERROR_ARGUMENT);
    if (!strstr(roto_error_message(), words))
        fail_msg("\"%s\" does not say \"%s\"", roto_error_message(), words);
}

static void parameters_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    roto_run_params p = run_of(1);
    p.segmenter_path = NULL;
    assert_refused(&p, "detect_every needs a segmenter_path");
    p = run_of(1);
    p.detect_every = -1;
    assert_refused(&p, "detect_every is -1");
    p = run_of(1);
    p.follower.anchor_iou = 3;
    assert_refused(&p, "anchor_iou");
    p = run_of(1);
    p.follower.tracker.max_objects = 100;
    assert_refused(&p, "max_objects");
    roto_run_prompt prompts[2];
    for (int i = 0; i < 2; i++) {
        prompts[i] = (roto_run_prompt){.id = i + 1, .prompt = roto_prompt_default()};
        prompts[i].prompt.box = &older;
    }
    p = run_of(1);
    p.prompts = prompts;
    p.n_prompts = 2;
    p.follower.tracker.max_objects = 1;
    assert_refused(&p, "prompts for 2 objects");
    p.detect_every = 0;
    assert_refused(&p, "detect_every at least 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_carry_what_the_detector_found),
        cmocka_unit_test(marks_and_detections_go_together),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(parameters_that_do_not_go_together_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
