/* What a follower must not do: fall for bad input, grow, allocate while frames come, depend on
 * chance, lose its way after a failure. */
#include "track/fake_masks.h"
#include "track/segmenter_fixture.h"

#include "support/count_allocations.h"

#include <math.h>
#include <stddef.h>

static const double FRAME_S = 1.0 / 30;

static roto_follower_params small_params(void)
{
    roto_follower_params p = roto_follower_params_default();
    p.tracker.max_objects = MAX_HELD;
    return p;
}

static roto_follower *follower_in(fake_world *world)
{
    const follow_masks masks = fake_masks(world);
    const roto_follower_params p = small_params();
    roto_follower *f = NULL;
    assert_ok(follower_new(&masks, &p, &f));
    return f;
}

static void bad_parameters_are_refused_by_name(void **state)
{
    (void)state;
    static fake_world world;
    const follow_masks masks = fake_masks(&world);
    const struct {
        const char *name;
        float share;
        int32_t count;
        size_t offset;
        bool is_count;
    } cases[] = {
        {"explained_share", 1.5f, 0, offsetof(roto_follower_params, explained_share), false},
        {"anchor_iou", NAN, 0, offsetof(roto_follower_params, anchor_iou), false},
        {"anchor_share", -1, 0, offsetof(roto_follower_params, anchor_share), false},
        {"anchor_frames", 0, -1, offsetof(roto_follower_params, anchor_frames), true},
        {"least_iou", 2, 0, offsetof(roto_follower_params, least_iou), false},
        {"duplicate_iou", NAN, 0, offsetof(roto_follower_params, duplicate_iou), false},
        {"duplicate_frames", 0, 0, offsetof(roto_follower_params, duplicate_frames), true},
        {"least_likeness", -1.5f, 0, offsetof(roto_follower_params, least_likeness), false},
        {"return_likeness", NAN, 0, offsetof(roto_follower_params, return_likeness), false},
        {"high_score", NAN, 0, offsetof(roto_follower_params, tracker.high_score), false},
        {"confirm_hits", 0, 0, offsetof(roto_follower_params, tracker.confirm_hits), true},
        {"max_objects", 0, MAX_HELD + 1, offsetof(roto_follower_params, tracker.max_objects), true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        roto_follower_params p = small_params();
        char *field = (char *)&p + cases[i].offset;
        if (cases[i].is_count)
            memcpy(field, &cases[i].count, sizeof(cases[i].count));
        else
            memcpy(field, &cases[i].share, sizeof(cases[i].share));
        roto_follower *f = (roto_follower *)(uintptr_t)1;
        assert_refused(follower_new(&masks, &p, &f), ROTO_ERROR_ARGUMENT, cases[i].name);
        assert_null(f);
    }
    roto_follower *f = NULL;
    roto_follower_params p = small_params();
    p.max_unsupported_s = NAN;
    assert_refused(follower_new(&masks, &p, &f), ROTO_ERROR_ARGUMENT, "max_unsupported_s");
    p = small_params();
    p.first_id = 0;
    assert_refused(follower_new(&masks, &p, &f), ROTO_ERROR_ARGUMENT, "first_id");
    p = small_params();
    p.struct_bytes--;
    assert_refused(follower_new(&masks, &p, &f), ROTO_ERROR_ARGUMENT, "_default()");
    assert_int_equal(roto_follower_new(NULL, NULL, &f), ROTO_ERROR_ARGUMENT);
    roto_follower_free(NULL);
    assert_int_equal(roto_follower_remove(NULL, 1), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_follower_wants_detections(NULL), 0);
}

static roto_status frame_of(roto_follower *f, int64_t index, double time_s,
                            const roto_detection *found, int32_t n, int32_t *n_objects)
{
    static const uint8_t grey[WORLD_W * WORLD_H];
    const roto_image image = {.width = WORLD_W,
                              .height = WORLD_H,
                              .format = ROTO_PIXEL_GRAY8,
                              .plane = {grey},
                              .stride_bytes = {WORLD_W}};
    const roto_followed *objects;
    return roto_follower_frame(f, &image, index, time_s, FRAME_S, found, n, &objects, n_objects);
}

static void bad_frames_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static fake_world world;
    world = (fake_world){.n_things = 1, .things = {{.box = {100, 100, 180, 260}}}};
    roto_follower *f = follower_in(&world);
    const roto_detection good = {.box = world.things[0].box, .score = 0.9f};
    int32_t n = 0;
    assert_ok(frame_of(f, 0, 0, &good, 1, &n));
    assert_ok(frame_of(f, 1, 1, &good, 1, &n));
    assert_int_equal(n, 1);
    roto_detection bad = good;
    bad.box.x1 = NAN;
    assert_refused(frame_of(f, 2, 2, &bad, 1, &n), ROTO_ERROR_ARGUMENT, "detection 0");
    bad = good;
    bad.score = 1.5f;
    assert_refused(frame_of(f, 2, 2, &bad, 1, &n), ROTO_ERROR_ARGUMENT, "score");
    assert_refused(frame_of(f, 2, 2, NULL, 1, &n), ROTO_ERROR_ARGUMENT, "no address");
    assert_refused(frame_of(f, 2, 2, &good, -2, &n), ROTO_ERROR_ARGUMENT, "-2 detections");
    assert_refused(frame_of(f, 1, 2, &good, 1, &n), ROTO_ERROR_ARGUMENT, "frame 1 after frame 1");
    assert_refused(frame_of(f, 2, 0.5, &good, 1, &n), ROTO_ERROR_ARGUMENT, "after one at");
    assert_refused(frame_of(f, 2, NAN, &good, 1, &n), ROTO_ERROR_ARGUMENT, "times lie");
    assert_int_equal(frame_of(NULL, 2, 2, &good, 1, &n), ROTO_ERROR_ARGUMENT);
    /* Outside of the frame there is nothing to prompt. */
    bad = good;
    bad.box = (roto_box){-500, 100, -400, 300};
    const int prompts = world.n_prompts;
    assert_ok(frame_of(f, 2, 2, &bad, 1, &n));
    assert_int_equal(world.n_prompts, prompts);
    /* The segmenter's failure is passed on; the next frame goes on as if it had not been. */
    world.fail_next = ROTO_ERROR_DEVICE;
    assert_int_equal(frame_of(f, 3, 3, &good, 1, &n), ROTO_ERROR_DEVICE);
    assert_ok(frame_of(f, 4, 4, &good, 1, &n));
    assert_int_equal(n, 1);
    assert_int_equal(roto_follower_n_identities(f), 1);
    roto_follower_free(f);
}

