/* Choosing, filling and scaling masks, and what an object remembers. */
#include "support/cmocka_all.h"

#include "track/mask_choice.h"
#include "track/mask_holes.h"
#include "track/mask_scale.h"
#include "track/memory_bank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void the_best_of_three_or_a_stable_single_mask_is_chosen(void **state)
{
    (void)state;
    float masks[4 * 100];
    for (int i = 0; i < 400; i++)
        masks[i] = 1;
    const float ious[4] = {0.9f, 0.5f, 0.7f, 0.6f};
    mask_choice choice = mask_choose(masks, 100, ious, true, 0.05f, 0.98f);
    assert_int_equal(choice.mask, 2);
    assert_int_equal(choice.pointer, 2);
    choice = mask_choose(masks, 100, ious, false, 0.05f, 0.98f);
    assert_int_equal(choice.mask, 0);
    for (int i = 0; i < 3; i++)
        masks[i] = 0.01f; /* 3 % of the outline is in doubt */
    choice = mask_choose(masks, 100, ious, false, 0.05f, 0.98f);
    assert_int_equal(choice.mask, 2);
    assert_int_equal(choice.pointer, 0);
    for (int i = 0; i < 100; i++)
        masks[i] = -1;
    assert_int_equal(mask_choose(masks, 100, ious, false, 0.05f, 0.98f).mask, 0);
}

static void holes_up_to_the_limit_are_filled_and_larger_regions_stay(void **state)
{
    (void)state;
    enum { W = 10, H = 7 };
    static const char *const picture[H] = {"##########", "##..######", "##..##.###", "#######.##",
                                           "##########", ".........#", ".........#"};
    float logits[W * H];
    int32_t queue[W * H];
    uint8_t seen[W * H];
    for (int limit = 3; limit <= 4; limit++) {
        for (int i = 0; i < W * H; i++)
            logits[i] = picture[i / W][i % W] == '#' ? 2.0f : -1.0f;
        mask_fill_holes(logits, W, H, limit, queue, seen);
        /* Two pixels that touch at a corner are one hole. */
        assert_true(logits[2 * W + 6] == MASK_HOLE_LOGIT && logits[3 * W + 7] == MASK_HOLE_LOGIT);
        assert_true(logits[2 * W + 3] == (limit == 4 ? MASK_HOLE_LOGIT : -1));
        assert_true(logits[1 * W + 2] == (limit == 4 ? MASK_HOLE_LOGIT : -1));
        assert_true(logits[5 * W] == -1 && logits[6 * W + 8] == -1 && logits[0] == 2);
    }
}

/* Pixels of the region of `start`, over edges and corners, in `member`; returns how many. */
static int flood(const bool *looked_for, int w, int h, int start, bool *member, int *stack)
{
    int n = 0, n_stack = 0;
    memset(member, 0, (size_t)(w * h));
    stack[n_stack++] = start;
    member[start] = true;
    while (n_stack > 0) {
        const int at = stack[--n_stack], x = at % w, y = at / w;
        n++;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                const int i = (y + dy) * w + x + dx;
                if (x + dx < 0 || x + dx >= w || y + dy < 0 || y + dy >= h || !looked_for[i] ||
                    member[i])
                    continue;
                member[i] = true;
                stack[n_stack++] = i;
            }
    }
    return n;
}

/* The definition: every region by itself. */
static void replace_by_flood(const float *logits, int w, int h, bool positive, int max_area,
                             float logit, float *out)
{
    enum { MOST = 40 * 40 };
    static bool looked_for[MOST], member[MOST];
    static int stack[MOST];
    for (int i = 0; i < w * h; i++)
        looked_for[i] = (logits[i] > 0) == positive;
    for (int i = 0; i < w * h; i++) {
        if (looked_for[i] && flood(looked_for, w, h, i, member, stack) <= max_area)
            out[i] = logit;
    }
}

