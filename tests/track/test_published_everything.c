/* Masks of everything against the published automatic mask generator, on synthetic weights:
 * python/roto/train/published_everything.py. Once a plain grid, once with parts of the image and
 * small regions removed.
 *
 * Files named as arguments take the place of the committed one: script/test-parity. */
#include "support/published.h"
#include "track/segmenter_fixture.h"

#include "format/rle.h"

#include <math.h>
#include <roto/everything.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 300, HEIGHT = 200 };

/* Scores are compared as strictly as tracks are. A pixel whose logit is nearer to 0 than rounding
 * may fall on either side: so many of a mask's may. */
#define MAX_ERROR 1e-3f
enum { MAX_PIXELS = 3 };

enum {
    PARAM_POINTS,
    PARAM_IOU,
    PARAM_STABILITY,
    PARAM_OFFSET,
    PARAM_NMS,
    PARAM_LAYERS,
    PARAM_CROP_NMS,
    PARAM_DIVISOR,
    PARAM_REGION,
    N_PARAMS
};
enum {
    COLUMN_IOU,
    COLUMN_STABILITY,
    COLUMN_POINT,
    COLUMN_CROP = 4,
    COLUMN_BOX = 8,
    N_COLUMNS = 12
};

static roto_segmenter *open_golden(const golden *g, synthetic_model *tensors)
{
    sam2_model *model = published_model(g, tensors);
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = 2;
    roto_segmenter *s = NULL;
    assert_ok(segmenter_new(model, &params, &s));
    return s;
}

/* Textured rectangles on grey. */
static roto_image rectangles(void)
{
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    static const int places[][4] = {{20, 20, 90, 70},
                                    {120, 40, 180, 150},
                                    {200, 30, 280, 80},
                                    {30, 110, 80, 180},
                                    {210, 120, 290, 190}};
    memset(rgb, 128, sizeof(rgb));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        for (int y = places[i][1]; y < places[i][3]; y++)
            for (int x = places[i][0]; x < places[i][2]; x++)
                for (int c = 0; c < 3; c++) {
                    const int block = (y / 4 % 64 * 64 + x / 4 % 64) * 3 + c;
                    rgb[(y * WIDTH + x) * 3 + c] =
                        (uint8_t)(synthetic_bits("golden.texture", (uint64_t)block) >> 56);
                }
    return (roto_image){.width = WIDTH,
                        .height = HEIGHT,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {3 * WIDTH}};
}

typedef struct expected_case {
    roto_everything_params params;
    int32_t n_masks;
    const float *table;
    const char *rle; /* a line a mask */
} expected_case;

static const float *tensor(const golden *g, const char *name, const char *what, int64_t *n)
{
    char key[64];
    snprintf(key, sizeof(key), "%s.%s", name, what);
    *n = golden_count(g, key);
    return golden_get(g, key, *n);
}

static expected_case read_case(const golden *g, const char *name)
{
    int64_t n = 0;
    expected_case e = {.params = roto_everything_params_default()};
    const float *p = tensor(g, name, "params", &n);
    assert_int_equal(n, N_PARAMS);
    e.params.points_per_side = (int32_t)p[PARAM_POINTS];
    e.params.min_iou = p[PARAM_IOU];
    e.params.min_stability = p[PARAM_STABILITY];
    e.params.stability_offset = p[PARAM_OFFSET];
    e.params.nms_iou = p[PARAM_NMS];
    e.params.crop_layers = (int32_t)p[PARAM_LAYERS];
    e.params.crop_nms_iou = p[PARAM_CROP_NMS];
    e.params.crop_points_divisor = (int32_t)p[PARAM_DIVISOR];
    e.params.min_region_cells = (int32_t)p[PARAM_REGION];
    e.table = tensor(g, name, "table", &n);
    assert_int_equal(n % N_COLUMNS, 0);
    e.n_masks = (int32_t)(n / N_COLUMNS);
    char key[64];
    snprintf(key, sizeof(key), "%s.rle", name);
    e.rle = golden_metadata(g, key);
    return e;
}