static void births_wait_when_all_places_are_taken(void **state)
{
    (void)state;
    static fake_world world;
    world = (fake_world){.n_things = MAX_THINGS};
    roto_detection found[MAX_THINGS];
    for (int i = 0; i < MAX_THINGS; i++) {
        world.things[i].box = (roto_box){(float)(80 * i), 100, (float)(80 * i + 72), 260};
        found[i] = (roto_detection){.box = world.things[i].box, .score = 0.9f};
    }
    const follow_masks masks = fake_masks(&world);
    roto_follower_params p = small_params();
    p.tracker.max_objects = 5;
    roto_follower *f = NULL;
    assert_ok(follower_new(&masks, &p, &f));
    int32_t n = 0;
    for (int i = 0; i < 4; i++)
        assert_ok(frame_of(f, i, i * FRAME_S, found, MAX_THINGS, &n));
    assert_int_equal(n, 5);
    roto_prompt prompt = roto_prompt_default();
    prompt.box = &world.things[7].box;
    assert_refused(roto_follower_prompt(f, roto_follower_new_id(f), 4, &prompt), ROTO_ERROR_MEMORY,
                   "max_objects");
    world.things[0].hidden = true;
    assert_ok(frame_of(f, 4, 100, found + 1, MAX_THINGS - 1, &n));
    for (int i = 5; i < 8; i++)
        assert_ok(frame_of(f, i, 100 + i * FRAME_S, found + 1, MAX_THINGS - 1, &n));
    assert_int_equal(n, 5);
    roto_follower_free(f);
}

/* Things that come, go, cross and are missed, at random. */
static void shake(fake_world *world, uint32_t *seed, roto_detection *found, int32_t *n)
{
    *n = 0;
    for (int t = 0; t < MAX_THINGS; t++) {
        thing *at = &world->things[t];
        *seed = *seed * 1664525u + 1013904223u;
        const float dx = (float)(*seed >> 8 & 31) - 15.5f, dy = (float)(*seed >> 16 & 31) - 15.5f;
        const float x = fminf(fmaxf(at->box.x0 + dx, -40), WORLD_W - 40),
                    y = fminf(fmaxf(at->box.y0 + dy, -40), WORLD_H - 80);
        at->box = (roto_box){x, y, x + 80, y + 160};
        *seed = *seed * 1664525u + 1013904223u;
        if ((*seed >> 10) % 40 == 0)
            at->hidden = !at->hidden;
        if (at->hidden || (*seed >> 20) % 5 == 0)
            continue;
        found[(*n)++] = (roto_detection){.box = at->box,
                                         .score = 0.4f + 0.6f * (float)(*seed >> 12 & 255) / 256};
    }
    for (int i = 0; i < world->n_held; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        world->held[i].drift_px += (float)(*seed >> 12 & 7) - 3.5f;
        if ((*seed >> 20) % 100 == 0)
            world->held[i].thing = (int)((*seed >> 8) % MAX_THINGS);
    }
}

