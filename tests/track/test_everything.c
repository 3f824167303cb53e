/* Masks of everything in an image: where it looks, what it drops, what callers get and what is
 * refused. test_published_everything.c compares with the published code. */
#include "track/segmenter_fixture.h"

#include "format/rle.h"
#include "track/everything_grid.h"
#include "track/found_masks.h"
#include "track/mask_holes.h"

#include <math.h>
#include <roto/everything.h>
#include <stdlib.h>
#include <string.h>

static void assert_edges(mask_edges e, int x0, int y0, int x1, int y1)
{
    if (e.x0 != x0 || e.y0 != y0 || e.x1 != x1 || e.y1 != y1)
        fail_msg("%d,%d to %d,%d; expected %d,%d to %d,%d", e.x0, e.y0, e.x1, e.y1, x0, y0, x1, y1);
}

static void parts_overlap_and_cover_the_image(void **state)
{
    (void)state;
    const crop_layer whole = crop_layer_make(1500, 1000, 0, 0.25);
    assert_int_equal(crop_layer_n(&whole), 1);
    assert_edges(crop_layer_part(&whole, 0, false), 0, 0, 1500, 1000);

    /* They share a quarter of 1000: (250 + 1500) / 2 = 875 and (250 + 1000) / 2 = 625 pixels long,
     * a step of 625 and 375. */
    const crop_layer two = crop_layer_make(1500, 1000, 1, 0.25);
    assert_int_equal(crop_layer_n(&two), 4);
    assert_edges(crop_layer_part(&two, 0, false), 0, 0, 875, 625);
    assert_edges(crop_layer_part(&two, 1, false), 0, 375, 875, 1000);
    assert_edges(crop_layer_part(&two, 2, false), 625, 0, 1500, 625);
    assert_edges(crop_layer_part(&two, 3, false), 625, 375, 1500, 1000);
    assert_edges(crop_layer_part(&two, 3, true), 624, 374, 1500, 1000);

    /* The second layer's share half as much: (3 * 125 + 1500) / 4 = 468.75, upwards. */
    const crop_layer four = crop_layer_make(1500, 1000, 2, 0.25);
    assert_int_equal(crop_layer_n(&four), 16);
    assert_edges(crop_layer_part(&four, 15, false), 3 * (469 - 125), 3 * (344 - 125), 1500, 1000);
}

static void points_lie_in_the_middle_of_their_cells(void **state)
{
    (void)state;
    float x, y;
    grid_point(4, 0, 400, 200, &x, &y);
    assert_true(x == 50 && y == 25);
    grid_point(4, 7, 400, 200, &x, &y);
    assert_true(x == 350 && y == 75);
}

static void masks_at_inner_edges_of_parts_are_cut_off(void **state)
{
    (void)state;
    const mask_edges part = {0, 100, 400, 500};
    /* Last pixels; the image goes on to the right, above and below. */
    assert_false(box_is_cut(&(mask_edges){0, 121, 379, 479}, &part, 1000, 800));
    assert_true(box_is_cut(&(mask_edges){0, 121, 380, 479}, &part, 1000, 800));
    assert_true(box_is_cut(&(mask_edges){0, 120, 379, 479}, &part, 1000, 800));
    assert_true(box_is_cut(&(mask_edges){0, 121, 379, 480}, &part, 1000, 800));
    /* Near an edge that is the image's too nothing is cut off. */
    assert_false(box_is_cut(&(mask_edges){0, 121, 399, 479}, &part, 400, 800));
    assert_false(box_is_cut(&(mask_edges){0, 121, 399, 479}, &part, 419, 800));
}

static void add_found(found_masks *m, float iou, int x0, int y0, int x1, int y1, int crop_side)
{
    const found_mask mask = {
        .box = {x0, y0, x1, y1}, .crop = {0, 0, crop_side, crop_side}, .iou = iou};
    uint32_t counts[1] = {400};
    const rle_mask rle = {.width = 20, .height = 20, .counts = counts, .n = 1};
    assert_ok(found_masks_add(m, &mask, &rle));
}