static void small_regions_are_those_that_a_flood_finds(void **state)
{
    (void)state;
    enum { MOST = 40 * 40, N_CASES = 1000 };
    static float logits[MOST], cleaned[MOST], wanted[MOST];
    static int32_t queue[MOST];
    static uint8_t seen[MOST];
    uint32_t seed = 11;
    for (int n = 0; n < N_CASES; n++) {
        const int w = n % 7 == 0 ? 1 : 1 + n % 40,
                  h = n % 5 == 0 ? 1 : 1 + n / 40 % (n % 3 ? 12 : 40);
        const int share = n % 101, max_area = n % 11; /* of 100 pixels, share are inside */
        for (int i = 0; i < w * h; i++) {
            seed = seed * 1664525u + 1013904223u;
            logits[i] = (int)(seed >> 8) % 100 < share ? 1.0f + (float)i
                        : seed >> 31                   ? 0.0f
                                                       : -2.0f;
        }
        memcpy(wanted, logits, sizeof(wanted));
        replace_by_flood(logits, w, h, false, max_area, MASK_CLEAN_LOGIT, wanted);
        replace_by_flood(logits, w, h, true, max_area, -MASK_CLEAN_LOGIT, wanted);
        mask_clean(logits, w, h, max_area, queue, seen, cleaned);
        assert_memory_equal(cleaned, wanted, (size_t)(w * h) * sizeof(float));
        memcpy(wanted, logits, sizeof(wanted));
        replace_by_flood(logits, w, h, false, max_area, MASK_HOLE_LOGIT, wanted);
        mask_fill_holes(logits, w, h, max_area, queue, seen);
        assert_memory_equal(logits, wanted, (size_t)(w * h) * sizeof(float));
    }
}

/* PyTorch's interpolate(mode="bilinear", align_corners=False), written out. */
static double enlarged(const float *logits, int w, int h, int x, int y, int frame_w, int frame_h)
{
    double sx = (x + 0.5) * w / frame_w - 0.5, sy = (y + 0.5) * h / frame_h - 0.5;
    sx = sx < 0 ? 0 : sx;
    sy = sy < 0 ? 0 : sy;
    const int x0 = (int)sx, y0 = (int)sy, x1 = x0 + 1 < w ? x0 + 1 : x0,
              y1 = y0 + 1 < h ? y0 + 1 : y0;
    const double fx = sx - x0, fy = sy - y0;
    return (1 - fy) * ((1 - fx) * (double)logits[y0 * w + x0] + fx * (double)logits[y0 * w + x1]) +
           fy * ((1 - fx) * (double)logits[y1 * w + x0] + fx * (double)logits[y1 * w + x1]);
}

static void masks_are_enlarged_and_compete_as_defined(void **state)
{
    (void)state;
    enum { W = 14, H = 9, FW = 101, FH = 50, PITCH = 110 };
    static float a[W * H], b[W * H];
    uint32_t seed = 7;
    for (int i = 0; i < W * H; i++) {
        seed = seed * 1664525u + 1013904223u;
        a[i] = (float)(seed >> 8) / 8388608.0f - 1.3f;
        b[i] = i % W < 5 ? (float)(seed & 255u) / 128.0f - 1.0f : -2.0f;
    }
    mask_scaler *s = NULL;
    assert_int_equal(mask_scaler_new(W, H, FW, FH, &s), ROTO_OK);
    static uint8_t mask[FH * PITCH];
    static uint16_t map[FH * PITCH];
    memset(mask, 77, sizeof(mask));
    mask_scaler_write(s, a, 255, mask, PITCH);
    assert_int_equal(mask_scaler_start_map(s, map, PITCH), ROTO_OK);
    mask_scaler_add_to_map(s, a, 1);
    mask_scaler_add_to_map(s, b, 2);
    for (int y = 0; y < FH; y++) {
        for (int x = 0; x < FW; x++) {
            const double va = enlarged(a, W, H, x, y, FW, FH), vb = enlarged(b, W, H, x, y, FW, FH);
            if (fabs(va) > 1e-5)
                assert_int_equal(mask[y * PITCH + x], va > 0 ? 255 : 0);
            if (fabs(va) < 1e-5 || fabs(vb) < 1e-5 || fabs(va - vb) < 1e-5)
                continue;
            assert_int_equal(map[y * PITCH + x], va <= 0 && vb <= 0 ? 0 : va > vb ? 1 : 2);
        }
        assert_int_equal(mask[y * PITCH + FW], 77);
    }
    mask_scaler_free(s);
}

/* On the CPU they are memory. */
static float *floats_at(memory_place place)
{
    return place.in->data + place.at;
}

static void remember(memory_bank *bank, int64_t frame, int direction)
{
    *floats_at(memory_bank_memory(bank, frame, direction)->memory) = (float)frame;
    *floats_at(memory_bank_pointer(bank, frame)->pointer) = (float)frame;
}

