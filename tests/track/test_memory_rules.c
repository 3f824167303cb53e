/* What is remembered beyond the published rule: motion-aware and distractor-aware memory, the
 * nearest prompted frames, pruned memories. Expected values are worked out by hand. */
#include "support/cmocka_all.h"

#include "backend/backend.h"
#include "track/distractor_memory.h"
#include "track/memory_bank.h"
#include "track/memory_prune.h"
#include "track/motion_memory.h"

#include <math.h>
#include <string.h>

/* ---- motion -----------------------------------------------------------------------------------
 */

static motion_candidate candidate(float x, float iou)
{
    return (motion_candidate){.any = true, .box = {x, 100, x + 40, 140}, .iou = iou};
}

/* An object that moves 4 px a frame to the right; its filter has been told about it up to `frame`.
 */
static motion_memory moving(int frame)
{
    motion_memory m = {0};
    motion_start(&m, &(roto_box){100, 100, 140, 140}, 0);
    for (int t = 1; t <= frame; t++) {
        const motion_candidate one = candidate(100 + 4 * (float)t, 0.9f);
        assert_int_equal(motion_choose(&m, &one, 1, t), 0);
    }
    return m;
}

static void the_expected_box_decides_between_masks_alike(void **state)
{
    (void)state;
    /* 14 frames and the prompt: the filter has a say from now on. At frame 15 it expects 160..200.
     * 0.15 * 1 + 0.85 * 0.70 = 0.745 beats 0.15 * 0 + 0.85 * 0.80 = 0.68. */
    motion_memory m = moving(14);
    const motion_candidate three[3] = {candidate(400, 0.80f), candidate(160, 0.70f),
                                       candidate(300, 0.5f)};
    assert_int_equal(motion_choose(&m, three, 3, 15), 1);
    assert_true(m.has_say && m.kf_score > 0.9f);
    /* It does not outweigh 0.85 * 0.9 = 0.765. */
    m = moving(14);
    const motion_candidate sure[2] = {candidate(400, 0.90f), candidate(160, 0.70f)};
    assert_int_equal(motion_choose(&m, sure, 2, 15), 0);
    assert_true(m.kf_score == 0);
    assert_false(motion_keeps(&m, 0.9f, 5)); /* where it was not expected at all */
}

static void the_filter_has_no_say_before_it_is_stable(void **state)
{
    (void)state;
    motion_memory m = moving(13);
    const motion_candidate two[2] = {candidate(400, 0.80f), candidate(156, 0.70f)};
    assert_int_equal(motion_choose(&m, two, 2, 14), 0);
    assert_false(m.has_say);
    assert_true(motion_keeps(&m, 0.8f, 5));
    /* A doubtful mask makes it start anew. */
    m = moving(20);
    const motion_candidate doubtful = candidate(184, 0.3f);
    motion_choose(&m, &doubtful, 1, 21);
    assert_true(m.has_say);
    assert_int_equal(m.stable_frames, 0);
    const motion_candidate none = {.iou = 0.9f};
    m = moving(20);
    assert_int_equal(motion_choose(&m, &none, 1, 21), 0);
    assert_int_equal(m.stable_frames, 0);
}

static void memories_need_all_three_scores(void **state)
{
    (void)state;
    motion_memory m = {.has_say = true, .kf_score = 0.1f};
    assert_true(motion_keeps(&m, 0.51f, 0.1f));
    assert_false(motion_keeps(&m, 0.5f, 0.1f));
    assert_false(motion_keeps(&m, 0.51f, 0));
    m.kf_score = 0;
    assert_false(motion_keeps(&m, 0.51f, 0.1f));
    m.has_say = false;
    assert_true(motion_keeps(&m, 0.51f, 0.1f));
}

/* ---- distractors ------------------------------------------------------------------------------
 */

enum { W = 12, H = 6 };