enum { SHAKEN_FRAMES = 600 };

/* A digest of everything that was reported. */
static uint64_t shaken(int *allocated)
{
    static fake_world world;
    world = (fake_world){.n_things = MAX_THINGS};
    for (int t = 0; t < MAX_THINGS; t++)
        world.things[t] =
            (thing){.box = {(float)(80 * t), 100, (float)(80 * t + 80), 260}, .look = (float)t / 4};
    roto_follower *f = follower_in(&world);
    uint32_t seed = 3;
    uint64_t digest = 0;
    int64_t newest = 0;
    int before = 0;
    for (int i = 0; i < SHAKEN_FRAMES; i++) {
        roto_detection found[MAX_THINGS];
        int32_t n_found, n = 0;
        shake(&world, &seed, found, &n_found);
        if (i == 2)
            before = allocations_counted();
        assert_ok(frame_of(f, i, i * FRAME_S, found, i % 3 ? ROTO_NOT_DETECTED : n_found, &n));
        assert_in_range(n, 0, MAX_HELD);
        assert_in_range(world.n_held, 0, MAX_HELD);
        for (int32_t k = 0; k < n; k++) {
            const roto_followed *o = &f->out[k];
            const roto_box *b = &o->track.box;
            assert_true(k == 0 || o->track.id > f->out[k - 1].track.id);
            assert_true(isfinite(b->x0) && b->x0 < b->x1 && isfinite(b->y1) && b->y0 < b->y1);
            assert_true(o->state == ROTO_FOLLOW_LOST || fake_find(&world, o->track.id));
            newest = o->track.id > newest ? o->track.id : newest;
            uint32_t bits;
            memcpy(&bits, &b->x0, sizeof(bits));
            digest = (digest ^ bits ^ (uint64_t)o->track.id << 32) * 0x9e3779b97f4a7c15u;
        }
    }
    *allocated = allocations_counted() - before;
    assert_true(newest > MAX_THINGS); /* things were forgotten and found as new ones */
    assert_true(world.n_removed > 0);
    roto_follower_free(f);
    return digest;
}

static void a_long_run_allocates_nothing_and_repeats(void **state)
{
    (void)state;
    int first, second;
    const uint64_t digest = shaken(&first);
    assert_int_equal(shaken(&second), digest);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
}

/* With the segmenter itself: objects are born and forgotten, and their memory is used again. */
static void the_segmenters_objects_come_and_go_without_allocating(void **state)
{
    (void)state;
    roto_segmenter *s = segmenter_synthetic(NULL);
    roto_follower_params p = roto_follower_params_default();
    p.tracker.max_objects = 3;
    p.tracker.confirm_hits = 1;
    p.tracker.max_absence_s = 0;
    p.tracker.match_iou = 0; /* the synthetic weights' masks fit nothing */
    p.least_likeness = -1;
    roto_follower *f = NULL;
    assert_ok(roto_follower_new(s, &p, &f));
    const roto_followed *objects;
    int32_t n = 0;
    int before = 0;
    enum { FRAMES = 12, WARM = 6 };
    for (int i = 0; i < FRAMES; i++) {
        /* One that is there, and another that is elsewhere all the time. */
        const float x = (float)(40 * (i % 3));
        const roto_detection found[] = {{.box = {4, 8, 40, 60}, .score = 0.95f},
                                        {.box = {x, 50, x + 30, 90}, .score = 0.9f}};
        const roto_image image = picture(i);
        if (i == WARM)
            before = allocations_counted();
        assert_ok(roto_follower_frame(f, &image, i, i * FRAME_S, FRAME_S, found, 2, &objects, &n));
        if (i % 2) {
            for (int32_t k = n - 1; k >= 0; k--)
                assert_ok(roto_follower_remove(f, objects[k].track.id));
        }
    }
    assert_int_equal(allocations_counted(), before);
    assert_true(roto_follower_n_identities(f) > 3);
    roto_follower_free(f);
    roto_segmenter_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_parameters_are_refused_by_name),
        cmocka_unit_test(bad_frames_are_refused_and_change_nothing),
        cmocka_unit_test(births_wait_when_all_places_are_taken),
        cmocka_unit_test(a_long_run_allocates_nothing_and_repeats),
        cmocka_unit_test(the_segmenters_objects_come_and_go_without_allocating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