static void of_two_that_overlap_the_surer_stays(void **state)
{
    (void)state;
    found_masks m = {0};
    add_found(&m, 0.1f, 0, 0, 11, 11, 20);  /* from an earlier part: not looked at */
    add_found(&m, 0.7f, 0, 0, 11, 11, 20);  /* between centres 10 x 10 */
    add_found(&m, 0.9f, 0, 0, 9, 11, 20);   /* 8 x 10: an overlap of 0.8 */
    add_found(&m, 0.8f, 0, 0, 11, 6, 20);   /* 10 x 5: 0.5 of the first, 40 of 90 of the second */
    add_found(&m, 0.8f, 12, 0, 13, 11, 20); /* without area */
    add_found(&m, 0.8f, 12, 0, 13, 11, 20);
    assert_ok(found_masks_suppress(&m, 1, RANK_IOU, 0.8f));
    assert_int_equal(m.n, 6); /* an overlap of exactly 0.8 is not above it */
    assert_true(m.items[1].iou == 0.9f && m.items[5].iou == 0.7f);
    assert_ok(found_masks_suppress(&m, 1, RANK_IOU, 0.79f));
    assert_int_equal(m.n, 5);
    assert_int_equal(m.items[2].box.y1, 6); /* equal ones as they came */
    assert_int_equal(m.items[3].box.x0, 12);
    assert_true(m.items[0].iou == 0.1f);
    assert_int_equal(m.bytes, 5 * sizeof(uint32_t));
    found_masks_free(&m);
}

static void between_parts_the_smaller_part_wins(void **state)
{
    (void)state;
    found_masks m = {0};
    add_found(&m, 0.9f, 0, 0, 11, 11, 20);
    add_found(&m, 0.5f, 0, 0, 11, 11, 10);
    assert_ok(found_masks_suppress(&m, 0, RANK_SMALL_CROP, 0.7f));
    assert_int_equal(m.n, 1);
    assert_true(m.items[0].iou == 0.5f);
    found_masks_free(&m);
}

static void small_holes_and_islands_go_by_what_was_there(void **state)
{
    (void)state;
    enum { W = 12, H = 8 };
    static const char *const before[H] = {"............", ".###....##..", ".#.#....##..",
                                          ".###........", "............", "..#.########",
                                          "....###.####", "....########"},
                             *const after[H] = {"............", "........##..", "..#.....##..",
                                                "............", "............", "....########",
                                                "....########", "....########"};
    float logits[W * H], out[W * H];
    int32_t queue[W * H];
    uint8_t seen[W * H];
    for (int i = 0; i < W * H; i++)
        logits[i] = before[i / W][i % W] == '#' ? 2.0f : -1.0f;
    logits[1 * W + 8] = 3; /* of a block of 4 that is kept below */
    mask_clean(logits, W, H, 3, queue, seen, out);
    assert_true(out[5 * W + 2] == -MASK_CLEAN_LOGIT && out[6 * W + 7] == MASK_CLEAN_LOGIT);
    assert_true(out[2 * W + 2] == MASK_CLEAN_LOGIT && out[1 * W + 1] == 2);
    /* A ring of 8 goes as an island although its hole is filled. */
    for (int x = 8; x < 10; x++)
        logits[3 * W + x] = logits[4 * W + x] = logits[0 * W + x] = 2;
    mask_clean(logits, W, H, 8, queue, seen, out);
    for (int i = 0; i < W * H; i++) {
        const bool joins = i % W >= 8 && i % W < 10 && i / W < 5; /* the added rows */
        if (!joins && (out[i] > 0) != (after[i / W][i % W] == '#'))
            fail_msg("%d,%d is %g", i % W, i / W, (double)out[i]);
    }
}

static void columns_give_the_run_lengths_of_the_whole(void **state)
{
    (void)state;
    enum { W = 40, H = 9 };
    uint8_t mask[W * H] = {0};
    rle_mask whole = {0}, part = {0};
    for (int y = 0; y < H; y++)
        for (int x = 11; x < 31; x++)
            mask[y * W + x] = (x * 7 + y * 3) % 5 < 2 || x == 30;
    static const int bounds[][2] = {{0, W}, {11, 31}, {3, 31}, {11, W}};
    assert_ok(rle_encode(mask, W, H, W, &whole));
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        assert_ok(rle_encode_columns(mask, W, H, W, bounds[i][0], bounds[i][1], &part));
        assert_int_equal(part.n, whole.n);
        assert_memory_equal(part.counts, whole.counts, whole.n * sizeof(*whole.counts));
    }
    rle_free(&whole);
    rle_free(&part);
}

/* ---- whole searches ---------------------------------------------------------------------------
 */

static roto_everything_params lax(void)
{
    roto_everything_params p = roto_everything_params_default();
    p.points_per_side = 5; /* 25 points: three full batches and one */
    p.min_iou = p.min_stability = 0;
    p.nms_iou = 0.9f;
    return p;
}

static roto_segmenter *open_with(int32_t n_threads)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = n_threads;
    return segmenter_synthetic(&params);
}

