#include "support/cmocka_all.h"

#include <roto/track.h>

#include <math.h>
#include <stdbool.h>

static const double FRAME_S = 1.0 / 30;

static roto_detection at(double x, double y, float score, int32_t class_id)
{
    return (roto_detection){
        .box = {(float)(x - 20), (float)(y - 50), (float)(x + 20), (float)(y + 50)},
        .score = score,
        .class_id = class_id};
}

static void a_straight_mover_keeps_its_identity_through_an_occlusion(void **state)
{
    (void)state;
    roto_tracker *t = NULL;
    assert_int_equal(roto_tracker_new(NULL, &t), ROTO_OK);
    int64_t id = 0;
    int n_seen = 0;
    for (int f = 0; f < 90; f++) {
        roto_detection d = at(100 + 6 * f, 200 + f, 0.9f, 0);
        bool hidden = f >= 40 && f < 60;
        const roto_track *tracks = NULL;
        int32_t n = -1;
        assert_int_equal(
            roto_tracker_update(t, &d, hidden ? 0 : 1, f * FRAME_S, FRAME_S, &tracks, &n), ROTO_OK);
        assert_in_range(n, 0, hidden ? 0 : 1);
        if (n == 0)
            continue;
        n_seen++;
        if (id == 0)
            id = tracks[0].id;
        assert_int_equal(tracks[0].id, id);
        assert_int_equal(tracks[0].age_frames, f);
    }
    assert_true(n_seen >= 66);
    roto_tracker_free(t);
}

static void crossing_objects_keep_their_identities(void **state)
{
    (void)state;
    roto_tracker *t = NULL;
    assert_int_equal(roto_tracker_new(NULL, &t), ROTO_OK);
    int64_t left = 0, right = 0;
    for (int f = 0; f < 60; f++) {
        /* They pass each other 12 px apart in height: boxes overlap almost fully around frame 30.
         */
        roto_detection d[2] = {at(100 + 5 * f, 300, 0.9f, 0), at(400 - 5 * f, 312, 0.9f, 0)};
        const roto_track *tracks = NULL;
        int32_t n = 0;
        assert_int_equal(roto_tracker_update(t, d, 2, f * FRAME_S, FRAME_S, &tracks, &n), ROTO_OK);
        if (f < 5)
            continue;
        assert_int_equal(n, 2);
        for (int i = 0; i < 2; i++) {
            bool first = fabs((tracks[i].box.y0 + tracks[i].box.y1) / 2.0 - 300) < 1;
            int64_t *id = first ? &left : &right;
            if (*id == 0)
                *id = tracks[i].id;
            assert_int_equal(tracks[i].id, *id);
        }
    }
    assert_int_not_equal(left, right);
    roto_tracker_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_straight_mover_keeps_its_identity_through_an_occlusion),
        cmocka_unit_test(crossing_objects_keep_their_identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
