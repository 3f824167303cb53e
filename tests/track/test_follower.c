/* Births, confirmation, drift, loss and return, in a made-up world. */
#include "track/fake_masks.h"

#include <math.h>

static const double FRAME_S = 1.0 / 30;
static const float TALL_W = 80, TALL_H = 160;

typedef struct run {
    fake_world *world;
    roto_follower *follower;
    int64_t frame;
    const roto_followed *objects;
    int32_t n;
} run;

static run start(const roto_follower_params *params)
{
    run r = {.world = calloc(1, sizeof(*r.world))};
    assert_non_null(r.world);
    const follow_masks masks = fake_masks(r.world);
    roto_follower_params p = roto_follower_params_default();
    p.tracker.max_objects = MAX_HELD;
    if (follower_new(&masks, params ? params : &p, &r.follower) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    return r;
}

static void stop(run *r)
{
    roto_follower_free(r->follower);
    free(r->world);
}

static roto_box person_at(float x, float y)
{
    return (roto_box){x, y, x + TALL_W, y + TALL_H};
}

static void put(run *r, int thing_index, float x, float y)
{
    thing *t = &r->world->things[thing_index];
    t->box = person_at(x, y);
    if (thing_index >= r->world->n_things)
        r->world->n_things = thing_index + 1;
}

static int32_t step(run *r, const roto_detection *found, int32_t n)
{
    static const uint8_t grey[WORLD_W * WORLD_H]; /* nobody looks at it */
    const roto_image image = {.width = WORLD_W,
                              .height = WORLD_H,
                              .format = ROTO_PIXEL_GRAY8,
                              .plane = {grey},
                              .stride_bytes = {WORLD_W}};
    const double now_s = (double)r->frame * FRAME_S;
    if (roto_follower_frame(r->follower, &image, r->frame, now_s, FRAME_S, found, n, &r->objects,
                            &r->n) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    r->frame++;
    return r->n;
}

/* Detections of all things in sight. */
static int32_t detect(run *r, float score)
{
    roto_detection found[MAX_THINGS];
    int32_t n = 0;
    for (int t = 0; t < r->world->n_things; t++)
        if (!r->world->things[t].hidden)
            found[n++] = (roto_detection){.box = r->world->things[t].box, .score = score};
    return step(r, found, n);
}

static int32_t carry(run *r, int n_frames)
{
    for (int i = 0; i < n_frames; i++)
        step(r, NULL, ROTO_NOT_DETECTED);
    return r->n;
}

static int32_t n_seen(const run *r)
{
    int32_t n = 0;
    for (int32_t i = 0; i < r->n; i++)
        n += r->objects[i].state == ROTO_FOLLOW_SEEN;
    return n;
}

static void a_detection_is_born_confirmed_and_carried(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    assert_int_equal(roto_follower_wants_detections(r.follower), 0);
    assert_int_equal(detect(&r, 0.9f), 0);
    assert_int_equal(roto_follower_wants_detections(r.follower), 1);
    assert_int_equal(detect(&r, 0.9f), 1);
    assert_int_equal(roto_follower_wants_detections(r.follower), 0);
    assert_int_equal(r.objects[0].track.id, 1);
    for (int i = 0; i < 60; i++) {
        put(&r, 0, (float)(100 + 4 * i), 100);
        assert_int_equal(carry(&r, 1), 1);
        assert_int_equal(r.objects[0].track.id, 1);
        assert_int_equal(r.objects[0].state, ROTO_FOLLOW_SEEN);
        assert_true(fabsf(r.objects[0].track.box.x0 - (float)(100 + 4 * i)) <= CELL_PX);
        assert_float_equal(r.objects[0].area, TALL_W * TALL_H, 4 * CELL_PX * TALL_H);
    }
    assert_int_equal(r.world->n_prompts, 1);
    assert_int_equal(roto_follower_n_identities(r.follower), 1);
    stop(&r);
}

static void weak_detections_take_longer_and_flicker_dies(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    for (int i = 0; i < 4; i++)
        assert_int_equal(detect(&r, 0.62f), 0);
    detect(&r, 0.62f);
    assert_int_equal(detect(&r, 0.62f), 1);
    /* Too weak for a birth; and seen once only. */
    put(&r, 1, 400, 100);
    for (int i = 0; i < 10; i++)
        assert_int_equal(detect(&r, i == 5 ? 0.61f : 0.55f), 1);
    r.world->things[1].hidden = true;
    detect(&r, 0.9f);
    assert_int_equal(r.world->n_held, 1);
    put(&r, 2, 250, 300);
    detect(&r, 0.95f);
    r.world->things[2].hidden = true;
    assert_int_equal(r.world->n_held, 2);
    detect(&r, 0.9f);
    assert_int_equal(r.world->n_held, 1); /* the segmenter is rid of it */
    assert_int_equal(roto_follower_n_identities(r.follower), 1);
    stop(&r);
}

static void masks_explain_detections(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    put(&r, 1, 190, 100);
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 2);
    const int prompts = r.world->n_prompts;
    const roto_detection strange[] = {
        {.box = r.world->things[0].box, .score = 0.9f},
        {.box = r.world->things[1].box, .score = 0.9f},
        {.box = {110, 105, 175, 250}, .score = 0.95f}, /* the first once more */
        {.box = {100, 100, 270, 260}, .score = 0.95f}, /* both as one */
        {.box = {120, 100, 160, 180}, .score = 0.95f}, /* a part */
    };
    for (int i = 0; i < 5; i++)
        assert_int_equal(step(&r, strange, 5), 2);
    assert_int_equal(r.world->n_prompts, prompts);
    /* Another class is another thing, unless classes do not count. */
    roto_detection bag = strange[4];
    bag.class_id = 7;
    put(&r, 2, 0, 0);
    r.world->things[2].box = bag.box;
    roto_detection found[] = {strange[0], strange[1], bag};
    step(&r, found, 3);
    assert_int_equal(step(&r, found, 3), 3);
    assert_int_equal(r.objects[2].track.class_id, 7);
    stop(&r);
}

static void a_drifting_mask_is_pulled_back(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    put(&r, 1, 400, 100);
    detect(&r, 0.9f);
    detect(&r, 0.9f);
    held_object *o = fake_find(r.world, 1);
    const int prompts = o->prompts;
    o->drift_px = 40; /* half its width: IoU 1/3 */
    detect(&r, 0.9f);
    detect(&r, 0.9f);
    assert_int_equal(fake_find(r.world, 1)->prompts, prompts);
    assert_int_equal(roto_follower_wants_detections(r.follower), 1);
    carry(&r, 3); /* frames without a detector say nothing */
    detect(&r, 0.9f);
    assert_int_equal(fake_find(r.world, 1)->prompts, prompts + 1);
    assert_true(fabsf(r.objects[0].track.box.x0 - 100) <= CELL_PX);
    assert_int_equal(r.n, 2);
    assert_int_equal(roto_follower_wants_detections(r.follower), 0);
    /* At once when the segmenter has doubts itself. */
    o = fake_find(r.world, 2);
    o->drift_px = 40;
    o->iou = 0.3f;
    detect(&r, 0.9f);
    assert_true(fabsf(r.objects[1].track.box.x0 - 400) <= CELL_PX);
    assert_int_equal(r.objects[1].track.id, 2);
    assert_int_equal(roto_follower_n_identities(r.follower), 2);
    stop(&r);
}

static void the_memory_finds_an_object_again(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    detect(&r, 0.9f);
    detect(&r, 0.9f);
    r.world->things[0].hidden = true;
    assert_int_equal(carry(&r, 60), 1);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_LOST);
    assert_int_equal(r.objects[0].track.missed_frames, 60);
    assert_true(r.objects[0].area == 0);
    r.world->things[0].hidden = false;
    put(&r, 0, 300, 100);
    assert_int_equal(carry(&r, 1), 1);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_SEEN);
    assert_int_equal(r.objects[0].track.id, 1);
    /* Gone for longer than max_absence_s: forgotten, by the segmenter too, its id never used again.
     */
    r.world->things[0].hidden = true;
    carry(&r, (int)(5 / FRAME_S) + 3);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.world->n_held, 0);
    r.world->things[0].hidden = false;
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 1);
    assert_int_equal(r.objects[0].track.id, 2);
    stop(&r);
}