/* The frames that the official rule picks for a frame, against a bank that keeps few. */
static void assert_view(const memory_bank *bank, int64_t frame, int direction,
                        int64_t tracked_first)
{
    const memory_view view = memory_bank_look(bank, frame, direction);
    for (int back = 1; back < 5; back++) {
        const int64_t nearest = direction > 0 ? (frame - 2) / 5 * 5 : (frame + 2 + 4) / 5 * 5;
        const int64_t wanted = back == 1 ? frame - direction : nearest - direction * (back - 2) * 5;
        const bool known = direction > 0 ? wanted >= tracked_first : wanted <= tracked_first;
        if (known && wanted >= 0) {
            assert_non_null(view.recent[back - 1]);
            assert_int_equal(view.recent[back - 1]->frame, wanted);
            assert_true(*floats_at(view.recent[back - 1]->memory) == (float)wanted);
        } else {
            assert_null(view.recent[back - 1]);
        }
    }
    for (int32_t i = 0; i < view.n_pointers; i++)
        assert_true(*floats_at(view.pointers[i].pointer) ==
                    (float)(frame - direction * view.pointers[i].age));
}

static void boxes_are_around_what_is_written(void **state)
{
    (void)state;
    enum { W = 14, H = 9, FW = 61, FH = 40 };
    mask_scaler *s = NULL;
    assert_int_equal(mask_scaler_new(W, H, FW, FH, &s), ROTO_OK);
    mask_edges box;
    uint32_t seed = 3;
    for (int round = 0; round < 40; round++) {
        float logits[W * H];
        uint8_t mask[FH * FW];
        for (int i = 0; i < W * H; i++) {
            seed = seed * 1664525u + 1013904223u;
            logits[i] = (float)(seed >> 8) / 8388608.0f - 2 + 0.005f * (float)round;
        }
        mask_scaler_write(s, logits, 1, mask, FW);
        int32_t e[4] = {FW, FH, 0, 0};
        for (int32_t i = 0; i < FW * FH; i++) {
            const int32_t x = i % FW, y = i / FW;
            if (!mask[i])
                continue;
            e[0] = x < e[0] ? x : e[0];
            e[1] = y < e[1] ? y : e[1];
            e[2] = x >= e[2] ? x + 1 : e[2];
            e[3] = y + 1;
        }
        const bool any = e[3] > 0;
        assert_int_equal(mask_scaler_box(s, logits, &box), any);
        if (!any)
            continue;
        assert_true(box.x0 == e[0] && box.y0 == e[1] && box.x1 == e[2] && box.y1 == e[3]);
        const mask_edges reach = mask_scaler_reach(s, logits);
        assert_true(reach.x0 <= e[0] && reach.y0 <= e[1] && reach.x1 >= e[2] && reach.y1 >= e[3]);
    }
    /* Between the frame's pixels a single cell's peak is not seen by any. */
    float speck[W * H];
    for (int i = 0; i < W * H; i++)
        speck[i] = -9;
    assert_false(mask_scaler_box(s, speck, &box));
    const mask_edges none = mask_scaler_reach(s, speck);
    assert_true(none.x0 == none.x1 && none.y0 == none.y1);
    speck[5 * W + 5] = 1e-6f;
    assert_false(mask_scaler_box(s, speck, &box));
    /* ... and nothing but that cell and the halves of its neighbours is in reach. */
    const mask_edges near = mask_scaler_reach(s, speck);
    assert_in_range(near.x1 - near.x0, 1, 2 * FW / W + 2);
    assert_in_range(near.y1 - near.y0, 1, 2 * FH / H + 2);
    mask_scaler_free(s);
}

static void a_matte_is_the_logistic_function_of_the_highest_logit(void **state)
{
    (void)state;
    enum { W = 12, H = 7, FW = 50, FH = 31, PITCH = 53, N = 2 };
    static float logits[N * W * H];
    uint32_t seed = 11;
    for (int i = 0; i < N * W * H; i++) {
        seed = seed * 1664525u + 1013904223u;
        logits[i] = (float)(seed >> 8) / 8388608.0f * 10 - 10;
        if (i % (W * H) / W < 2 || i % W > 8)
            logits[i] = -30; /* far from any object */
    }
    mask_scaler *s = NULL;
    assert_int_equal(mask_scaler_new(W, H, FW, FH, &s), ROTO_OK);
    static uint8_t matte[FH * PITCH];
    memset(matte, 77, sizeof(matte));
    assert_int_equal(mask_scaler_matte(s, logits, N, matte, PITCH), ROTO_OK);
    int n_soft = 0;
    for (int y = 0; y < FH; y++) {
        for (int x = 0; x < FW; x++) {
            const double a = enlarged(logits, W, H, x, y, FW, FH),
                         b = enlarged(logits + W * H, W, H, x, y, FW, FH);
            const double level = 255 / (1 + exp(-fmax(a, b)));
            assert_true(fabs(matte[y * PITCH + x] - level) < 0.5 + 0.25);
            n_soft += level > 5 && level < 250;
        }
        assert_int_equal(matte[y * PITCH + FW], 77);
    }
    assert_true(n_soft > FW);
    assert_int_equal(mask_scaler_matte(s, NULL, 0, matte, PITCH), ROTO_OK);
    for (int i = 0; i < FH; i++)
        assert_int_equal(matte[i * PITCH], 0);
    mask_scaler_free(s);
}

