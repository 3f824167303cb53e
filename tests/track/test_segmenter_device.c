/* A segmenter on the emulated GPU, which does nothing until the host waits: tracks like the CPU,
 * and a frame waits once, allocates nothing and copies little more than its picture and its masks.
 */
#include "track/segmenter_fixture.h"

#include "backend/cuda_emulation/counts.h"
#include "support/relative_l2.h"

#include <dlfcn.h>
#include <stdlib.h>

enum { N_OBJECTS = 3, N_FRAMES = 7, MASK_PIXELS = PICTURE_PIXELS / 16 };

/* fp32 against fp32 with sums in other orders, through memories of seven frames. */
static const double max_relative_l2 = 1e-4;

static const emulated_counts *counts(void)
{
    void *module = dlopen("libroto_cuda.so", RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(module);
    emulated_counts_fn *get;
    *(void **)&get = dlsym(module, "emulated_counts_get");
    assert_non_null(get);
    return get();
}

static roto_segmenter *open_on(const char *device, int32_t max_batch)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.device = device;
    params.compute.n_threads = 2;
    params.max_batch = max_batch;
    params.corrections_condition = 0;
    return segmenter_synthetic(&params);
}

static void prompt_all(roto_segmenter *s)
{
    assert_ok(click(s, 1, 0, 40, 40, 1));
    assert_ok(give_box(s, 2, 0, (roto_box){60, 20, 110, 70}));
    assert_ok(give_mask(s, 3, 1, PICTURE_W, PICTURE_H, 20, 50, 60, 80));
}

typedef struct answers {
    int32_t n;
    roto_segment segments[N_OBJECTS];
    float logits[N_OBJECTS][MASK_PIXELS];
} answers;

static void keep(const roto_segment *segments, int32_t n, answers *to)
{
    assert_in_range(n, 1, N_OBJECTS);
    to->n = n;
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(segments[i].logits_width * segments[i].logits_height, MASK_PIXELS);
        to->segments[i] = segments[i];
        memcpy(to->logits[i], segments[i].logits, sizeof(to->logits[i]));
    }
}

/* A blank picture now and then, in which objects are out of sight. */
static void track(roto_segmenter *s, int frame, answers *to)
{
    roto_image image = picture(frame);
    if (frame == 4)
        memset((void *)(uintptr_t)image.plane[0], 20, 3 * PICTURE_PIXELS);
    const roto_segment *segments;
    int32_t n = 0;
    assert_ok(roto_segmenter_frame(s, &image, frame, &segments, &n));
    keep(segments, n, to);
    if (frame != 2)
        return;
    /* A correction, and a second one without a frame in between. */
    assert_ok(click(s, 1, frame, 44, 60, 0));
    assert_ok(click(s, 1, frame, 30, 30, 1));
    assert_ok(roto_segmenter_results(s, &segments, &n));
    keep(segments, n, to);
}

static void assert_same(const answers *got, const answers *wanted, int frame)
{
    assert_int_equal(got->n, wanted->n);
    for (int32_t i = 0; i < got->n; i++) {
        const double error = relative_l2(got->logits[i], wanted->logits[i], MASK_PIXELS);
        if (!(error <= max_relative_l2))
            fail_msg("frame %d, object %d: relative L2 %.2g", frame, i, error);
        const roto_segment *a = &got->segments[i], *b = &wanted->segments[i];
        assert_int_equal(a->source, b->source);
        assert_int_equal(a->object_score > 0, b->object_score > 0);
        assert_true(a->iou > b->iou - 1e-3f && a->iou < b->iou + 1e-3f);
    }
}

/* One object at a time, and all together. */
static void it_tracks_like_the_cpu(void **state)
{
    (void)state;
    static answers wanted[N_FRAMES], got;
    roto_segmenter *s = open_on("cpu", 0);
    prompt_all(s);
    for (int frame = 0; frame < N_FRAMES; frame++)
        track(s, frame, &wanted[frame]);
    roto_segmenter_close(s);
    for (int32_t max_batch = 0; max_batch <= 1; max_batch++) {
        s = open_on("cuda", max_batch);
        prompt_all(s);
        for (int frame = 0; frame < N_FRAMES; frame++) {
            track(s, frame, &got);
            assert_same(&got, &wanted[frame], frame);
        }
        roto_segmenter_close(s);
    }
}

static void a_frame_waits_once_and_copies_only_what_the_host_needs(void **state)
{
    (void)state;
    static answers last;
    for (int32_t max_batch = 0; max_batch <= 1; max_batch++) {
        roto_segmenter *s = open_on("cuda", max_batch);
        prompt_all(s);
        for (int frame = 0; frame < 4; frame++)
            track(s, frame, &last);
        const int n_batches = max_batch == 1 ? 3 : 2; /* of three objects: two and one */
        for (int frame = 5; frame < 7; frame++) {
            const emulated_counts before = *counts();
            track(s, frame, &last);
            const emulated_counts after = *counts();
            assert_int_equal(after.waits - before.waits, 1);
            assert_int_equal(after.allocations - before.allocations, 0);
            assert_true(after.launches > before.launches);
            /* Masks, IoUs and scores. */
            assert_int_equal(after.to_host - before.to_host, 3 * n_batches);
            assert_int_equal(after.to_host_bytes - before.to_host_bytes,
                             N_OBJECTS * (SAM2_N_MASKS * (MASK_PIXELS + 1) + 1) *
                                 (long)sizeof(float));
            /* The picture's bytes, and of each object the mask, whether it is in sight, which
             * tokens are valid and where its pointers are. */
            const long image_bytes = 3 * PICTURE_PIXELS, mask = MASK_PIXELS + 1,
                       tokens = sam2_window_tokens(&s->model->config, &s->size, 1),
                       positions = memory_window_pointer_floats(s->window, 1);
            assert_int_equal(after.to_device_bytes - before.to_device_bytes,
                             image_bytes +
                                 N_OBJECTS * (mask + tokens + positions) * (long)sizeof(float));
        }
        roto_segmenter_close(s);
    }
}