static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    roto_everything_params p = lax();
    p.crop_layers = 1;
    p.nms_iou = p.crop_nms_iou = 1; /* boxes of synthetic masks are much alike */
    p.min_region_cells = 0;
    roto_everything *all[2];
    const roto_image image = picture(0);
    for (int i = 0; i < 2; i++) {
        roto_segmenter *s = open_with(1 + 2 * i);
        assert_ok(roto_segmenter_everything(s, &image, &p, &all[i]));
        roto_segmenter_close(s); /* the masks stay */
    }
    assert_true(all[0]->n_masks > 3);
    assert_int_equal(all[0]->n_masks, all[1]->n_masks);
    for (int32_t i = 0; i < all[0]->n_masks; i++) {
        const roto_everything_mask *a = &all[0]->masks[i], *b = &all[1]->masks[i];
        assert_memory_equal(&a->iou, &b->iou, sizeof(a->iou));
        assert_memory_equal(&a->stability, &b->stability, sizeof(a->stability));
        assert_string_equal(a->rle, b->rle);
    }
    roto_everything_free(all[0]);
    roto_everything_free(all[1]);
}

static void masks_box_area_and_map_agree(void **state)
{
    (void)state;
    static uint8_t mask[PICTURE_PIXELS];
    static uint16_t map[PICTURE_PIXELS];
    static int64_t smallest[PICTURE_PIXELS];
    roto_segmenter *s = open_with(1);
    roto_everything_params p = lax();
    p.nms_iou = 1;
    const roto_image image = picture(0);
    roto_everything *all;
    assert_ok(roto_segmenter_everything(s, &image, &p, &all));
    assert_ok(roto_everything_map(all, map, PICTURE_W));
    for (int32_t i = 0; i < all->n_masks; i++) {
        const roto_everything_mask *m = &all->masks[i];
        assert_ok(roto_everything_mask_write(all, i, 9, mask, PICTURE_W));
        int x0 = PICTURE_W, y0 = PICTURE_H, x1 = 0, y1 = 0;
        int64_t area = 0;
        for (int k = 0; k < PICTURE_PIXELS; k++) {
            if (mask[k] == 0)
                continue;
            const int x = k % PICTURE_W, y = k / PICTURE_W;
            assert_int_equal(mask[k], 9);
            x0 = x < x0 ? x : x0;
            x1 = x >= x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0;
            y1 = y + 1;
            area++;
            smallest[k] = smallest[k] == 0 || m->area_px < smallest[k] ? m->area_px : smallest[k];
        }
        assert_int_equal(area, m->area_px);
        assert_true(m->box.x0 == (float)x0 && m->box.y0 == (float)y0 && m->box.x1 == (float)x1 &&
                    m->box.y1 == (float)y1);
        assert_true(i == 0 || m->iou <= all->masks[i - 1].iou);
        rle_mask rle = {0};
        assert_ok(rle_read_text(m->rle, strlen(m->rle), PICTURE_W, PICTURE_H, &rle));
        assert_int_equal(rle_area(&rle), area);
        rle_free(&rle);
    }
    for (int k = 0; k < PICTURE_PIXELS; k++)
        assert_int_equal(map[k] ? all->masks[map[k] - 1].area_px : 0, smallest[k]);
    assert_refused(roto_everything_mask_write(all, all->n_masks, 1, mask, PICTURE_W),
                   ROTO_ERROR_ARGUMENT, "mask ");
    assert_refused(roto_everything_mask_write(all, 0, 1, mask, PICTURE_W - 1), ROTO_ERROR_ARGUMENT,
                   "127 bytes apart");
    assert_refused(roto_everything_map(all, map, PICTURE_W - 1), ROTO_ERROR_ARGUMENT,
                   "127 elements apart");
    assert_refused(roto_everything_map(NULL, map, PICTURE_W), ROTO_ERROR_ARGUMENT, "no masks");
    roto_everything_free(all);
    roto_segmenter_close(s);
}

/* A video's memories are as they were. */
static void a_video_goes_on_afterwards(void **state)
{
    (void)state;
    float after[2];
    for (int with = 0; with < 2; with++) {
        roto_segmenter *s = open_with(1);
        const roto_segment *segments;
        int32_t n;
        roto_image image = picture(0);
        assert_ok(click(s, 3, 0, 40, 40, 1));
        assert_ok(roto_segmenter_frame(s, &image, 0, NULL, NULL));
        if (with) {
            roto_everything_params p = lax();
            roto_everything *all;
            p.crop_layers = 1;
            image = picture(7);
            assert_ok(roto_segmenter_everything(s, &image, &p, &all));
            roto_everything_free(all);
            assert_refused(roto_segmenter_results(s, &segments, &n), ROTO_ERROR_ARGUMENT,
                           "no current frame");
        }
        image = picture(1);
        assert_ok(roto_segmenter_frame(s, &image, 1, &segments, &n));
        assert_int_equal(n, 1);
        after[with] = segments[0].iou;
        roto_segmenter_close(s);
    }
    assert_memory_equal(&after[0], &after[1], sizeof(after[0]));
}

