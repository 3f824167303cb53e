#include "support/cmocka_all.h"

#include "eval/golden.h"
#include "models/yolo/letterbox.h"

#include <string.h>

/* The picture that make_golden.py makes too. */
static uint8_t pattern(int x, int y, int c)
{
    return (uint8_t)(x * x * 7 + y * 31 + x * y * 3 + c * 85);
}

static void bytes_are_those_of_opencv(void **state)
{
    (void)state;
    cJSON *cases = golden_read("models/golden/letterbox.json");
    const cJSON *item;
    int n = 0;
    cJSON_ArrayForEach(item, cases)
    {
        const int columns = (int)golden_number(item, "columns"),
                  rows = (int)golden_number(item, "rows");
        detector_config config = {.width = (int)golden_number(item, "width"),
                                  .height = (int)golden_number(item, "height"),
                                  .scale = 1,
                                  .std = {1, 1, 1},
                                  .pad_value = 114};
        config.pad_centred =
            strcmp(cJSON_GetObjectItem(item, "anchor")->valuestring, "center") == 0;
        uint8_t *pixels = malloc((size_t)(rows * columns * 3));
        float *input = calloc((size_t)(config.width * config.height * 3), sizeof(*input));
        assert_true(pixels && input);
        for (int i = 0; i < rows * columns * 3; i++)
            pixels[i] = pattern(i / 3 % columns, i / 3 / columns, i % 3);
        const roto_image image = {.width = columns,
                                  .height = rows,
                                  .format = ROTO_PIXEL_RGB8,
                                  .plane = {pixels},
                                  .stride_bytes = {columns * 3}};
        letterbox *l;
        assert_int_equal(letterbox_new(&config, &l), ROTO_OK);
        letterbox_fill(l, &image, input);
        const cJSON *expected = cJSON_GetObjectItem(item, "bytes")->child;
        for (int i = 0; i < config.width * config.height * 3; i++, expected = expected->next)
            assert_int_equal((int)input[i], (int)expected->valuedouble);
        assert_null(expected);
        letterbox_free(l);
        free(pixels);
        free(input);
        n++;
    }
    assert_int_equal(n, 5);
    cJSON_Delete(cases);
}

enum { WIDTH = 62, HEIGHT = 45, NET = 48 };

/* Colours that change slowly, so that halving the chroma loses little. */
static double smooth(int x, int y, int c)
{
    return 128 + 90 * sin(0.05 * x + c) * cos(0.06 * y + 0.5 * c);
}

static uint8_t to_byte(double value)
{
    return (uint8_t)lrint(value < 0 ? 0 : value > 255 ? 255 : value);
}

typedef struct yuv_picture {
    uint8_t y[WIDTH * HEIGHT], u[(WIDTH + 1) / 2 * ((HEIGHT + 1) / 2)],
        v[(WIDTH + 1) / 2 * ((HEIGHT + 1) / 2)], uv[(WIDTH + 1) / 2 * ((HEIGHT + 1) / 2) * 2];
} yuv_picture;

/* Y'CbCr by its definition: luma is a weighted sum, chroma are scaled differences from it. */
static void make_yuv(roto_color_matrix matrix, int full_range, yuv_picture *out)
{
    static const double kr[] = {0.299, 0.2126, 0.2627}, kb[] = {0.114, 0.0722, 0.0593};
    const double r = kr[matrix], b = kb[matrix];
    const int chroma_width = (WIDTH + 1) / 2;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double luma = r * smooth(x, y, 0) + (1 - r - b) * smooth(x, y, 1) + b * smooth(x, y, 2);
            out->y[y * WIDTH + x] = to_byte(full_range ? luma : 16 + luma * 219 / 255);
        }
    for (int y = 0; y < (HEIGHT + 1) / 2; y++)
        for (int x = 0; x < chroma_width; x++) {
            double u = 0, v = 0;
            for (int k = 0; k < 4; k++) {
                int px = 2 * x + k % 2, py = 2 * y + k / 2;
                double luma =
                    r * smooth(px, py, 0) + (1 - r - b) * smooth(px, py, 1) + b * smooth(px, py, 2);
                u += (smooth(px, py, 2) - luma) / (2 * (1 - b)) / 4;
                v += (smooth(px, py, 0) - luma) / (2 * (1 - r)) / 4;
            }
            double gain = full_range ? 1 : 224.0 / 255;
            int i = y * chroma_width + x;
            out->uv[2 * i] = out->u[i] = to_byte(128 + u * gain);
            out->uv[2 * i + 1] = out->v[i] = to_byte(128 + v * gain);
        }
}

