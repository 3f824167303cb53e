#include "support/cmocka_all.h"

#include "support/temp_folder.h"

#include <math.h>
#include <roto/video.h>

enum { WIDTH = 7, HEIGHT = 5, N_PIXELS = WIDTH * HEIGHT, CHROMA = 4 * 3 };

/* A YUV4MPEG2 file of one frame, opened and read. `planes` are the frame's bytes. */
static roto_frame *read_y4m(const char *format, const uint8_t *planes, size_t bytes,
                            roto_source **source)
{
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.y4m");
    uint8_t file[1024];
    int head = snprintf((char *)file, sizeof(file), "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 %s\nFRAME\n",
                        WIDTH, HEIGHT, format);
    memcpy(file + head, planes, bytes);
    temp_folder_put(&path, file, (size_t)head + bytes);
    assert_int_equal(roto_source_open(path.text, NULL, source), ROTO_OK);
    roto_frame *frame;
    assert_int_equal(roto_source_read(*source, &frame), ROTO_OK);
    assert_int_equal(roto_image_check(&frame->image), ROTO_OK);
    assert_int_equal(frame->image.width, WIDTH);
    assert_int_equal(frame->image.height, HEIGHT);
    temp_folder_remove(&folder);
    return frame;
}

static void expect_plane(const roto_image *image, int plane, int width, int height,
                         const uint8_t *expected, int tolerance)
{
    for (int i = 0; i < width * height; i++) {
        int got = image->plane[plane][i / width * image->stride_bytes[plane] + i % width];
        assert_in_range(got - expected[i] + 255, 255 - tolerance, 255 + tolerance);
    }
}

static void fill(uint8_t *bytes, size_t n, int low, int high)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(low + (int)(i * 37 % (size_t)(high - low + 1)));
}

static void yuv420p_passes_as_it_is(void **state)
{
    (void)state;
    uint8_t planes[N_PIXELS + 2 * CHROMA];
    fill(planes, sizeof(planes), 1, 254);
    for (int full = 0; full < 2; full++) {
        roto_source *source;
        roto_frame *frame =
            read_y4m(full ? "C420jpeg XCOLORRANGE=FULL" : "C420jpeg XCOLORRANGE=LIMITED", planes,
                     sizeof(planes), &source);
        assert_int_equal(frame->image.format, ROTO_PIXEL_YUV420P);
        assert_int_equal(frame->image.full_range, full);
        expect_plane(&frame->image, 0, WIDTH, HEIGHT, planes, 0);
        expect_plane(&frame->image, 1, 4, 3, planes + N_PIXELS, 0);
        expect_plane(&frame->image, 2, 4, 3, planes + N_PIXELS + CHROMA, 0);
        roto_frame_release(frame);
        roto_source_close(source);
    }
}

/* Luma and constant chroma survive the conversion, whatever the range says. */
static void other_yuv_formats_are_resampled_only(void **state)
{
    (void)state;
    uint8_t planes[N_PIXELS * 3], chroma[CHROMA];
    const char *formats[] = {"C444", "C444 XCOLORRANGE=FULL", "C422", "C411",
                             "C422 XCOLORRANGE=FULL"};
    for (int i = 0; i < 5; i++) {
        fill(planes, N_PIXELS, 0, 255);
        int row = formats[i][2] == '4' ? WIDTH : formats[i][2] == '2' ? 4 : 2;
        memset(planes + N_PIXELS, 90, (size_t)(row * HEIGHT));
        memset(planes + N_PIXELS + row * HEIGHT, 201, (size_t)(row * HEIGHT));
        roto_source *source;
        roto_frame *frame =
            read_y4m(formats[i], planes, (size_t)(N_PIXELS + 2 * row * HEIGHT), &source);
        assert_int_equal(frame->image.format, ROTO_PIXEL_YUV420P);
        assert_int_equal(frame->image.full_range, strstr(formats[i], "FULL") != NULL);
        expect_plane(&frame->image, 0, WIDTH, HEIGHT, planes, 0);
        memset(chroma, 90, CHROMA);
        expect_plane(&frame->image, 1, 4, 3, chroma, 0);
        memset(chroma, 201, CHROMA);
        expect_plane(&frame->image, 2, 4, 3, chroma, 0);
        roto_frame_release(frame);
        roto_source_close(source);
    }
}

