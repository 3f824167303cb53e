/* What a tracker must not do: fail on bad input, grow, allocate while it runs, depend on chance. */
#include "track/scene.h"

#include "support/count_allocations.h"
#include "track/kalman.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 60, CROWD_FRAMES = 200 };

/* A crowd that walks at random, found with holes, wrong boxes and all scores. Returns how many
 * detections the frame has. */
static int32_t crowd_frame(int frame, roto_detection *found)
{
    int32_t n = 0;
    for (int i = 0; i < CROWD; i++) {
        uint32_t who = 77u + (uint32_t)i, now = (uint32_t)(frame * CROWD + i) * 2654435761u;
        double x0 = 900 * next_signed(&who), vx = 3 * next_signed(&who);
        double y0 = 500 * next_signed(&who), vy = 2 * next_signed(&who);
        if (next_random(&now) % 5 == 0)
            continue;
        double score = next_random(&now) % 6 ? 0.8 + 0.2 * next_signed(&now) : 0.3;
        found[n++] = at(x0 + vx * frame + 4 * next_signed(&now),
                        y0 + vy * frame + 4 * next_signed(&now), (float)score, i % 2);
        if (next_random(&now) % 10 == 0)
            found[n++] = at(900 * next_signed(&now), 500 * next_signed(&now), (float)score, 0);
    }
    return n;
}

/* Everything that was reported, one frame after the other. */
static size_t track_crowd(roto_track *out, size_t room, int shuffle)
{
    roto_tracker *t = new_tracker(NULL);
    size_t n_out = 0;
    uint32_t seed = 5;
    for (int f = 0; f < CROWD_FRAMES; f++) {
        roto_detection found[2 * CROWD];
        int32_t n_found = crowd_frame(f, found);
        for (int32_t i = n_found - 1; shuffle && i > 0; i--) {
            int32_t k = (int32_t)(next_random(&seed) % (uint32_t)(i + 1));
            roto_detection moved = found[i];
            found[i] = found[k];
            found[k] = moved;
        }
        const roto_track *tracks = NULL;
        int32_t n = update(t, found, n_found, f * FRAME_S, FRAME_S, &tracks);
        for (int32_t i = 0; i < n; i++) {
            assert_true(i == 0 || tracks[i].id > tracks[i - 1].id);
            assert_true(tracks[i].box.x0 < tracks[i].box.x1);
            assert_true(tracks[i].box.y0 < tracks[i].box.y1);
            assert_true(n_out < room);
            out[n_out++] = tracks[i];
        }
    }
    roto_tracker_free(t);
    return n_out;
}

static bool same_track(const roto_track *a, const roto_track *b)
{
    return a->id == b->id && memcmp(&a->box, &b->box, sizeof(a->box)) == 0 &&
           memcmp(&a->score, &b->score, sizeof(a->score)) == 0 && a->class_id == b->class_id &&
           a->age_frames == b->age_frames && a->missed_frames == b->missed_frames;
}

static void the_same_input_gives_the_same_bits_in_any_order(void **state)
{
    (void)state;
    enum { ROOM = CROWD_FRAMES * CROWD * 2 };
    roto_track *first = calloc(ROOM, sizeof(*first)), *second = calloc(ROOM, sizeof(*second));
    assert_non_null(first);
    assert_non_null(second);
    size_t n = track_crowd(first, ROOM, 0);
    assert_true(n > CROWD_FRAMES * CROWD / 10);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        assert_int_equal(track_crowd(second, ROOM, shuffle), n);
        for (size_t i = 0; i < n; i++)
            assert_true(same_track(&first[i], &second[i]));
    }
    free(first);
    free(second);
}

static void updates_allocate_nothing(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    const int before = allocations_counted();
    assert_true(before > 0); /* counting works */
    /* What the C library takes for itself shows in mallinfo2() where no sanitizer replaces it. */
    size_t in_use = mallinfo2().uordblks, held = mallinfo2().arena;
    for (int f = 0; f < CROWD_FRAMES; f++) {
        roto_detection found[2 * CROWD];
        int32_t n_found = crowd_frame(f, found);
        const roto_track *tracks = NULL;
        update(t, found, n_found, f * FRAME_S, FRAME_S, &tracks);
    }
    assert_int_equal(allocations_counted(), before);
    assert_true(mallinfo2().uordblks == in_use);
    assert_true(mallinfo2().arena == held);
    roto_tracker_free(t);
}