static void lose(run *r)
{
    put(r, 0, 100, 100);
    detect(r, 0.9f);
    detect(r, 0.9f);
    fake_find(r->world, 1)->forgetful = true;
    r->world->things[0].hidden = true;
    carry(r, 30);
    r->world->things[0].hidden = false;
}

static void a_detection_finds_an_object_again(void **state)
{
    (void)state;
    run r = start(NULL);
    lose(&r);
    assert_int_equal(carry(&r, 5), 1);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_LOST); /* the memory does not */
    put(&r, 0, 260, 100);
    assert_int_equal(detect(&r, 0.9f), 1);
    assert_int_equal(r.objects[0].track.id, 1);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_SEEN);
    assert_int_equal(r.world->n_held, 1);
    /* The identity that was tried out is not wasted. */
    put(&r, 1, 500, 300);
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 2);
    assert_int_equal(r.objects[1].track.id, 2);
    stop(&r);
}

static void strangers_do_not_inherit_identities(void **state)
{
    (void)state;
    /* One who looks different. */
    run r = start(NULL);
    lose(&r);
    r.world->things[0].look = 1.2f;
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 2);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_LOST);
    assert_int_equal(r.objects[1].track.id, 2);
    stop(&r);
    /* One too far away for the time gone by. */
    roto_follower_params p = roto_follower_params_default();
    p.tracker.max_objects = MAX_HELD;
    r = start(&p);
    put(&r, 0, 0, 0);
    detect(&r, 0.9f);
    detect(&r, 0.9f);
    fake_find(r.world, 1)->forgetful = true;
    r.world->things[0].hidden = true;
    detect(&r, 0.9f);
    put(&r, 1, 500, 300);
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 2);
    assert_int_equal(r.objects[1].track.id, 2);
    stop(&r);
}