static void draw(const char *const rows[H], float *logits)
{
    for (int i = 0; i < W * H; i++)
        logits[i] = rows[i / W][i % W] == '#' ? 1.0f : -1.0f;
}

static float ratio(const char *const mask[H], const char *const alternative[H])
{
    static float a[W * H], b[W * H];
    static int32_t queue[W * H];
    static uint8_t seen[W * H];
    draw(mask, a);
    draw(alternative, b);
    return distractor_ratio(a, b, W, H, &(distractor_scratch){queue, seen});
}

static void an_alternative_with_more_beside_the_mask_is_a_distractor(void **state)
{
    (void)state;
    static const char *const mask[H] = {"............", ".####.......", ".####.......",
                                        ".####.......", "............", "............"};
    static const char *const same[H] = {"............", ".####.......", ".##.#.......",
                                        ".####.......", "............", "............"};
    /* The largest separate part is 2 x 2; a single pixel at the far right does not count. The box
     * grows from 4 x 3 to 8 x 4. */
    static const char *const more[H] = {"...........#", "............", ".####.......",
                                        ".####..##...", ".......##...", "............"};
    static const char *const nothing[H] = {"............", "............", "............",
                                           "............", "............", "............"};
    assert_true(ratio(mask, same) == 1);
    assert_true(ratio(mask, more) == 12.0f / 32.0f);
    assert_true(ratio(nothing, more) == 1);
    assert_true(ratio(mask, nothing) == 1);
}

static void only_sure_frames_of_usual_size_become_anchors(void **state)
{
    (void)state;
    distractor_memory d = {0};
    assert_false(distractor_may_anchor(&d, 100, 0.9f, 1)); /* nothing to compare with */
    assert_true(distractor_may_anchor(&d, 100, 0.9f, 2));
    assert_false(distractor_may_anchor(&d, 100, 0.8f, 3));
    assert_false(distractor_may_anchor(&d, 0, 0.9f, 4));
    assert_false(distractor_may_anchor(&d, 121, 0.9f, 5)); /* the median is 100 */
    assert_true(distractor_may_anchor(&d, 120, 0.9f, 6));
    distractor_anchored(&d, 6);
    assert_false(distractor_may_anchor(&d, 100, 0.9f, 11));
    assert_true(distractor_may_anchor(&d, 100, 0.9f, 12));
    /* The median moves along: of 100 100 100 121 120 100 100 and three times 80 it is 100, */
    assert_true(distractor_may_anchor(&d, 80, 0.9f, 13));
    assert_true(distractor_may_anchor(&d, 80, 0.9f, 14));
    assert_true(distractor_may_anchor(&d, 80, 0.9f, 15));
    /* of the last ten, 121 120 100 100 80 80 80 60 60 60, 80: 60 is less than four fifths of it. */
    distractor_may_anchor(&d, 60, 0.9f, 16);
    distractor_may_anchor(&d, 60, 0.9f, 17);
    assert_false(distractor_may_anchor(&d, 60, 0.9f, 18));
}

/* ---- the bank ---------------------------------------------------------------------------------
 */

static backend *device;

static memory_bank selective(int32_t interval, int32_t max_recent, int32_t max_anchors)
{
    const memory_bank_shape shape = {.memory_floats = 4,
                                     .pointer_floats = 2,
                                     .mask_floats = 3,
                                     .num_maskmem = 5,
                                     .temporal_stride = 1,
                                     .max_pointers = 16,
                                     .max_conditioning = 4,
                                     .selective = true,
                                     .interval = interval,
                                     .max_recent = max_recent,
                                     .max_anchors = max_anchors};
    memory_bank bank;
    assert_int_equal(memory_bank_init(&bank, &shape, &backend_reference, device), ROTO_OK);
    assert_int_equal(memory_bank_reserve(&bank, 4), ROTO_OK);
    return bank;
}

static void track(memory_bank *bank, int64_t frame, int direction, bool recent, bool worthy)
{
    memory_select_judge(bank, memory_bank_memory(bank, frame, direction), recent, worthy);
}