/* One frame is not announced, and of one another number; corrections and a single image come in
 * between. */
static void frames_that_were_announced_give_the_same_bits(void **state)
{
    (void)state;
    static answers wanted[N_FRAMES], got;
    for (int announced = 0; announced < 2; announced++) {
        roto_segmenter *s = open_on("cuda", 0);
        prompt_all(s);
        for (int frame = 0; frame < N_FRAMES; frame++) {
            roto_image next = picture(frame + 1);
            uint8_t *copy = malloc(3 * PICTURE_PIXELS);
            assert_non_null(copy);
            memcpy(copy, next.plane[0], 3 * PICTURE_PIXELS);
            if (frame + 1 == 4)
                memset(copy, 20, 3 * PICTURE_PIXELS);
            next.plane[0] = copy;
            if (announced && frame != 1)
                assert_ok(roto_segmenter_next(s, &next, frame == 3 ? frame + 7 : frame + 1));
            if (frame == 6) { /* what was made ahead of it is lost */
                const roto_image other = picture(40);
                assert_ok(roto_segmenter_image(s, &other));
            }
            const emulated_counts before = *counts();
            track(s, frame, announced ? &got : &wanted[frame]);
            memset(copy, 0xee, 3 * PICTURE_PIXELS); /* nobody looks at it any more */
            free(copy);
            if (announced) {
                assert_int_equal(got.n, wanted[frame].n);
                for (int32_t i = 0; i < got.n; i++)
                    assert_memory_equal(got.logits[i], wanted[frame].logits[i],
                                        sizeof(got.logits[i]));
            }
            if (frame < 4)
                continue;
            assert_int_equal(counts()->waits - before.waits, 1);
            assert_int_equal(counts()->allocations - before.allocations, 0);
        }
        roto_segmenter_close(s);
    }
}

/* A follower looks at the frame's features too; they come with the masks. */
static void features_that_a_follower_wants_come_without_another_wait(void **state)
{
    (void)state;
    static answers last;
    roto_segmenter *s = open_on("cuda", 0);
    s->keeps_features = true;
    prompt_all(s);
    for (int frame = 0; frame < 4; frame++)
        track(s, frame, &last);
    const emulated_counts before = *counts();
    track(s, 5, &last);
    assert_int_equal(counts()->waits - before.waits, 1);
    assert_int_equal(counts()->allocations - before.allocations, 0);
    const segment_graph *frame = NULL;
    assert_ok(segment_graphs_frame(s->graphs, &frame));
    float *kept = malloc(s->kept_features->n * sizeof(float));
    assert_non_null(kept);
    memcpy(kept, s->kept_features->data, s->kept_features->n * sizeof(float));
    const buffer_copy again = {.to = s->kept_features,
                               .from = frame->ports.out[FRAME_OUT_FEATURES],
                               .n = s->kept_features->n};
    assert_ok(s->table->copy(s->backend, QUEUE_MAIN, &again, 1));
    assert_ok(s->table->wait(s->backend));
    assert_memory_equal(kept, s->kept_features->data, s->kept_features->n * sizeof(float));
    free(kept);
    roto_segmenter_close(s);
}

/* What a close look at frame 2 leaves, after one at frame 0 that another prompt widened. */
static void look_closely(const char *device, segment_view views[2], float *logits)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.device = device;
    params.compute.n_threads = 2;
    params.zoom = 1;
    roto_segmenter *s = segmenter_synthetic(&params);
    assert_ok(give_box(s, 1, 0, (roto_box){50, 40, 70, 60}));
    roto_image image = picture(0);
    const roto_segment *segments;
    int32_t n = 0;
    assert_ok(roto_segmenter_frame(s, &image, 0, &segments, &n));
    memset((void *)(uintptr_t)image.plane[0], 0, 3 * PICTURE_PIXELS); /* the caller's again */
    views[0] = s->view;
    assert_ok(give_box(s, 2, 0, (roto_box){45, 35, 75, 65}));
    assert_ok(give_box(s, 2, 0, (roto_box){2, 2, 124, 92}));
    views[1] = s->view;
    image = picture(2);
    assert_ok(roto_segmenter_frame(s, &image, 2, &segments, &n));
    assert_int_equal(n, 2);
    for (int i = 0; i < 2; i++)
        memcpy(logits + i * MASK_PIXELS, s->objects[i]->logits, MASK_PIXELS * sizeof(float));
    roto_segmenter_close(s);
}

static void it_looks_closely_like_the_cpu(void **state)
{
    (void)state;
    static float wanted[2 * MASK_PIXELS], got[2 * MASK_PIXELS];
    segment_view of_cpu[2], of_device[2];
    look_closely("cpu", of_cpu, wanted);
    look_closely("cuda", of_device, got);
    assert_true(of_cpu[0].level > of_cpu[1].level);
    for (int i = 0; i < 2; i++)
        assert_true(segment_view_same(&of_cpu[i], &of_device[i]));
    const double error = relative_l2(got, wanted, 2 * MASK_PIXELS);
    if (!(error <= max_relative_l2))
        fail_msg("relative L2 %.2g", error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tracks_like_the_cpu),
        cmocka_unit_test(it_looks_closely_like_the_cpu),
        cmocka_unit_test(a_frame_waits_once_and_copies_only_what_the_host_needs),
        cmocka_unit_test(frames_that_were_announced_give_the_same_bits),
        cmocka_unit_test(features_that_a_follower_wants_come_without_another_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