static void a_bank_keeps_what_the_rule_asks_for_both_ways(void **state)
{
    (void)state;
    const memory_bank_shape shape = {.memory_floats = 4,
                                     .pointer_floats = 2,
                                     .mask_floats = 3,
                                     .num_maskmem = 5,
                                     .temporal_stride = 5,
                                     .max_pointers = 16,
                                     .max_conditioning = 3};
    memory_bank bank;
    backend *cpu = NULL;
    assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 1}, &cpu), ROTO_OK);
    assert_int_equal(memory_bank_init(&bank, &shape, &backend_cpu, cpu), ROTO_OK);
    for (int64_t frame = 1; frame < 2000; frame++) {
        assert_view(&bank, frame, 1, 1);
        remember(&bank, frame, 1);
        assert_view(&bank, frame, 1, 1); /* for a correction */
    }
    assert_int_equal(memory_bank_look(&bank, 2000, 1).n_pointers, 15);
    memory_bank_clear(&bank);
    for (int64_t frame = 300; frame >= 0; frame--) {
        assert_view(&bank, frame, -1, 300);
        remember(&bank, frame, -1);
    }
    memory_bank_clear(&bank);
    assert_int_equal(memory_bank_reserve(&bank, 10), ROTO_OK);
    static const int64_t prompted[] = {10, 20, 30, 40, 12};
    for (int i = 0; i < 5; i++)
        *floats_at(memory_bank_condition(&bank, prompted[i])->memory) = (float)prompted[i];
    assert_int_equal(bank.n_conditioning, 3);
    assert_non_null(memory_bank_find(&bank, 10)); /* the first stays */
    assert_non_null(memory_bank_find(&bank, 12));
    remember(&bank, 41, 1);
    memory_bank_condition(&bank, 41);
    assert_null(memory_bank_look(&bank, 42, 1).recent[0]); /* it is a prompted one now */
    memory_bank_free(&bank);
    backend_cpu.close(cpu);
}

static void a_bank_keeps_as_many_frames_as_it_is_told(void **state)
{
    (void)state;
    const memory_bank_shape shape = {.memory_floats = 4,
                                     .pointer_floats = 2,
                                     .mask_floats = 3,
                                     .num_maskmem = 5,
                                     .temporal_stride = 1,
                                     .max_pointers = 16,
                                     .max_conditioning = 1,
                                     .n_kept = 40};
    memory_bank bank;
    backend *cpu = NULL;
    assert_int_equal(backend_cpu.open(&(backend_params){.n_threads = 1}, &cpu), ROTO_OK);
    assert_int_equal(memory_bank_init(&bank, &shape, &backend_cpu, cpu), ROTO_OK);
    for (int64_t frame = 0; frame < 100; frame++)
        remember(&bank, frame, 1);
    /* 60 to 99 are there: in the middle of them as many lie ahead as behind. */
    for (int direction = -1; direction <= 1; direction += 2) {
        const memory_view view = memory_bank_look(&bank, 80, direction);
        for (int32_t back = 1; back < shape.num_maskmem; back++)
            assert_int_equal(view.recent[back - 1]->frame, 80 - direction * back);
        assert_int_equal(view.n_pointers, 15);
    }
    assert_null(memory_bank_look(&bank, 60, 1).recent[0]);
    assert_int_equal(memory_bank_look(&bank, 60, 1).n_pointers, 0);
    memory_bank_free(&bank);
    backend_cpu.close(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_of_three_or_a_stable_single_mask_is_chosen),
        cmocka_unit_test(holes_up_to_the_limit_are_filled_and_larger_regions_stay),
        cmocka_unit_test(small_regions_are_those_that_a_flood_finds),
        cmocka_unit_test(masks_are_enlarged_and_compete_as_defined),
        cmocka_unit_test(boxes_are_around_what_is_written),
        cmocka_unit_test(a_matte_is_the_logistic_function_of_the_highest_logit),
        cmocka_unit_test(a_bank_keeps_what_the_rule_asks_for_both_ways),
        cmocka_unit_test(a_bank_keeps_as_many_frames_as_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