/* -1 ends the list. */
static void assert_recent(const memory_bank *bank, int64_t frame, int direction,
                          const int64_t *expected)
{
    const memory_view view = memory_bank_look(bank, frame, direction);
    for (int i = 0; i < MEMORY_BANK_MAX_SPATIAL; i++) {
        const int64_t found = view.recent[i] ? view.recent[i]->frame : -1;
        if (found != expected[i])
            fail_msg("frame %d sees %d as memory %d; expected %d", (int)frame, (int)found, i,
                     (int)expected[i]);
        if (expected[i] < 0)
            break;
    }
}

static void the_last_frame_and_the_latest_worthy_ones_are_seen(void **state)
{
    (void)state;
    memory_bank bank = selective(1, 4, 0);
    for (int64_t t = 1; t <= 20; t++)
        track(&bank, t, 1, true, t % 3 == 0);
    assert_recent(&bank, 21, 1, (int64_t[]){20, 18, 15, 12, -1});
    track(&bank, 21, 1, true, true);
    assert_recent(&bank, 22, 1, (int64_t[]){21, 18, 15, 12, -1});
    assert_recent(&bank, 21, 1, (int64_t[]){20, 18, 15, 12, -1}); /* seen again for a correction */
    for (int64_t t = 22; t <= 200; t++)
        track(&bank, t, 1, true, false); /* occluded: what was good stays */
    assert_recent(&bank, 201, 1, (int64_t[]){200, 21, 18, 15, -1});
    memory_bank_free(&bank);
}

static void worthy_frames_keep_their_distance_and_absent_ones_are_passed_over(void **state)
{
    (void)state;
    memory_bank bank = selective(5, 3, 0);
    for (int64_t t = 1; t <= 12; t++)
        track(&bank, t, 1, true, true); /* 1, 6 and 11 are kept */
    assert_recent(&bank, 13, 1, (int64_t[]){12, 11, 6, -1});
    for (int64_t t = 13; t <= 30; t++)
        track(&bank, t, 1, false, false);
    assert_recent(&bank, 31, 1, (int64_t[]){11, 6, 1, -1});
    /* In reverse the past is on the other side. */
    assert_recent(&bank, 5, -1, (int64_t[]){6, 11, -1});
    memory_bank_free(&bank);
}

static void anchors_are_seen_like_prompted_frames_and_the_oldest_goes(void **state)
{
    (void)state;
    memory_bank bank = selective(5, 3, 2);
    memory_bank_condition(&bank, 0);
    assert_null(memory_select_anchor(&bank, 0)); /* it is remembered already */
    for (int64_t t = 10; t <= 30; t += 10)
        assert_non_null(memory_select_anchor(&bank, t));
    memory_view view = memory_bank_look(&bank, 31, 1);
    assert_int_equal(view.n_conditioning, 3);
    assert_int_equal(view.conditioning[0]->frame, 0);
    assert_int_equal(view.conditioning[1]->frame + view.conditioning[2]->frame, 20 + 30);
    assert_null(memory_bank_find(&bank, 20)); /* nobody prompted it */
    /* Prompts take nothing from anchors, nor the other way round. */
    for (int64_t t = 40; t <= 90; t += 10)
        memory_bank_condition(&bank, t);
    view = memory_bank_look(&bank, 100, 1);
    assert_int_equal(view.n_conditioning, 4 + 2);
    assert_non_null(memory_bank_find(&bank, 0));
    assert_non_null(memory_bank_find(&bank, 90));
    /* A prompt for an anchor's frame makes it a prompted one. */
    memory_bank_clear(&bank);
    memory_bank_condition(&bank, 0);
    memory_select_anchor(&bank, 10);
    memory_bank_condition(&bank, 10);
    assert_non_null(memory_bank_find(&bank, 10));
    memory_bank_free(&bank);
}