static void all_formats_give_the_same_colours(void **state)
{
    (void)state;
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    static float expected[NET * NET * 3], got[NET * NET * 3];
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
        rgb[i] = to_byte(smooth(i / 3 % WIDTH, i / 3 / WIDTH, i % 3));
    detector_config config = {.width = NET,
                              .height = NET,
                              .bgr = true,
                              .scale = 1 / 255.0,
                              .mean = {0.4, 0.5, 0.6},
                              .std = {0.2, 0.3, 0.4},
                              .pad_value = 114};
    letterbox *l;
    assert_int_equal(letterbox_new(&config, &l), ROTO_OK);
    roto_image image = {.width = WIDTH,
                        .height = HEIGHT,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {WIDTH * 3}};
    letterbox_fill(l, &image, expected);
    yuv_picture *yuv = calloc(1, sizeof(*yuv));
    assert_non_null(yuv);
    const int chroma = (WIDTH + 1) / 2;
    for (int k = 0; k < 12; k++) {
        image.matrix = (roto_color_matrix)(k % 3);
        image.full_range = k / 3 % 2;
        make_yuv(image.matrix, image.full_range, yuv);
        if (k < 6) {
            image.format = ROTO_PIXEL_YUV420P;
            image.plane[0] = yuv->y, image.plane[1] = yuv->u, image.plane[2] = yuv->v;
            image.stride_bytes[0] = WIDTH, image.stride_bytes[1] = image.stride_bytes[2] = chroma;
        } else {
            image.format = ROTO_PIXEL_NV12;
            image.plane[0] = yuv->y, image.plane[1] = yuv->uv;
            image.stride_bytes[0] = WIDTH, image.stride_bytes[1] = 2 * chroma;
        }
        assert_int_equal(roto_image_check(&image), ROTO_OK);
        letterbox_fill(l, &image, got);
        for (int i = 0; i < NET * NET * 3; i++) {
            /* Bytes of Y, U and V are rounded twice each, and chroma counts up to 1.9 times. */
            double levels = fabs((double)got[i] - (double)expected[i]) * config.std[i % 3] * 255;
            if (levels > 4)
                fail_msg("case %d, value %d: %g levels apart", k, i, levels);
        }
    }
    free(yuv);
    letterbox_free(l);
}

static void grey_is_grey(void **state)
{
    (void)state;
    detector_config config = {
        .width = 8, .height = 8, .scale = 1, .mean = {1, 2, 3}, .std = {1, 1, 1}, .pad_value = 9};
    letterbox *l;
    uint8_t grey[8 * 4];
    float input[8 * 8 * 3];
    for (int i = 0; i < 8 * 4; i++)
        grey[i] = (uint8_t)(i * 7);
    const roto_image image = {
        .width = 8, .height = 4, .format = ROTO_PIXEL_GRAY8, .plane = {grey}, .stride_bytes = {8}};
    assert_int_equal(letterbox_new(&config, &l), ROTO_OK);
    const letterbox_place place = letterbox_fill(l, &image, input);
    assert_true(place.left == 0 && place.top == 0 && place.width == 8 && place.height == 4 &&
                place.image_px_x == 1 && place.image_px_y == 1);
    for (int i = 0; i < 8 * 8 * 3; i++) {
        float byte = i < 8 * 4 * 3 ? (float)grey[i / 3] : 9;
        assert_true(input[i] == byte - (float)(i % 3 + 1));
    }
    letterbox_free(l);
}

/* One channel and three take different ways through the resizing. */
static void grey_equals_three_equal_channels(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {7, 3}, {33, 70}, {61, 20}, {200, 150}, {97, 400}};
    enum { PX = 70 };
    detector_config config = {
        .width = PX, .height = PX, .scale = 1, .std = {1, 1, 1}, .pad_value = 9};
    letterbox *l;
    assert_int_equal(letterbox_new(&config, &l), ROTO_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const int w = sizes[i][0], h = sizes[i][1];
        uint8_t *grey = malloc((size_t)(w * h)), *rgb = malloc((size_t)(w * h * 3));
        float *one = calloc(PX * PX * 3, sizeof(*one)), *three = calloc(PX * PX * 3, sizeof(*one));
        assert_true(grey && rgb && one && three);
        for (int k = 0; k < w * h; k++)
            grey[k] = rgb[3 * k] = rgb[3 * k + 1] = rgb[3 * k + 2] = pattern(k % w, k / w, 0);
        roto_image image = {.width = w,
                            .height = h,
                            .format = ROTO_PIXEL_GRAY8,
                            .plane = {grey},
                            .stride_bytes = {w}};
        letterbox_fill(l, &image, one);
        image.format = ROTO_PIXEL_RGB8;
        image.plane[0] = rgb;
        image.stride_bytes[0] = 3 * w;
        letterbox_fill(l, &image, three);
        assert_memory_equal(one, three, PX * PX * 3 * sizeof(*one));
        free(grey);
        free(rgb);
        free(one);
        free(three);
    }
    letterbox_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_opencv),
        cmocka_unit_test(all_formats_give_the_same_colours),
        cmocka_unit_test(grey_is_grey),
        cmocka_unit_test(grey_equals_three_equal_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