static void ten_bits_become_eight(void **state)
{
    (void)state;
    uint8_t planes[2 * (N_PIXELS + 2 * CHROMA)], luma[N_PIXELS];
    fill(luma, N_PIXELS, 16, 235);
    for (int i = 0; i < N_PIXELS + 2 * CHROMA; i++) {
        unsigned value = i < N_PIXELS ? luma[i] * 4u : 512;
        planes[2 * i] = (uint8_t)(value & 255);
        planes[2 * i + 1] = (uint8_t)(value >> 8);
    }
    roto_source *source;
    roto_frame *frame = read_y4m("C420p10 XYSCSS=420P10", planes, sizeof(planes), &source);
    assert_int_equal(frame->image.format, ROTO_PIXEL_YUV420P);
    expect_plane(&frame->image, 0, WIDTH, HEIGHT, luma, 1);
    roto_frame_release(frame);
    roto_source_close(source);
}

static void grey_stays_grey(void **state)
{
    (void)state;
    uint8_t luma[N_PIXELS];
    fill(luma, N_PIXELS, 0, 255);
    roto_source *source;
    roto_frame *frame = read_y4m("Cmono XCOLORRANGE=FULL", luma, N_PIXELS, &source);
    assert_int_equal(frame->image.format, ROTO_PIXEL_GRAY8);
    expect_plane(&frame->image, 0, WIDTH, HEIGHT, luma, 0);
    roto_frame_release(frame);
    roto_source_close(source);
    /* 16..235 is no GRAY8: it becomes YUV without colour. */
    frame = read_y4m("Cmono XCOLORRANGE=LIMITED", luma, N_PIXELS, &source);
    assert_int_equal(frame->image.format, ROTO_PIXEL_YUV420P);
    assert_int_equal(frame->image.full_range, 0);
    expect_plane(&frame->image, 0, WIDTH, HEIGHT, luma, 0);
    uint8_t neutral[CHROMA];
    memset(neutral, 128, CHROMA);
    expect_plane(&frame->image, 1, 4, 3, neutral, 0);
    expect_plane(&frame->image, 2, 4, 3, neutral, 0);
    roto_frame_release(frame);
    roto_source_close(source);
}

static void bmp_becomes_rgb(void **state)
{
    (void)state;
    enum { ROW = (3 * WIDTH + 3) & ~3, BYTES = 54 + ROW * HEIGHT };
    uint8_t file[BYTES] = "BM";
    file[2] = BYTES & 255;
    file[3] = BYTES >> 8;
    file[10] = 54;
    file[14] = 40;
    file[18] = WIDTH;
    file[22] = HEIGHT;
    file[26] = 1;
    file[28] = 24;
    for (int y = 0; y < HEIGHT; y++) { /* stored bottom row first, blue first */
        for (int x = 0; x < WIDTH; x++) {
            uint8_t *pixel = file + 54 + (HEIGHT - 1 - y) * ROW + 3 * x;
            pixel[0] = (uint8_t)(3 * x);
            pixel[1] = (uint8_t)(100 + y);
            pixel[2] = (uint8_t)(200 - x * y);
        }
    }
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.bmp");
    temp_folder_put(&path, file, sizeof(file));
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    roto_frame *frame;
    assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
    assert_int_equal(frame->image.format, ROTO_PIXEL_RGB8);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            const uint8_t *rgb = frame->image.plane[0] + y * frame->image.stride_bytes[0] + 3 * x;
            assert_int_equal(rgb[0], 200 - x * y);
            assert_int_equal(rgb[1], 100 + y);
            assert_int_equal(rgb[2], 3 * x);
        }
    }
    roto_frame_release(frame);
    assert_int_equal(roto_source_read(source, &frame), ROTO_END);
    roto_source_close(source);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yuv420p_passes_as_it_is),
        cmocka_unit_test(other_yuv_formats_are_resampled_only),
        cmocka_unit_test(ten_bits_become_eight),
        cmocka_unit_test(grey_stays_grey),
        cmocka_unit_test(bmp_becomes_rgb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