/* The published rule: the nearest before, the nearest after, then whatever is nearest. */
static void assert_nearest(const memory_bank *bank, int64_t frame, const int64_t *expected, int n)
{
    const memory_view view = memory_bank_look(bank, frame, 1);
    assert_int_equal(view.n_conditioning, n);
    for (int i = 0; i < n; i++)
        if (view.conditioning[i]->frame != expected[i])
            fail_msg("frame %d sees the prompted frame %d as number %d; expected %d", (int)frame,
                     (int)view.conditioning[i]->frame, i, (int)expected[i]);
}

static void the_nearest_prompted_frames_are_seen(void **state)
{
    (void)state;
    memory_bank bank = selective(1, 4, 0);
    bank.shape.max_cond_frames = 3;
    static const int64_t prompted[] = {0, 50, 40, 10};
    for (int i = 0; i < 4; i++)
        memory_bank_condition(&bank, prompted[i]);
    assert_nearest(&bank, 45, (int64_t[]){40, 50, 10}, 3);
    assert_nearest(&bank, 60, (int64_t[]){50, 40, 10}, 3);
    assert_nearest(&bank, 5, (int64_t[]){0, 10, 40}, 3);
    assert_nearest(&bank, 40, (int64_t[]){0, 50, 10}, 3); /* all but itself, as they came */
    bank.shape.max_cond_frames = 2;
    assert_nearest(&bank, 45, (int64_t[]){40, 50}, 2);
    assert_nearest(&bank, 60, (int64_t[]){50, 40}, 2);
    memory_bank_free(&bank);
}

/* ---- pruning ----------------------------------------------------------------------------------
 */

static void cells_within_the_margin_take_part(void **state)
{
    (void)state;
    enum { CELLS_W = 6, CELLS_H = 5, N = CELLS_W * CELLS_H };
    static float logits[16 * N];
    static uint8_t cells[N];
    for (int i = 0; i < 16 * N; i++)
        logits[i] = -1;
    assert_int_equal(memory_prune(logits, CELLS_W, CELLS_H, 1, cells), N); /* nothing is known */
    logits[(2 * 4 + 3) * 4 * CELLS_W + 4 * 4] = 0.5f; /* the lower left pixel of cell 4, 2 */
    assert_int_equal(memory_prune(logits, CELLS_W, CELLS_H, 0, cells), 1);
    assert_int_equal(cells[2 * CELLS_W + 4], 1);
    assert_int_equal(memory_prune(logits, CELLS_W, CELLS_H, 1, cells), 9);
    assert_int_equal(cells[1 * CELLS_W + 3], 1);
    assert_int_equal(cells[3 * CELLS_W + 5], 1);
    assert_int_equal(memory_prune(logits, CELLS_W, CELLS_H, 2, cells), 4 * 5); /* the edge cuts */
    assert_int_equal(memory_prune(logits, CELLS_W, CELLS_H, 1000, cells), N);
}

static int open_device(void **state)
{
    (void)state;
    const backend_params params = {.n_threads = 1};
    return backend_reference.open(&params, &device) == ROTO_OK ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    backend_reference.close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_expected_box_decides_between_masks_alike),
        cmocka_unit_test(the_filter_has_no_say_before_it_is_stable),
        cmocka_unit_test(memories_need_all_three_scores),
        cmocka_unit_test(an_alternative_with_more_beside_the_mask_is_a_distractor),
        cmocka_unit_test(only_sure_frames_of_usual_size_become_anchors),
        cmocka_unit_test(the_last_frame_and_the_latest_worthy_ones_are_seen),
        cmocka_unit_test(worthy_frames_keep_their_distance_and_absent_ones_are_passed_over),
        cmocka_unit_test(anchors_are_seen_like_prompted_frames_and_the_oldest_goes),
        cmocka_unit_test(the_nearest_prompted_frames_are_seen),
        cmocka_unit_test(cells_within_the_margin_take_part),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