static void thousands_of_objects_stay_within_the_limit(void **state)
{
    (void)state;
    enum { SIDE = 66, N = SIDE * SIDE, MOST = 4096, FRAMES = 3 };
    _Static_assert(N > MOST, "more detections than objects are allowed");
    roto_tracker_params p = roto_tracker_params_default();
    p.max_objects = MOST;
    p.confirm_hits = 1;
    roto_tracker *t = new_tracker(&p);
    roto_detection *found = calloc(N, sizeof(*found));
    assert_non_null(found);
    for (int f = 0; f < FRAMES; f++) {
        for (int i = 0; i < N; i++)
            found[i] = at(50 * (i % SIDE) + f, 120 * (double)(i / SIDE), 0.9f, 0);
        const roto_track *tracks = NULL;
        assert_int_equal(update(t, found, N, f * FRAME_S, FRAME_S, &tracks), MOST);
        assert_int_equal(tracks[0].id, 1);
        assert_int_equal(tracks[MOST - 1].id, MOST);
    }
    /* One leaves for good: its place goes to the next one waiting, under a new identity. */
    const roto_track *tracks = NULL;
    for (int i = 1; i < N; i++)
        found[i].box = at(50 * (i % SIDE) + FRAMES, 120 * (double)(i / SIDE), 0.9f, 0).box;
    update(t, found + 1, N - 1, 10, FRAME_S, &tracks);
    assert_int_equal(update(t, found + 1, N - 1, 10 + FRAME_S, FRAME_S, &tracks), MOST);
    assert_true(tracks[0].id > MOST);
    free(found);
    roto_tracker_free(t);
}

static void bad_frames_are_refused_and_change_nothing(void **state)
{
    (void)state;
    roto_tracker_params p = roto_tracker_params_default();
    p.confirm_hits = 1;
    roto_tracker *t = new_tracker(&p);
    const roto_track *tracks = NULL;
    int32_t n = 0;
    roto_detection good = at(100, 100, 0.9f, 0);
    assert_int_equal(update(t, &good, 1, 1, FRAME_S, &tracks), 1);
    const float strange[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        for (int side = 0; side < 4; side++) {
            roto_detection d[2] = {good, good};
            *(side == 0   ? &d[1].box.x0
              : side == 1 ? &d[1].box.y0
              : side == 2 ? &d[1].box.x1
                          : &d[1].box.y1) = strange[i];
            assert_int_equal(roto_tracker_update(t, d, 2, 2, FRAME_S, &tracks, &n),
                             ROTO_ERROR_ARGUMENT);
            assert_non_null(strstr(roto_error_message(), "detection 1"));
        }
    const roto_box wrong[] = {{5, 0, 5, 9}, {5, 0, 4, 9}, {0, 5, 9, 5}, {0, 5, 9, 4}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        roto_detection d = {.box = wrong[i], .score = 0.9f};
        assert_int_equal(roto_tracker_update(t, &d, 1, 2, FRAME_S, &tracks, &n),
                         ROTO_ERROR_ARGUMENT);
    }
    const float scores[] = {NAN, -0.1f, 1.1f, INFINITY};
    for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++) {
        roto_detection d = at(100, 100, scores[i], 0);
        assert_int_equal(roto_tracker_update(t, &d, 1, 2, FRAME_S, &tracks, &n),
                         ROTO_ERROR_ARGUMENT);
    }
    const double times[][2] = {{NAN, FRAME_S}, {INFINITY, FRAME_S}, {0.5, FRAME_S}, {2, 0}, {2, -1},
                               {2, NAN},       {2, INFINITY}};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        assert_int_equal(roto_tracker_update(t, &good, 1, times[i][0], times[i][1], &tracks, &n),
                         ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_tracker_update(t, &good, -1, 2, FRAME_S, &tracks, &n),
                     ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_tracker_update(t, NULL, 1, 2, FRAME_S, &tracks, &n), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_tracker_update(t, &good, 1, 2, FRAME_S, NULL, &n), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_tracker_update(NULL, &good, 1, 2, FRAME_S, &tracks, &n),
                     ROTO_ERROR_ARGUMENT);
    assert_int_equal(update(t, &good, 1, 1 + FRAME_S, FRAME_S, &tracks), 1);
    assert_int_equal(tracks[0].id, 1);
    assert_int_equal(tracks[0].age_frames, 1);
    roto_tracker_free(t);
}

