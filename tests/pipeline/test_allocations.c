/* Counts heap allocations by standing in for malloc and its kin: the frame loop of the engine must
 * have none after its first frames. Not for builds with sanitizers, which do the same. */
#include "support/cmocka_all.h"

#include <roto/roto.h>

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic long long of_all_threads;
static _Thread_local long long of_this_thread;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static void count(void)
{
    atomic_fetch_add(&of_all_threads, 1);
    of_this_thread++;
}

void *malloc(size_t bytes)
{
    count();
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    count();
    return __libc_calloc(n, bytes);
}

void *realloc(void *block, size_t bytes)
{
    count();
    return __libc_realloc(block, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
    count();
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    *out = memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}

static const char clip[] = ROTO_SOURCE_DIR "/assets/clips/bedroom.mp4";
static const char model[] = ROTO_SOURCE_DIR "/assets/models/yolox_nano.onnx";
static const char segmenter[] = ROTO_SOURCE_DIR "/assets/models/roto_s.safetensors";

enum { N_FRAMES = 24, WARM_UP_FRAMES = 3 };

static void the_counter_counts(void **state)
{
    (void)state;
    long long all = atomic_load(&of_all_threads), mine = of_this_thread;
    void *volatile block = malloc(1);
    free(block);
    assert_int_equal(atomic_load(&of_all_threads) - all, 1);
    assert_int_equal(of_this_thread - mine, 1);
}

/* Frames are decoded before, so that nothing but the engine and its worker threads runs. */
static void detecting_and_tracking_allocate_nothing(void **state)
{
    (void)state;
    roto_source *source = NULL;
    roto_detector *detector = NULL;
    roto_tracker *tracker = NULL;
    roto_frame *frames[N_FRAMES];
    roto_detector_params params = roto_detector_params_default();
    params.compute.n_threads = 2;
    assert_int_equal(roto_source_open(clip, NULL, &source), ROTO_OK);
    assert_int_equal(roto_detector_open(model, &params, &detector), ROTO_OK);
    assert_int_equal(roto_tracker_new(NULL, &tracker), ROTO_OK);
    for (int i = 0; i < N_FRAMES; i++)
        assert_int_equal(roto_source_read(source, &frames[i]), ROTO_OK);
    long long before = 0;
    int64_t n_objects = 0;
    for (int i = 0; i < N_FRAMES; i++) {
        const roto_detection *detections;
        const roto_track *tracks;
        int32_t n, n_tracks;
        if (i == WARM_UP_FRAMES)
            before = atomic_load(&of_all_threads);
        roto_status status = roto_detector_run(detector, &frames[i]->image, &detections, &n);
        if (status == ROTO_OK)
            status = roto_tracker_update(tracker, detections, n, frames[i]->time_s,
                                         frames[i]->duration_s, &tracks, &n_tracks);
        if (status != ROTO_OK)
            fail_msg("frame %d: %s", i, roto_error_message());
        n_objects += n_tracks;
    }
    assert_int_equal(atomic_load(&of_all_threads) - before, 0);
    assert_true(n_objects > N_FRAMES);
    for (int i = 0; i < N_FRAMES; i++)
        roto_frame_release(frames[i]);
    roto_tracker_free(tracker);
    roto_detector_close(detector);
    roto_source_close(source);
}

static int32_t note_count(void *user, const roto_run_frame *found)
{
    long long *at_frame = user;
    at_frame[found->frame->index] = of_this_thread;
    return 0;
}

/* Objects are born and their masks are refreshed in the first frames. */
static void following_by_masks_allocates_nothing(void **state)
{
    (void)state;
    enum { SETTLED = 8, LAST = 13 };
    long long at_frame[N_FRAMES] = {0};
    const char *const person[] = {"person"};
    roto_run_params p = roto_run_params_default();
    p.input = clip;
    p.model_path = model;
    p.class_names = person;
    p.n_class_names = 1;
    p.segmenter_path = segmenter;
    p.detect_every = 4;
    p.max_frames = LAST + 1;
    p.json_path = "/dev/null";
    p.on_frame = note_count;
    p.user = at_frame;
    if (roto_run(&p, NULL) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_int_equal(at_frame[LAST] - at_frame[SETTLED], 0);
}

static void the_thread_that_runs_the_model_allocates_nothing(void **state)
{
    (void)state;
    long long at_frame[N_FRAMES] = {0};
    roto_run_params p = roto_run_params_default();
    p.input = clip;
    p.model_path = model;
    p.max_frames = N_FRAMES;
    p.json_path = "/dev/null";
    p.mot_path = "/dev/null";
    p.overlay_path = "/dev/null";
    p.on_frame = note_count;
    p.user = at_frame;
    if (roto_run(&p, NULL) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_int_equal(at_frame[N_FRAMES - 1] - at_frame[WARM_UP_FRAMES], 0);
}

/* Masks go to the writers in buffers that exist once each has been used. */
static void neither_does_it_with_masks(void **state)
{
    (void)state;
    enum { BUFFERS = 8 };
    long long at_frame[N_FRAMES] = {0};
    const float points[2][2] = {{360, 200}, {250, 300}};
    roto_run_prompt prompts[2];
    for (int i = 0; i < 2; i++) {
        prompts[i] = (roto_run_prompt){.id = i + 1, .prompt = roto_prompt_default()};
        prompts[i].prompt.points = points[i];
        prompts[i].prompt.n_points = 1;
    }
    roto_run_params p = roto_run_params_default();
    p.input = clip;
    p.segmenter_path = ROTO_SOURCE_DIR "/assets/models/roto_s.safetensors";
    p.prompts = prompts;
    p.n_prompts = 2;
    p.max_frames = N_FRAMES;
    p.json_path = "/dev/null";
    p.overlay_path = "/dev/null";
    p.on_frame = note_count;
    p.user = at_frame;
    if (roto_run(&p, NULL) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    assert_true(at_frame[1] > 0);
    assert_int_equal(at_frame[N_FRAMES - 1] - at_frame[BUFFERS], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(detecting_and_tracking_allocate_nothing),
        cmocka_unit_test(following_by_masks_allocates_nothing),
        cmocka_unit_test(the_thread_that_runs_the_model_allocates_nothing),
        cmocka_unit_test(neither_does_it_with_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
