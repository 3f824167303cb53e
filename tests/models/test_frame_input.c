/* Whole frames as a network's input, against the filter's definition in double precision. */
#include "support/cmocka_all.h"

#include "models/color.h"
#include "models/frame_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

enum { W = 101, H = 67, OUT_W = 32, OUT_H = 96 }; /* smaller one way, larger the other */

static uint8_t sample(int i)
{
    const uint32_t z = ((uint32_t)i + 1u) * 2654435761u;
    return (uint8_t)(z >> 24);
}

/* PIL's triangle filter for one output sample. */
static double filtered(const uint8_t *plane, int w, int h, int stride, int step, int x, int y)
{
    const double sx = (double)w / OUT_W, sy = (double)h / OUT_H;
    const double rx = sx < 1 ? 1 : sx, ry = sy < 1 ? 1 : sy;
    const double cx = (x + 0.5) * sx, cy = (y + 0.5) * sy;
    double sum = 0, total = 0;
    for (int j = 0; j < h; j++) {
        const double wy = 1 - fabs((j + 0.5 - cy) / ry);
        for (int i = 0; i < w && wy > 0; i++) {
            const double wx = 1 - fabs((i + 0.5 - cx) / rx);
            if (wx <= 0)
                continue;
            sum += wx * wy * plane[j * stride + i * step];
            total += wx * wy;
        }
    }
    return sum / total;
}

static double clamp(double v)
{
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void assert_same_with_a_team(const roto_image *image, const float *expected)
{
    static float out[OUT_W * OUT_H * 3];
    team *t = NULL;
    frame_input *f = NULL;
    assert_int_equal(team_new(3, &t), ROTO_OK);
    assert_int_equal(frame_input_new(OUT_W, OUT_H, mean, deviation, t, &f), ROTO_OK);
    for (int run = 0; run < 3; run++) {
        memset(out, 0, sizeof(out));
        assert_int_equal(frame_input_fill(f, image, out), ROTO_OK);
        assert_memory_equal(out, expected, sizeof(out));
    }
    frame_input_free(f);
    team_free(t);
}

static void assert_input(const roto_image *image)
{
    frame_input *f = NULL;
    assert_int_equal(frame_input_new(OUT_W, OUT_H, mean, deviation, NULL, &f), ROTO_OK);
    static float out[OUT_W * OUT_H * 3];
    assert_int_equal(frame_input_fill(f, image, out), ROTO_OK);
    assert_same_with_a_team(image, out);
    const int cw = (W + 1) / 2, ch = (H + 1) / 2;
    for (int y = 0; y < OUT_H; y++) {
        for (int x = 0; x < OUT_W; x++) {
            double rgb[3];
            if (image->format == ROTO_PIXEL_RGB8 || image->format == ROTO_PIXEL_GRAY8) {
                const int step = image->format == ROTO_PIXEL_RGB8 ? 3 : 1;
                for (int c = 0; c < 3; c++)
                    rgb[c] = filtered(image->plane[0] + (step == 3 ? c : 0), W, H,
                                      (int)image->stride_bytes[0], step, x, y);
            } else {
                const int nv12 = image->format == ROTO_PIXEL_NV12;
                const uint8_t *v = nv12 ? image->plane[1] + 1 : image->plane[2];
                const int pitch = (int)image->stride_bytes[1];
                const color_yuv m = color_yuv_of(image);
                const double luma =
                    ((double)m.luma_offset +
                     filtered(image->plane[0], W, H, (int)image->stride_bytes[0], 1, x, y)) *
                    (double)m.luma;
                const double cu =
                    filtered(image->plane[1], cw, ch, pitch, nv12 ? 2 : 1, x, y) - 128;
                const double cv = filtered(v, cw, ch, pitch, nv12 ? 2 : 1, x, y) - 128;
                rgb[0] = clamp(luma + (double)m.red_v * cv);
                rgb[1] = clamp(luma + (double)m.green_u * cu + (double)m.green_v * cv);
                rgb[2] = clamp(luma + (double)m.blue_u * cu);
            }
            for (int c = 0; c < 3; c++) {
                const double expected = (rgb[c] / 255 - (double)mean[c]) / (double)deviation[c];
                assert_true(fabs((double)out[(y * OUT_W + x) * 3 + c] - expected) < 1e-4);
            }
        }
    }
    frame_input_free(f);
}

static void every_pixel_format_is_filtered_as_defined(void **state)
{
    (void)state;
    static uint8_t bytes[3][H * (3 * W + 5)];
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < (int)sizeof(bytes[0]); i++)
            bytes[p][i] = sample(i * 3 + p);
    roto_image image = {.width = W,
                        .height = H,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {bytes[0], bytes[1], bytes[2]},
                        .stride_bytes = {3 * W + 5, W + 4, W + 4}};
    assert_input(&image);
    image.format = ROTO_PIXEL_GRAY8;
    assert_input(&image);
    image.format = ROTO_PIXEL_YUV420P;
    image.matrix = ROTO_COLOR_BT709;
    assert_input(&image);
    image.format = ROTO_PIXEL_NV12;
    image.matrix = ROTO_COLOR_BT601;
    image.full_range = 1;
    assert_input(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pixel_format_is_filtered_as_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
