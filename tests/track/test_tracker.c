/* What people expect of a tracker: who is who, from when, until when. */
#include "track/scene.h"

static void a_straight_mover_keeps_its_identity_through_an_occlusion(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    int64_t id = 0;
    int n_seen = 0;
    for (int f = 0; f < 90; f++) {
        roto_detection d = at(100 + 6 * f, 200 + f, 0.9f, 0);
        bool hidden = f >= 40 && f < 60;
        const roto_track *tracks = NULL;
        int32_t n = update(t, &d, hidden ? 0 : 1, f * FRAME_S, FRAME_S, &tracks);
        assert_in_range(n, 0, hidden ? 0 : 1);
        if (n == 0)
            continue;
        n_seen++;
        if (id == 0)
            id = tracks[0].id;
        assert_int_equal(tracks[0].id, id);
        assert_int_equal(tracks[0].age_frames, f);
        assert_int_equal(tracks[0].missed_frames, 0);
    }
    assert_true(n_seen >= 66);
    roto_tracker_free(t);
}

static void crossing_objects_keep_their_identities(void **state)
{
    (void)state;
    /* They pass each other: boxes overlap almost fully around frame 30. */
    for (int apart = 0; apart <= 24; apart += 4) {
        roto_tracker *t = new_tracker(NULL);
        int64_t left = 0, right = 0;
        for (int f = 0; f < 60; f++) {
            double x_left = 100 + 5 * f, x_right = 400 - 5 * f;
            roto_detection d[2] = {at(x_left, 300, 0.9f, 0), at(x_right, 300 + apart, 0.9f, 0)};
            const roto_track *tracks = NULL;
            int32_t n = update(t, d, 2, f * FRAME_S, FRAME_S, &tracks);
            if (f < 5 || fabs(x_left - x_right) < 30)
                continue;
            assert_int_equal(n, 2);
            if (left == 0) {
                left = id_near(tracks, n, x_left, 300);
                right = id_near(tracks, n, x_right, 300 + apart);
            }
            assert_int_equal(id_near(tracks, n, x_left, 300), left);
            assert_int_equal(id_near(tracks, n, x_right, 300 + apart), right);
        }
        assert_int_not_equal(left, right);
        assert_int_not_equal(left, 0);
        roto_tracker_free(t);
    }
}

/* The identity of a standing object after an absence of gap_s. */
static bool comes_back_as_itself(double max_absence_s, double gap_s, double frame_s)
{
    roto_tracker_params p = roto_tracker_params_default();
    p.max_absence_s = max_absence_s;
    roto_tracker *t = new_tracker(&p);
    roto_detection d = at(200, 200, 0.95f, 0);
    const roto_track *tracks = NULL;
    int32_t n = 0;
    double time_s = 0;
    for (int f = 0; f < 20; f++, time_s += frame_s)
        n = update(t, &d, 1, time_s, frame_s, &tracks);
    assert_int_equal(n, 1);
    int64_t before = tracks[0].id;
    for (double end_s = time_s - frame_s + gap_s; time_s < end_s - 1e-9; time_s += frame_s)
        assert_int_equal(update(t, NULL, 0, time_s, frame_s, &tracks), 0);
    for (int f = 0; f < 20; f++, time_s += frame_s)
        n = update(t, &d, 1, time_s, frame_s, &tracks);
    assert_int_equal(n, 1);
    assert_true(tracks[0].id >= before);
    bool same = tracks[0].id == before;
    roto_tracker_free(t);
    return same;
}

static void an_absence_up_to_the_limit_keeps_the_identity(void **state)
{
    (void)state;
    const double rates[] = {10, 25, 30, 60}, limits_s[] = {0.5, 1, 3};
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
        for (size_t l = 0; l < sizeof(limits_s) / sizeof(limits_s[0]); l++) {
            assert_true(comes_back_as_itself(limits_s[l], 0.9 * limits_s[l], 1 / rates[r]));
            assert_false(
                comes_back_as_itself(limits_s[l], 1.1 * limits_s[l] + 2 / rates[r], 1 / rates[r]));
        }
    assert_false(comes_back_as_itself(0, 0.5, FRAME_S));
}

static void identities_are_never_given_twice(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    int64_t latest = 0;
    double time_s = 0;
    for (int visit = 0; visit < 50; visit++) {
        roto_detection d = at(100 + 37 * (visit % 7), 200, 0.95f, 0);
        const roto_track *tracks = NULL;
        int32_t n = 0;
        for (int f = 0; f < 6; f++, time_s += FRAME_S)
            n = update(t, &d, 1, time_s, FRAME_S, &tracks);
        assert_int_equal(n, 1);
        assert_true(tracks[0].id > latest);
        latest = tracks[0].id;
        if (visit % 3 == 0) {
            roto_tracker_reset(t);
            time_s = 0; /* a new video */
        } else {
            time_s += 5;
        }
    }
    assert_int_equal(roto_tracker_n_identities(t), 50);
    roto_tracker_free(t);
}

static void frames_may_come_irregularly(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    uint32_t seed = 7;
    double time_s = 0;
    int64_t ids[3] = {0};
    for (int f = 0; f < 200; f++) {
        /* 5 to 60 frames a second; the people walk at 80, -60 and 40 px a second. */
        roto_detection d[3] = {at(100 + 80 * time_s, 200, 0.9f, 0),
                               at(1500 - 60 * time_s, 400, 0.9f, 0),
                               at(100, 600 + 40 * time_s, 0.9f, 0)};
        const roto_track *tracks = NULL;
        int32_t n = update(t, d, 3, time_s, FRAME_S, &tracks);
        for (int i = 0; f > 10 && i < 3; i++) {
            double x = (double)(d[i].box.x0 + d[i].box.x1) / 2,
                   y = (double)(d[i].box.y0 + d[i].box.y1) / 2;
            int64_t id = id_near(tracks, n, x, y);
            assert_int_not_equal(id, 0);
            if (ids[i] == 0)
                ids[i] = id;
            assert_int_equal(id, ids[i]);
        }
        time_s += f % 20 == 0 ? 0 : 1.0 / (5 + next_random(&seed) % 56);
    }
    roto_tracker_free(t);
}

