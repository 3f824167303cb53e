#include "support/cmocka_all.h"

#include "video/clip.h"

#include <math.h>
#include <stdbool.h>

/* Writes one picture several times (so that the encoder has something to gain) and reads a frame.
 */
static roto_frame *through_file(const roto_image *first, const roto_image *second,
                                roto_source **source)
{
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    video_writer_params params = video_writer_params_default();
    params.crf = 4;
    video_writer *writer;
    assert_int_equal(video_writer_open(path.text, &params, &writer), ROTO_OK);
    assert_int_equal(video_writer_write(writer, first, 0, 0.04), ROTO_OK);
    assert_int_equal(video_writer_write(writer, second, 0.04, 0.04), ROTO_OK);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    assert_int_equal(roto_source_open(path.text, NULL, source), ROTO_OK);
    roto_frame *frame;
    assert_int_equal(roto_source_read(*source, &frame), ROTO_OK);
    roto_frame_release(frame);
    assert_int_equal(roto_source_read(*source, &frame), ROTO_OK);
    temp_folder_remove(&folder);
    return frame;
}

static int sample(const roto_image *image, int plane, int x, int y)
{
    return image->plane[plane][y * image->stride_bytes[plane] + x];
}

static void expect_near(int got, double expected, double tolerance)
{
    assert_true(fabs(got - expected) <= tolerance);
}

static void every_format_keeps_its_colors(void **state)
{
    (void)state;
    enum { W = 64, H = 48 };
    for (int full = 0; full < 2; full++) {
        for (int matrix = 0; matrix < 3; matrix++) {
            for (int nv12 = 0; nv12 < 2; nv12++) {
                clip_picture p =
                    clip_picture_new(nv12 ? ROTO_PIXEL_NV12 : ROTO_PIXEL_YUV420P, W, H);
                p.image.matrix = (roto_color_matrix)matrix;
                p.image.full_range = full;
                memset(p.pixels, 123, W * H);
                for (int i = 0; i < W * H / 2; i++)
                    p.pixels[W * H + i] = (uint8_t)((nv12 ? i % 2 : i >= W * H / 4) ? 170 : 90);
                roto_source *source;
                roto_frame *frame = through_file(&p.image, &p.image, &source);
                assert_int_equal(frame->image.matrix, matrix);
                assert_int_equal(frame->image.full_range, full);
                expect_near(sample(&frame->image, 0, 20, 20), 123, 2);
                expect_near(sample(&frame->image, 1, 10, 10), 90, 2);
                expect_near(sample(&frame->image, 2, 10, 10), 170, 2);
                roto_frame_release(frame);
                roto_source_close(source);
                free(p.pixels);
            }
        }
    }
}

static void rgb_and_grey_become_yuv(void **state)
{
    (void)state;
    enum { W = 64, H = 48 };
    clip_picture rgb = clip_picture_new(ROTO_PIXEL_RGB8, W, H);
    for (int i = 0; i < W * H * 3; i += 3) {
        rgb.pixels[i] = 220;
        rgb.pixels[i + 1] = 60;
        rgb.pixels[i + 2] = 30;
    }
    roto_source *source;
    roto_frame *frame = through_file(&rgb.image, &rgb.image, &source);
    /* BT.601, as pictures of this size have it: computed from its definition. */
    double luma = 0.299 * 220 + 0.587 * 60 + 0.114 * 30;
    assert_int_equal(frame->image.matrix, ROTO_COLOR_BT601);
    expect_near(sample(&frame->image, 0, 30, 30), 16 + luma * 219 / 255, 2);
    expect_near(sample(&frame->image, 1, 15, 15), 128 + (30 - luma) / 1.772 * 224 / 255, 2);
    expect_near(sample(&frame->image, 2, 15, 15), 128 + (220 - luma) / 1.402 * 224 / 255, 2);
    roto_frame_release(frame);
    roto_source_close(source);
    free(rgb.pixels);

    clip_picture grey = clip_picture_new(ROTO_PIXEL_GRAY8, W, H);
    memset(grey.pixels, 200, W * H);
    frame = through_file(&grey.image, &grey.image, &source);
    expect_near(sample(&frame->image, 0, 30, 30), 16 + 200 * 219 / 255.0, 2);
    expect_near(sample(&frame->image, 1, 15, 15), 128, 1);
    roto_frame_release(frame);
    roto_source_close(source);
    free(grey.pixels);
}

static void odd_sizes_repeat_the_last_column_and_row(void **state)
{
    (void)state;
    const int sizes[][2] = {{33, 17}, {1, 1}, {2, 3}, {641, 2}, {64, 47}};
    for (int i = 0; i < 5; i++) {
        int width = sizes[i][0], height = sizes[i][1];
        clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, width, height);
        clip_picture_paint(&p, 9);
        for (int y = 0; y < height; y++)
            p.pixels[y * width + width - 1] = 230;
        roto_source *source;
        roto_frame *frame = through_file(&p.image, &p.image, &source);
        assert_int_equal(frame->image.width, (width + 1) / 2 * 2);
        assert_int_equal(frame->image.height, (height + 1) / 2 * 2);
        expect_near(sample(&frame->image, 0, width - 1, height - 1), 230, 12);
        expect_near(sample(&frame->image, 0, frame->image.width - 1, frame->image.height - 1), 230,
                    12);
        expect_near(sample(&frame->image, 1, 0, 0), 110, 4);
        roto_frame_release(frame);
        roto_source_close(source);
        free(p.pixels);
    }
}

static void other_sizes_are_fitted_between_black_bars(void **state)
{
    (void)state;
    clip_picture first = clip_picture_new(ROTO_PIXEL_YUV420P, 128, 64);
    clip_picture_paint(&first, 0);
    const int sizes[][2] = {{32, 32}, {33, 35}, {600, 10}, {3, 500}, {256, 128}};
    for (int i = 0; i < 5; i++) {
        int width = sizes[i][0], height = sizes[i][1];
        clip_picture p = clip_picture_new(ROTO_PIXEL_RGB8, width, height);
        memset(p.pixels, 255, (size_t)(width * height * 3));
        roto_source *source;
        roto_frame *frame = through_file(&first.image, &p.image, &source);
        assert_int_equal(frame->image.width, 128);
        assert_int_equal(frame->image.height, 64);
        expect_near(sample(&frame->image, 0, 63, 31), 235, 40);
        bool fills = 2 * height == width, wide = width > 2 * height;
        expect_near(sample(&frame->image, 0, 1, 31), fills || wide ? 235 : 16, 12);
        expect_near(sample(&frame->image, 0, 63, 1), fills || !wide ? 235 : 16, 12);
        roto_frame_release(frame);
        roto_source_close(source);
        free(p.pixels);
    }
    free(first.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_keeps_its_colors),
        cmocka_unit_test(rgb_and_grey_become_yuv),
        cmocka_unit_test(odd_sizes_repeat_the_last_column_and_row),
        cmocka_unit_test(other_sizes_are_fitted_between_black_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