static void bad_parameters_are_refused_by_name(void **state)
{
    (void)state;
    const struct {
        const char *name;
        float share;
        int32_t count;
        size_t offset;
        bool is_count;
    } cases[] = {
        {"high_score", NAN, 0, offsetof(roto_tracker_params, high_score), false},
        {"low_score", -0.1f, 0, offsetof(roto_tracker_params, low_score), false},
        {"low_score", 0.9f, 0, offsetof(roto_tracker_params, low_score), false},
        {"birth_score", 1.5f, 0, offsetof(roto_tracker_params, birth_score), false},
        {"match_iou", 2, 0, offsetof(roto_tracker_params, match_iou), false},
        {"match_iou_low", -1, 0, offsetof(roto_tracker_params, match_iou_low), false},
        {"momentum_weight", NAN, 0, offsetof(roto_tracker_params, momentum_weight), false},
        {"momentum_frames", 0, 0, offsetof(roto_tracker_params, momentum_frames), true},
        {"momentum_frames", 0, 1000, offsetof(roto_tracker_params, momentum_frames), true},
        {"confirm_hits", 0, 0, offsetof(roto_tracker_params, confirm_hits), true},
        {"class_aware", 0, 2, offsetof(roto_tracker_params, class_aware), true},
        {"max_objects", 0, 4097, offsetof(roto_tracker_params, max_objects), true},
        {"max_objects", 0, 0, offsetof(roto_tracker_params, max_objects), true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        roto_tracker_params p = roto_tracker_params_default();
        char *field = (char *)&p + cases[i].offset;
        if (cases[i].is_count)
            memcpy(field, &cases[i].count, sizeof(cases[i].count));
        else
            memcpy(field, &cases[i].share, sizeof(cases[i].share));
        roto_tracker *t = (roto_tracker *)(uintptr_t)1;
        assert_int_equal(roto_tracker_new(&p, &t), ROTO_ERROR_ARGUMENT);
        assert_null(t);
        assert_non_null(strstr(roto_error_message(), cases[i].name));
    }
    roto_tracker_params p = roto_tracker_params_default();
    p.max_absence_s = NAN;
    roto_tracker *t = NULL;
    assert_int_equal(roto_tracker_new(&p, &t), ROTO_ERROR_ARGUMENT);
    p = roto_tracker_params_default();
    p.struct_bytes--;
    assert_int_equal(roto_tracker_new(&p, &t), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_tracker_new(NULL, NULL), ROTO_ERROR_ARGUMENT);
    roto_tracker_free(NULL);
    roto_tracker_reset(NULL);
}

/* Extremes that are allowed: everything at once, tiny and huge, for a long time. */
static void extremes_do_no_harm(void **state)
{
    (void)state;
    roto_tracker_params p = roto_tracker_params_default();
    p.max_absence_s = 3600;
    p.match_iou = 0;
    p.match_iou_low = 0;
    p.high_score = 0;
    p.low_score = 0;
    p.birth_score = 0;
    p.max_objects = 32;
    roto_tracker *t = new_tracker(&p);
    uint32_t seed = 11;
    double time_s = -1e9;
    for (int f = 0; f < 2000; f++) {
        roto_detection found[64];
        for (int i = 0; i < 64; i++) {
            float scale = (next_random(&seed) % 2) ? 1e6f : 1e-3f;
            float x = scale * (float)next_signed(&seed) / 2,
                  y = scale * (float)next_signed(&seed) / 2;
            found[i] = (roto_detection){.box = {x, y, x + scale / 3, y + scale / 4},
                                        .score = (float)fabs(next_signed(&seed))};
        }
        const roto_track *tracks = NULL;
        int32_t n = update(t, found, (int32_t)(next_random(&seed) % 65), time_s, f % 2 ? 1e-6 : 1e9,
                           &tracks);
        assert_in_range(n, 0, 32);
        for (int32_t i = 0; i < n; i++)
            assert_true(isfinite(tracks[i].box.x0) && tracks[i].box.x0 < tracks[i].box.x1 &&
                        isfinite(tracks[i].box.y1) && tracks[i].box.y0 < tracks[i].box.y1);
        time_s += f % 7 ? 1e-3 : 1e5;
    }
    roto_tracker_free(t);
}

static void a_filter_forecasts_the_same_in_one_step_or_many(void **state)
{
    (void)state;
    kalman_box once, often;
    kalman_start(&once, &(roto_box){100, 100, 140, 200});
    for (int i = 0; i < 10; i++) {
        kalman_predict(&once, 0.04);
        kalman_correct(&once, &(roto_box){(float)(100 + 3 * i), 100, (float)(140 + 3 * i), 200},
                       0.8f);
    }
    /* Without growth the size that noise is proportional to stays, and the steps add up exactly. */
    once.axis[KALMAN_WIDTH].velocity = once.axis[KALMAN_HEIGHT].velocity = 0;
    often = once;
    kalman_predict(&once, 0.5);
    for (int i = 0; i < 50; i++)
        kalman_predict(&often, 0.01);
    for (int i = 0; i < KALMAN_N_AXES; i++) {
        const kalman_axis *a = &once.axis[i], *b = &often.axis[i];
        assert_true(fabs(a->position - b->position) < 1e-9 * (1 + fabs(a->position)));
        assert_true(fabs(a->velocity - b->velocity) < 1e-9 * (1 + fabs(a->velocity)));
        assert_true(fabs(a->var_position - b->var_position) < 1e-9 * a->var_position);
        assert_true(fabs(a->covar - b->covar) < 1e-9 * (1 + fabs(a->covar)));
        assert_true(fabs(a->var_velocity - b->var_velocity) < 1e-9 * a->var_velocity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_input_gives_the_same_bits_in_any_order),
        cmocka_unit_test(updates_allocate_nothing),
        cmocka_unit_test(thousands_of_objects_stay_within_the_limit),
        cmocka_unit_test(bad_frames_are_refused_and_change_nothing),
        cmocka_unit_test(bad_parameters_are_refused_by_name),
        cmocka_unit_test(extremes_do_no_harm),
        cmocka_unit_test(a_filter_forecasts_the_same_in_one_step_or_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