/* Five people stand in view of a camera that turns faster and faster; one is hidden meanwhile. */
static void a_hidden_object_moves_with_the_camera(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    int64_t before = 0;
    double pan = 0;
    for (int f = 0; f < 60; f++) {
        pan += f < 20 ? 0 : f < 40 ? 0.5 * (f - 20) : 10; /* px; 95 by frame 40 */
        bool hidden = f >= 22 && f < 40;
        roto_detection d[6];
        int n_found = 0;
        for (int i = 0; i < 5; i++)
            d[n_found++] = at(100 + 150 * i + pan, 200 + 10 * i, 0.95f, 0);
        if (!hidden)
            d[n_found++] = at(400 + pan, 500, 0.95f, 0);
        const roto_track *tracks = NULL;
        int32_t n = update(t, d, n_found, f * FRAME_S, FRAME_S, &tracks);
        if (f == 20)
            before = id_near(tracks, n, 400 + pan, 500);
        if (f == 59) {
            assert_int_not_equal(before, 0);
            assert_int_equal(id_near(tracks, n, 400 + pan, 500), before);
        }
    }
    roto_tracker_free(t);
}

static void classes_are_kept_apart_unless_told_otherwise(void **state)
{
    (void)state;
    for (int aware = 0; aware < 2; aware++) {
        roto_tracker_params p = roto_tracker_params_default();
        p.class_aware = aware;
        roto_tracker *t = new_tracker(&p);
        int64_t first = 0;
        const roto_track *tracks = NULL;
        int32_t n = 0;
        for (int f = 0; f < 20; f++) {
            roto_detection d = at(100, 200, 0.95f, f < 10 ? 0 : 1);
            n = update(t, &d, 1, f * FRAME_S, FRAME_S, &tracks);
            if (f == 9 && n == 1)
                first = tracks[0].id;
        }
        assert_int_equal(n, 1);
        assert_int_not_equal(first, 0);
        assert_int_equal(tracks[0].id == first, !aware);
        assert_int_equal(tracks[0].class_id, 1);
        roto_tracker_free(t);
    }
}

static void weak_detections_carry_an_object_but_do_not_start_one(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    const roto_track *tracks = NULL;
    int64_t id = 0;
    for (int f = 0; f < 60; f++) {
        roto_detection d[2] = {at(100 + 2 * f, 200, f < 20 ? 0.95f : 0.2f, 0),
                               at(700, 200, 0.3f, 0)};
        int32_t n = update(t, d, 2, f * FRAME_S, FRAME_S, &tracks);
        if (f < 5)
            continue;
        assert_int_equal(n, 1);
        if (id == 0)
            id = tracks[0].id;
        assert_int_equal(tracks[0].id, id);
    }
    roto_tracker_free(t);
}

static void flicker_is_not_reported(void **state)
{
    (void)state;
    roto_tracker *t = new_tracker(NULL);
    uint32_t seed = 3;
    const roto_track *tracks = NULL;
    for (int f = 0; f < 300; f++) {
        roto_detection d[2] = {at(2000 * fabs(next_signed(&seed)), 200, 0.9f, 0),
                               at(300, 800, 0.95f, 0)}; /* the second every third frame */
        assert_int_equal(update(t, d, f % 3 ? 1 : 2, f * FRAME_S, FRAME_S, &tracks), 0);
    }
    assert_int_equal(roto_tracker_n_identities(t), 0);
    roto_tracker_free(t);
}

static void one_hit_is_enough_when_asked_for(void **state)
{
    (void)state;
    roto_tracker_params p = roto_tracker_params_default();
    p.confirm_hits = 1;
    roto_tracker *t = new_tracker(&p);
    roto_detection d = at(100, 200, 0.61f, 4);
    const roto_track *tracks = NULL;
    assert_int_equal(update(t, &d, 1, 0, FRAME_S, &tracks), 1);
    assert_int_equal(tracks[0].id, 1);
    assert_int_equal(tracks[0].class_id, 4);
    assert_int_equal(tracks[0].age_frames, 0);
    assert_true(tracks[0].score == d.score);
    assert_true(fabsf(tracks[0].box.x0 - d.box.x0) < 1e-3f);
    assert_int_equal(update(t, NULL, 0, FRAME_S, FRAME_S, &tracks), 0);
    assert_int_equal(update(t, &d, 1, 2 * FRAME_S, FRAME_S, &tracks), 1);
    assert_int_equal(tracks[0].id, 1);
    roto_tracker_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_straight_mover_keeps_its_identity_through_an_occlusion),
        cmocka_unit_test(crossing_objects_keep_their_identities),
        cmocka_unit_test(an_absence_up_to_the_limit_keeps_the_identity),
        cmocka_unit_test(identities_are_never_given_twice),
        cmocka_unit_test(frames_may_come_irregularly),
        cmocka_unit_test(a_hidden_object_moves_with_the_camera),
        cmocka_unit_test(classes_are_kept_apart_unless_told_otherwise),
        cmocka_unit_test(weak_detections_carry_an_object_but_do_not_start_one),
        cmocka_unit_test(flicker_is_not_reported),
        cmocka_unit_test(one_hit_is_enough_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