static void a_mask_on_something_else_is_not_believed(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    put(&r, 1, 300, 300); /* furniture that no detector knows */
    r.world->things[1].look = 2;
    const roto_detection d = {.box = r.world->things[0].box, .score = 0.9f};
    step(&r, &d, 1);
    step(&r, &d, 1);
    assert_int_equal(n_seen(&r), 1);
    fake_find(r.world, 1)->thing = 1;
    assert_int_equal(carry(&r, 1), 1);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_LOST);
    fake_find(r.world, 1)->thing = 0;
    carry(&r, 1);
    assert_int_equal(n_seen(&r), 1);
    /* One that the segmenter does not trust at all neither, unless a detection agrees. */
    fake_find(r.world, 1)->iou = 0.2f;
    carry(&r, 1);
    assert_int_equal(n_seen(&r), 0);
    step(&r, &d, 1);
    assert_int_equal(n_seen(&r), 1);
    stop(&r);
}

static void a_mask_that_no_detection_supports_is_lost(void **state)
{
    (void)state;
    roto_follower_params p = roto_follower_params_default();
    p.tracker.max_objects = MAX_HELD;
    p.max_unsupported_s = 1;
    run r = start(&p);
    put(&r, 0, 100, 100);
    detect(&r, 0.9f);
    detect(&r, 0.9f);
    carry(&r, 60); /* the detector did not run: that is no evidence */
    assert_int_equal(n_seen(&r), 1);
    step(&r, NULL, 0);
    assert_int_equal(n_seen(&r), 0);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.world->n_held, 0);
    stop(&r);
}

static void of_two_masks_on_one_thing_the_newcomer_goes(void **state)
{
    (void)state;
    run r = start(NULL);
    put(&r, 0, 100, 100);
    detect(&r, 0.9f);
    detect(&r, 0.9f);
    put(&r, 1, 190, 100);
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 2);
    /* The younger one slips onto the older one's thing. */
    fake_find(r.world, 2)->thing = 0;
    carry(&r, 2);
    assert_int_equal(n_seen(&r), 2);
    carry(&r, 2);
    assert_int_equal(n_seen(&r), 1);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_SEEN);
    assert_null(fake_find(r.world, 2));
    /* A detection of its own thing brings it back. */
    detect(&r, 0.9f);
    assert_int_equal(n_seen(&r), 2);
    assert_int_equal(r.objects[1].track.id, 2);
    /* The older one was out of sight and comes back on the younger one's thing: it goes. */
    fake_find(r.world, 1)->blind = true;
    carry(&r, 5);
    fake_find(r.world, 1)->blind = false;
    fake_find(r.world, 1)->thing = 1;
    carry(&r, 4);
    assert_int_equal(r.objects[0].state, ROTO_FOLLOW_LOST);
    assert_int_equal(r.objects[1].state, ROTO_FOLLOW_SEEN);
    stop(&r);
}

