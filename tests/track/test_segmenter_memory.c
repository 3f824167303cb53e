/* A segmenter whose memory is motion-aware, distractor-aware or pruned. test_memory_rules.c has the
 * rules themselves. */
#include "support/count_allocations.h"
#include "track/segmenter_fixture.h"

#include <string.h>

enum { N_FRAMES = 24 };

static roto_segmenter *open_with(const roto_memory_params *memory, int32_t n_threads)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = n_threads;
    if (memory)
        params.memory = *memory;
    return segmenter_synthetic(&params);
}

/* What two objects look like at the end, and how often memory was asked for after ten frames. */
typedef struct outcome {
    float iou[2], area[2];
    int n_allocations;
} outcome;

static outcome follow(roto_segmenter *s)
{
    outcome out = {0};
    int before = 0;
    const roto_segment *segments = NULL;
    int32_t n = 0;
    assert_ok(click(s, 1, 0, 40, 40, 1));
    assert_ok(give_box(s, 2, 0, (roto_box){60, 20, 110, 70}));
    for (int t = 0; t < N_FRAMES; t++) {
        const roto_image image = picture(t);
        if (t == 10)
            before = allocations_counted();
        assert_ok(roto_segmenter_frame(s, &image, t, &segments, &n));
        assert_int_equal(n, 2);
    }
    out.n_allocations = allocations_counted() - before;
    for (int i = 0; i < 2; i++) {
        out.iou[i] = segments[i].iou;
        out.area[i] = segments[i].area;
    }
    return out;
}

static const roto_memory_params choices[] = {
    {.prune_margin = -1},
    {.motion_aware = 1, .prune_margin = -1},
    {.distractor_aware = 1, .prune_margin = -1},
    {.prune_margin = 0},
    {.motion_aware = 1, .distractor_aware = 1, .max_cond_frames = 2, .prune_margin = 1},
};
enum { N_CHOSEN = sizeof(choices) / sizeof(choices[0]) };

static void each_option_matters_allocates_nothing_and_is_the_same_on_all_threads(void **state)
{
    (void)state;
    outcome first = {0};
    for (int i = 0; i < N_CHOSEN; i++) {
        roto_segmenter *one = open_with(&choices[i], 1), *many = open_with(&choices[i], 3);
        const outcome a = follow(one), b = follow(many);
        assert_int_equal(a.n_allocations, 0);
        assert_memory_equal(a.iou, b.iou, sizeof(a.iou));
        assert_memory_equal(a.area, b.area, sizeof(a.area));
        if (i == 0)
            first = a;
        else
            assert_memory_not_equal(a.iou, first.iou, sizeof(a.iou));
        /* Forgetting everything, it does the same again. */
        roto_segmenter_reset(one);
        const outcome again = follow(one);
        assert_memory_equal(a.iou, again.iou, sizeof(a.iou));
        roto_segmenter_close(one);
        roto_segmenter_close(many);
    }
}

static void defaults_are_the_published_memory(void **state)
{
    (void)state;
    roto_segmenter *s = open_with(NULL, 1), *off = open_with(&choices[0], 1);
    const outcome a = follow(s), b = follow(off);
    assert_memory_equal(a.iou, b.iou, sizeof(a.iou));
    assert_false(s->objects[0]->bank.shape.selective);
    assert_int_equal(s->objects[0]->bank.shape.n_cells, 0);
    roto_segmenter_close(s);
    roto_segmenter_close(off);
}

/* Where a distractor is seen, the memory of the frame is among those seen like prompted ones, and
 * is the one that was remembered of it. */
static void an_anchor_is_a_copy_of_the_frames_memory(void **state)
{
    (void)state;
    roto_segmenter *s = open_with(&choices[2], 1);
    assert_ok(click(s, 1, 0, 40, 40, 1));
    for (int t = 0; t < 4; t++) {
        const roto_image image = picture(t);
        assert_ok(roto_segmenter_frame(s, &image, t, NULL, NULL));
    }
    segment_object *o = s->objects[0];
    assert_int_equal(o->bank.n_conditioning, 1);
    o->anchors = true; /* as segment_look_for_distractor() would say */
    assert_ok(segment_remember(s, &o, 1));
    assert_int_equal(o->bank.n_conditioning, 2);
    const memory_view view = memory_bank_look(&o->bank, 4, 1);
    assert_int_equal(view.n_conditioning, 2);
    const conditioning_slot *anchor = view.conditioning[1];
    assert_int_equal(anchor->frame, 3);
    assert_non_null(view.recent[0]);
    assert_int_equal(view.recent[0]->frame, 3);
    const memory_place a = anchor->memory, b = view.recent[0]->memory;
    const size_t n = (size_t)o->bank.shape.memory_floats;
    assert_ok(s->table->wait(s->backend));
    assert_memory_equal(a.in->data + a.at, b.in->data + b.at, n * sizeof(float));
    /* The next frame sees it. */
    const roto_image image = picture(4);
    assert_ok(roto_segmenter_frame(s, &image, 4, NULL, NULL));
    roto_segmenter_close(s);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        roto_memory_params memory;
        int32_t max_conditioning;
        const char *message;
    } wrong[] = {
        {{.motion_aware = 2, .prune_margin = -1}, 4, "motion_aware is 2"},
        {{.distractor_aware = -1, .prune_margin = -1}, 4, "distractor_aware is -1"},
        {{.max_cond_frames = 1, .prune_margin = -1},
         4,
         "max_cond_frames is 1; it has to be 0 or 2..8"},
        {{.max_cond_frames = 9, .prune_margin = -1}, 4, "max_cond_frames is 9"},
        {{.prune_margin = -2}, 4, "prune_margin is -2"},
        {{.prune_margin = 1025}, 4, "prune_margin is 1025"},
        {{.distractor_aware = 1, .prune_margin = -1}, 6, "at most 5 prompted frames have room"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        roto_segmenter_params params = roto_segmenter_params_default();
        params.memory = wrong[i].memory;
        params.max_conditioning = wrong[i].max_conditioning;
        roto_segmenter *s = NULL;
        assert_refused(roto_segmenter_open("no such file", &params, &s), ROTO_ERROR_ARGUMENT,
                       wrong[i].message);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_matters_allocates_nothing_and_is_the_same_on_all_threads),
        cmocka_unit_test(defaults_are_the_published_memory),
        cmocka_unit_test(an_anchor_is_a_copy_of_the_frames_memory),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
