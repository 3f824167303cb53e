#include "support/cmocka_all.h"

#include "eval/correlation_filter.h"
#include "eval/davis_measure.h"
#include "eval/davis_prompt.h"
#include "eval/golden.h"

#include <string.h>

static void statistics_are_those_of_the_official_evaluation(void **state)
{
    (void)state;
    cJSON *golden = golden_read("eval/golden/davis.json");
    const cJSON *c;
    cJSON_ArrayForEach(c, cJSON_GetObjectItem(golden, "statistics"))
    {
        double values[512];
        size_t n = 0;
        const cJSON *value;
        cJSON_ArrayForEach(value, cJSON_GetObjectItem(c, "values")) values[n++] =
            value->valuedouble;
        const davis_statistics s = davis_statistics_of(values, n);
        assert_near(s.mean, golden_number(c, "mean"), 1e-12);
        assert_near(s.recall, golden_number(c, "recall"), 1e-12);
        assert_near(s.decay, golden_number(c, "decay"), 1e-12);
    }
    assert_true(isnan(davis_statistics_of(NULL, 0).mean));
    assert_true(isnan(davis_statistics_of(NULL, 0).decay));
    cJSON_Delete(golden);
}

enum { W = 31, H = 23, PIXELS = W * H };

/* Some thick strokes of object 3, others of object 2. */
static void draw(uint32_t *random, uint8_t *ids)
{
    memset(ids, 0, PIXELS);
    for (int i = 0; i < 5; i++) {
        *random = *random * 1664525u + 1013904223u;
        const int x = (int)(*random >> 8) % W, y = (int)(*random >> 16) % H;
        const int w = 1 + (int)(*random >> 24) % 9, h = 1 + (int)(*random >> 27) % 9;
        for (int k = 0; k < w * h; k++)
            if (x + k % w < W && y + k / w < H)
                ids[(y + k / w) * W + x + k % w] = i == 3 ? 2 : 3;
    }
}

/* Squared distance to the nearest pixel that is not the object's, or to what is around. */
static int distance_outside(const uint8_t *ids, int x, int y)
{
    int best = PIXELS * PIXELS;
    for (int v = -1; v <= H; v++)
        for (int u = -1; u <= W; u++) {
            const int d = (u - x) * (u - x) + (v - y) * (v - y);
            const int is_inside = u >= 0 && v >= 0 && u < W && v < H && ids[v * W + u] == 3;
            if (!is_inside && d < best)
                best = d;
        }
    return best;
}

static void prompts_are_what_they_are_defined_to_be(void **state)
{
    (void)state;
    uint32_t random = 7;
    uint8_t ids[PIXELS];
    for (int round = 0; round < 60; round++) {
        draw(&random, ids);
        int left = W, top = H, right = -1, bottom = -1, best = 0, best_at = 0;
        for (int i = 0; i < PIXELS; i++) {
            if (ids[i] != 3)
                continue;
            left = i % W < left ? i % W : left;
            right = i % W > right ? i % W : right;
            top = i / W < top ? i / W : top;
            bottom = i / W;
            const int d = distance_outside(ids, i % W, i / W);
            if (d > best) {
                best = d;
                best_at = i;
            }
        }
        davis_box box;
        assert_true(davis_box_of(ids, W, H, 3, &box));
        assert_int_equal(box.left, left);
        assert_int_equal(box.top, top);
        assert_int_equal(box.right, right);
        assert_int_equal(box.bottom, bottom);
        int32_t x = -1, y = -1;
        assert_int_equal(davis_point_of(ids, W, 3, &box, &x, &y), ROTO_OK);
        assert_int_equal(y * W + x, best_at);
        assert_false(davis_box_of(ids, W, H, 9, &box));
    }
}

enum { SCENE_W = 320, SCENE_H = 200, PATCH = 40 };

/* A patch of one texture, its corner at x, y, on another that does not move. */
static roto_image scene(uint8_t *rgb, int x, int y)
{
    for (int i = 0; i < SCENE_W * SCENE_H; i++) {
        const int u = i % SCENE_W - x, v = i / SCENE_W - y;
        const int is_patch = u >= 0 && v >= 0 && u < PATCH && v < PATCH;
        const int a =
            is_patch ? u / 5 * 7 + v / 5 * 13 + 3 : i % SCENE_W / 8 + i / SCENE_W / 8 * 64;
        const uint32_t h = ((uint32_t)a * 2654435761u) >> 24;
        memset(rgb + 3 * i, (int)(is_patch ? h : 96 + h / 4), 3);
    }
    return (roto_image){.width = SCENE_W,
                        .height = SCENE_H,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {SCENE_W * 3}};
}

static void the_correlation_filter_follows_what_moves(void **state)
{
    (void)state;
    uint8_t *rgb = malloc(SCENE_W * SCENE_H * 3);
    assert_non_null(rgb);
    roto_image image = scene(rgb, 30, 40);
    correlation_filter *filter;
    assert_int_equal(correlation_filter_new(&image, 49.5, 59.5, PATCH, PATCH, &filter), ROTO_OK);
    double x = 0, y = 0;
    for (int t = 1; t <= 20; t++) {
        const int left = 30 + 9 * t, top = 40 + (t < 10 ? 4 : -3) * t + (t < 10 ? 0 : 63);
        image = scene(rgb, left, top);
        correlation_filter_next(filter, &image, &x, &y);
        assert_near(x, left + 19.5, 1.5);
        assert_near(y, top + 19.5, 1.5);
    }
    /* Where nothing is to be seen it stays. */
    memset(rgb, 128, SCENE_W * SCENE_H * 3);
    double then_x, then_y;
    correlation_filter_next(filter, &image, &then_x, &then_y);
    assert_near(then_x, x, 0);
    assert_near(then_y, y, 0);
    correlation_filter_free(filter);
    free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_are_those_of_the_official_evaluation),
        cmocka_unit_test(prompts_are_what_they_are_defined_to_be),
        cmocka_unit_test(the_correlation_filter_follows_what_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