static int32_t stop_at_half(void *user, double share)
{
    double *latest = user;
    assert_true(share > *latest && share <= 1);
    *latest = share;
    return share >= 0.5;
}

static void wrong_parameters_are_refused_and_limits_kept(void **state)
{
    (void)state;
    roto_segmenter *s = open_with(1);
    const roto_image image = picture(0);
    roto_everything *all = (roto_everything *)&image;
    static const struct {
        size_t field;
        bool is_float;
        double value;
        const char *message;
    } wrong[] = {
        {offsetof(roto_everything_params, points_per_side), false, 0, "points_per_side is 0"},
        {offsetof(roto_everything_params, points_per_side), false, 129, "it has to be 1..128"},
        {offsetof(roto_everything_params, min_iou), true, 1.5, "min_iou is 1.5"},
        {offsetof(roto_everything_params, min_iou), true, -0.5, "min_iou is -0.5"},
        {offsetof(roto_everything_params, min_stability), true, (double)NAN,
         "min_stability is nan"},
        {offsetof(roto_everything_params, stability_offset), true, 0, "stability_offset is 0"},
        {offsetof(roto_everything_params, nms_iou), true, 2, "nms_iou is 2"},
        {offsetof(roto_everything_params, crop_layers), false, 4, "crop_layers is 4"},
        {offsetof(roto_everything_params, crop_nms_iou), true, -1, "crop_nms_iou is -1"},
        {offsetof(roto_everything_params, crop_points_divisor), false, 0, "divisor is 0"},
        {offsetof(roto_everything_params, min_region_cells), false, -2, "min_region_cells is -2"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        roto_everything_params p = lax();
        char *at = (char *)&p + wrong[i].field;
        const float real = (float)wrong[i].value;
        const int32_t integer = wrong[i].is_float ? 0 : (int32_t)wrong[i].value;
        if (wrong[i].is_float)
            memcpy(at, &real, sizeof(real));
        else
            memcpy(at, &integer, sizeof(integer));
        assert_refused(roto_segmenter_everything(s, &image, &p, &all), ROTO_ERROR_ARGUMENT,
                       wrong[i].message);
        assert_null(all);
    }
    roto_everything_params p = lax();
    p.crop_overlap = 0.95;
    assert_refused(roto_segmenter_everything(s, &image, &p, &all), ROTO_ERROR_ARGUMENT,
                   "crop_overlap is 0.95");
    p = lax();
    p.crop_layers = 2;
    p.crop_points_divisor = 3;
    assert_refused(roto_segmenter_everything(s, &image, &p, &all), ROTO_ERROR_ARGUMENT,
                   "leaves layer 2 no points");
    p = lax();
    p.max_bytes = 100;
    assert_refused(roto_segmenter_everything(s, &image, &p, &all), ROTO_ERROR_MEMORY,
                   "the 100 bytes");
    p = lax();
    double latest = 0;
    p.progress = stop_at_half;
    p.user = &latest;
    assert_refused(roto_segmenter_everything(s, &image, &p, &all), ROTO_CANCELLED,
                   "after 16 of 25 points");
    p = lax();
    p.struct_bytes = 8;
    assert_refused(roto_segmenter_everything(s, &image, &p, &all), ROTO_ERROR_ARGUMENT,
                   "roto_everything_params_default");
    p = lax();
    p.min_iou = 1; /* nothing is that sure */
    assert_ok(roto_segmenter_everything(s, &image, &p, &all));
    assert_int_equal(all->n_masks, 0);
    roto_everything_free(all);
    roto_everything_free(NULL);

    uint8_t dot[3] = {1, 2, 3};
    const roto_image tiny = {
        .width = 1, .height = 1, .format = ROTO_PIXEL_RGB8, .plane = {dot}, .stride_bytes = {3}};
    p = lax();
    p.crop_layers = 1;
    assert_refused(roto_segmenter_everything(s, &tiny, &p, &all), ROTO_ERROR_ARGUMENT,
                   "too small for more than 0");
    roto_segmenter_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_overlap_and_cover_the_image),
        cmocka_unit_test(points_lie_in_the_middle_of_their_cells),
        cmocka_unit_test(masks_at_inner_edges_of_parts_are_cut_off),
        cmocka_unit_test(of_two_that_overlap_the_surer_stays),
        cmocka_unit_test(between_parts_the_smaller_part_wins),
        cmocka_unit_test(small_holes_and_islands_go_by_what_was_there),
        cmocka_unit_test(columns_give_the_run_lengths_of_the_whole),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(masks_box_area_and_map_agree),
        cmocka_unit_test(a_video_goes_on_afterwards),
        cmocka_unit_test(wrong_parameters_are_refused_and_limits_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