/* Returns how many pixels differ. */
static int compare_pixels(const roto_everything *all, int32_t index, const rle_mask *rle)
{
    static uint8_t expected[WIDTH * HEIGHT], mask[WIDTH * HEIGHT];
    rle_decode(rle, 1, expected, WIDTH);
    assert_ok(roto_everything_mask_write(all, index, 1, mask, WIDTH));
    int n_different = 0;
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        n_different += mask[i] != expected[i];
    return n_different;
}

/* The line that starts at *text, which moves to the next one. */
static void read_line(const char **text, rle_mask *rle, const char **line, size_t *n)
{
    *line = *text;
    *n = strcspn(*text, "\n");
    *text += *n + ((*text)[*n] == '\n');
    assert_ok(rle_read_text(*line, *n, WIDTH, HEIGHT, rle));
}

static void assert_near(float value, float expected, float tolerance, const char *what,
                        int32_t mask)
{
    if (!(fabsf(value - expected) <= tolerance))
        fail_msg("mask %d: %s is %g, expected %g", mask, what, (double)value, (double)expected);
}

static void check_case(roto_segmenter *s, const golden *g, const char *name)
{
    const expected_case e = read_case(g, name);
    const roto_image image = rectangles();
    roto_everything *all = NULL;
    assert_ok(roto_segmenter_everything(s, &image, &e.params, &all));
    const char *text = e.rle;
    rle_mask rle = {0};
    int n_different = 0, n_same = 0;
    for (int32_t i = 0; i < all->n_masks && i < e.n_masks; i++) {
        const roto_everything_mask *m = &all->masks[i];
        const float *row = e.table + i * N_COLUMNS, *crop = row + COLUMN_CROP;
        assert_near(m->iou, row[COLUMN_IOU], MAX_ERROR, "the predicted IoU", i);
        /* A share of pixels, which may be a few dozen. */
        assert_near(m->stability, row[COLUMN_STABILITY], MAX_ERROR + 2 / (float)m->area_px,
                    "the stability", i);
        assert_near(m->point_x, row[COLUMN_POINT], MAX_ERROR, "the point's x", i);
        assert_near(m->point_y, row[COLUMN_POINT + 1], MAX_ERROR, "the point's y", i);
        assert_near(m->crop.x0, crop[0], MAX_ERROR, "the part's left", i);
        assert_near(m->crop.y0, crop[1], MAX_ERROR, "the part's top", i);
        assert_near(m->crop.x1, crop[0] + crop[2], MAX_ERROR, "the part's right", i);
        assert_near(m->crop.y1, crop[1] + crop[3], MAX_ERROR, "the part's bottom", i);
        const char *line;
        size_t length;
        read_line(&text, &rle, &line, &length);
        const bool same = strlen(m->rle) == length && memcmp(m->rle, line, length) == 0;
        const int different = compare_pixels(all, i, &rle);
        assert_true(same == (different == 0));
        if (different > MAX_PIXELS)
            fail_msg("mask %d: %d pixels differ", i, different);
        n_different += different;
        n_same += same;
    }
    printf("    %s: %d masks, %d with the same run lengths, %d pixels differ\n", name, all->n_masks,
           n_same, n_different);
    assert_int_equal(all->n_masks, e.n_masks);
    rle_free(&rle);
    roto_everything_free(all);
}

static void check_file(const char *path)
{
    golden *g = golden_open(path);
    synthetic_model tensors;
    roto_segmenter *s = open_golden(g, &tensors);
    check_case(s, g, "grid");
    check_case(s, g, "crops");
    roto_segmenter_close(s);
    synthetic_free(&tensors);
    golden_close(g);
}

static void hiera_tiny_finds_what_the_published_generator_finds(void **state)
{
    (void)state;
    check_file("tests/track/golden/sam2_hiera_t_everything.safetensors");
}

static void named_file_is_as_published(void **state)
{
    check_file(*state);
}

int main(int n_arguments, char **arguments)
{
    struct CMUnitTest named[] = {cmocka_unit_test(named_file_is_as_published)};
    if (n_arguments > 1)
        return published_run_named(n_arguments, arguments, named, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hiera_tiny_finds_what_the_published_generator_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