static roto_status prompt_person(run *r, int64_t id, float x, float y)
{
    roto_prompt prompt = roto_prompt_default();
    const roto_box box = person_at(x, y);
    prompt.box = &box;
    return roto_follower_prompt(r->follower, id, r->frame, &prompt);
}

static void users_and_detections_share_identities(void **state)
{
    (void)state;
    roto_follower_params p = roto_follower_params_default();
    p.tracker.max_objects = MAX_HELD;
    p.first_id = 10;
    run r = start(&p);
    put(&r, 0, 100, 100);
    put(&r, 1, 400, 100);
    assert_int_equal(prompt_person(&r, 3, 100, 100), ROTO_OK);
    detect(&r, 0.9f);
    assert_int_equal(detect(&r, 0.9f), 2); /* the detection of the prompted one is explained */
    assert_int_equal(r.objects[0].track.id, 3);
    assert_int_equal(r.objects[0].by_user, 1);
    assert_int_equal(r.objects[1].track.id, 10);
    assert_int_equal(prompt_person(&r, 11, 400, 100), ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "object 11"));
    assert_int_equal(prompt_person(&r, 10, 400, 100), ROTO_OK); /* a correction */
    const int64_t fresh = roto_follower_new_id(r.follower);
    assert_int_equal(fresh, 11);
    put(&r, 2, 250, 300);
    assert_int_equal(prompt_person(&r, fresh, 250, 300), ROTO_OK);
    assert_int_equal(carry(&r, 1), 3);
    /* For the frame that was given last the answer is there at once. */
    roto_prompt prompt = roto_prompt_default();
    put(&r, 3, 20, 300);
    prompt.box = &r.world->things[3].box;
    assert_int_equal(roto_follower_prompt(r.follower, 4, r.frame - 1, &prompt), ROTO_OK);
    assert_int_equal(roto_follower_objects(r.follower, &r.objects, &r.n), ROTO_OK);
    assert_int_equal(r.n, 4);
    assert_int_equal(r.objects[1].track.id, 4);
    assert_true(fabsf(r.objects[1].track.box.x0 - 20) <= CELL_PX);
    assert_int_equal(roto_follower_remove(r.follower, 4), ROTO_OK);
    r.world->things[3].hidden = true;
    assert_int_equal(carry(&r, 1), 3);
    assert_int_equal(r.objects[2].track.class_id, -1);
    /* What a user marked is remembered for ever, and no drift is corrected. */
    r.world->things[2].hidden = true;
    fake_find(r.world, 3)->drift_px = 30;
    const int prompts = fake_find(r.world, 3)->prompts;
    for (int i = 0; i < 30; i++)
        detect(&r, 0.9f);
    assert_int_equal(fake_find(r.world, 3)->prompts, prompts);
    carry(&r, 300);
    assert_int_equal(r.objects[r.n - 1].track.id, fresh);
    assert_int_equal(r.objects[r.n - 1].state, ROTO_FOLLOW_LOST);
    assert_int_equal(roto_follower_remove(r.follower, fresh), ROTO_OK);
    assert_int_equal(roto_follower_remove(r.follower, fresh), ROTO_ERROR_ARGUMENT);
    assert_int_equal(prompt_person(&r, fresh, 250, 300), ROTO_OK); /* the latest one offered */
    assert_true(roto_follower_new_id(r.follower) > fresh);
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_detection_is_born_confirmed_and_carried),
        cmocka_unit_test(weak_detections_take_longer_and_flicker_dies),
        cmocka_unit_test(masks_explain_detections),
        cmocka_unit_test(a_drifting_mask_is_pulled_back),
        cmocka_unit_test(the_memory_finds_an_object_again),
        cmocka_unit_test(a_detection_finds_an_object_again),
        cmocka_unit_test(strangers_do_not_inherit_identities),
        cmocka_unit_test(a_mask_on_something_else_is_not_believed),
        cmocka_unit_test(a_mask_that_no_detection_supports_is_lost),
        cmocka_unit_test(of_two_masks_on_one_thing_the_newcomer_goes),
        cmocka_unit_test(users_and_detections_share_identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
