#include "support/cmocka_all.h"

#include "video/clip.h"
#include "video/orient.h"

#include <math.h>

enum { ONE = 0x10000 };

/* Stored (x, y) is shown at (a x + c y, b x + d y), up to a shift: straight from the definition. */
static void shown_at(const int32_t m[9], int x, int y, int width, int height, int *to_x, int *to_y)
{
    int a = m[0] / ONE, b = m[1] / ONE, c = m[3] / ONE, d = m[4] / ONE;
    *to_x = a * x + c * y + (a < 0 ? width - 1 : 0) + (c < 0 ? height - 1 : 0);
    *to_y = b * x + d * y + (b < 0 ? width - 1 : 0) + (d < 0 ? height - 1 : 0);
}

static void check_plane(const int32_t m[9], const AVFrame *from, const AVFrame *to, int plane,
                        int pixel_bytes, int width, int height)
{
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            int to_x, to_y;
            shown_at(m, x, y, width, height, &to_x, &to_y);
            assert_memory_equal(to->data[plane] + to_y * to->linesize[plane] + to_x * pixel_bytes,
                                from->data[plane] + y * from->linesize[plane] + x * pixel_bytes,
                                (size_t)pixel_bytes);
        }
    }
}

static void every_turn_and_mirroring_of_every_format_is_exact(void **state)
{
    (void)state;
    frame_pool *pool = frame_pool_new();
    assert_non_null(pool);
    const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12, AV_PIX_FMT_GRAY8,
                                          AV_PIX_FMT_RGB24};
    const int sizes[][2] = {{1, 1}, {2, 7}, {33, 64}, {75, 41}};
    for (int i = 0; i < 8 * 4 * 4; i++) {
        int turn = i % 8, width = sizes[i / 32][0], height = sizes[i / 32][1];
        int first = turn & 1 ? -ONE : ONE, second = turn & 2 ? -ONE : ONE;
        int32_t m[9] = {0};
        m[turn & 4 ? 1 : 0] = first;
        m[turn & 4 ? 3 : 4] = second;
        m[8] = 1 << 30;
        AVFrame *picture = av_frame_alloc(), *stored = av_frame_alloc();
        assert_int_equal(frame_pool_picture(pool, formats[i / 8 % 4], width, height, picture),
                         ROTO_OK);
        uint32_t random = (uint32_t)i;
        for (size_t k = 0; k < picture->buf[0]->size; k++) {
            random = random * 1664525u + 1013904223u;
            picture->buf[0]->data[k] = (uint8_t)(random >> 24);
        }
        assert_int_equal(av_frame_ref(stored, picture), 0);
        assert_int_equal(orient_picture(orientation_of_matrix(m), pool, picture), ROTO_OK);
        assert_int_equal(picture->width, turn & 4 ? height : width);
        assert_int_equal(picture->height, turn & 4 ? width : height);
        int chroma_width = (width + 1) / 2, chroma_height = (height + 1) / 2;
        int format = formats[i / 8 % 4];
        check_plane(m, stored, picture, 0, format == AV_PIX_FMT_RGB24 ? 3 : 1, width, height);
        if (format == AV_PIX_FMT_NV12)
            check_plane(m, stored, picture, 1, 2, chroma_width, chroma_height);
        for (int plane = 1; plane < 3 && format == AV_PIX_FMT_YUV420P; plane++)
            check_plane(m, stored, picture, plane, 1, chroma_width, chroma_height);
        av_frame_free(&picture);
        av_frame_free(&stored);
    }
    frame_pool_free(pool);
}

static void matrices_that_are_no_turns_are_ignored(void **state)
{
    (void)state;
    const int32_t bad[][9] = {
        {0}, {INT32_MIN, INT32_MIN, 0, INT32_MIN, INT32_MIN}, {ONE, 0, 0, 0, 0}, {0, ONE, 0, 0, 0}};
    for (int i = 0; i < 4; i++) {
        orientation o = orientation_of_matrix(bad[i]);
        assert_true(i == 1 || orientation_is_upright(o));
    }
    /* Nearly a quarter turn is one. */
    const int32_t nearly[9] = {3000, ONE - 70, 0, -ONE + 70, 3000};
    assert_int_equal(orientation_degrees(orientation_of_matrix(nearly)), 90);
}

static void put_be32(char *to, int32_t value)
{
    uint32_t v = (uint32_t)value;
    for (int i = 0; i < 4; i++)
        to[i] = (char)(v >> (24 - 8 * i));
}

/* Luma in the four quarters of the picture, left to right and top to bottom. */
static void quarters(const roto_image *image, double luma[4])
{
    for (int i = 0; i < 4; i++) {
        int x = image->width * (i % 2 ? 3 : 1) / 4, y = image->height * (i / 2 ? 3 : 1) / 4;
        luma[i] = image->plane[0][y * image->stride_bytes[0] + x];
    }
}

static void the_rotation_in_a_file_is_applied(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.mp4");
    const int values[4] = {50, 100, 150, 200};
    clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, 96, 64);
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 96; x++)
            p.pixels[y * 96 + x] = (uint8_t)values[(y >= 32) * 2 + (x >= 48)];
    }
    memset(p.pixels + 96 * 64, 128, 96 * 64 / 2);
    video_writer *writer = clip_open(path.text, 25);
    for (int i = 0; i < 3; i++)
        assert_int_equal(video_writer_write(writer, &p.image, i * 0.04, 0.04), ROTO_OK);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
    free(p.pixels);
    size_t bytes;
    char *data = temp_folder_get(&path, &bytes);
    char *tkhd = memmem(data, bytes, "tkhd", 4);
    assert_non_null(tkhd);
    /* ISO/IEC 14496-12, 8.3.2: the matrix is 40 bytes behind the name of a version 0 box. */
    char *matrix = tkhd + 4 + 40;
    const struct {
        int32_t a, b, c, d, degrees;
        int order[4]; /* which stored quarter is seen in each */
    } cases[] = {
        {ONE, 0, 0, ONE, 0, {0, 1, 2, 3}},     {0, ONE, -ONE, 0, 90, {2, 0, 3, 1}},
        {-ONE, 0, 0, -ONE, 180, {3, 2, 1, 0}}, {0, -ONE, ONE, 0, 270, {1, 3, 0, 2}},
        {-ONE, 0, 0, ONE, 0, {1, 0, 3, 2}},
    };
    for (int i = 0; i < 5; i++) {
        put_be32(matrix, cases[i].a);
        put_be32(matrix + 4, cases[i].b);
        put_be32(matrix + 12, cases[i].c);
        put_be32(matrix + 16, cases[i].d);
        temp_folder_put(&path, data, bytes);
        roto_source *source;
        assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
        const roto_source_info *info = roto_source_describe(source);
        int turned = cases[i].degrees % 180 != 0;
        assert_int_equal(info->rotation_deg, cases[i].degrees);
        assert_int_equal(info->width, turned ? 64 : 96);
        assert_int_equal(info->height, turned ? 96 : 64);
        for (int k = 0; k < 3; k++) {
            roto_frame *frame;
            assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
            assert_int_equal(frame->image.width, info->width);
            double luma[4];
            quarters(&frame->image, luma);
            for (int q = 0; q < 4; q++)
                assert_true(fabs(luma[q] - values[cases[i].order[q]]) < 6);
            roto_frame_release(frame);
        }
        roto_source_close(source);
    }
    free(data);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_and_mirroring_of_every_format_is_exact),
        cmocka_unit_test(matrices_that_are_no_turns_are_ignored),
        cmocka_unit_test(the_rotation_in_a_file_is_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
