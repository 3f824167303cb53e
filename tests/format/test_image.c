#include "support/cmocka_all.h"

#include "format/image_internal.h"
#include "format/image_samples.h"
#include "support/temp_folder.h"

#include <sys/stat.h>

#include <png.h>

static void views_out_of_range_are_refused(void **state)
{
    (void)state;
    uint8_t byte = 0;
    const roto_image good = {.width = 5,
                             .height = 3,
                             .format = ROTO_PIXEL_NV12,
                             .plane = {&byte, &byte},
                             .stride_bytes = {5, 6}};
    assert_int_equal(roto_image_check(&good), ROTO_OK);
    assert_int_equal(roto_image_check(NULL), ROTO_ERROR_ARGUMENT);
    roto_image bad[10];
    for (int i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].width = 0;
    bad[1].height = ROTO_IMAGE_MAX_PX + 1;
    bad[2].width = -5;
    bad[3].format = (roto_pixel_format)9;
    bad[4].plane[1] = NULL;
    bad[5].stride_bytes[1] = 5; /* two interleaved rows of three */
    bad[6].stride_bytes[0] = -5;
    bad[7].matrix = (roto_color_matrix)7;
    bad[8].full_range = 2;
    bad[9].format = ROTO_PIXEL_YUV420P; /* the third plane is missing */
    for (int i = 0; i < 10; i++)
        assert_int_equal(roto_image_check(&bad[i]), ROTO_ERROR_ARGUMENT);
}

static uint8_t expected_value(const png_kind *kind, int x, int y, int c)
{
    if (kind->colour_type == PNG_COLOR_TYPE_PALETTE)
        return png_sample_palette((int)png_sample_value(kind, x, y, 0), c);
    bool grey = !(kind->colour_type & PNG_COLOR_MASK_COLOR);
    unsigned max = (1u << kind->bit_depth) - 1;
    unsigned value = png_sample_value(kind, x, y, grey ? 0 : c);
    return (uint8_t)((value * 255u + max / 2) / max);
}

static void every_kind_of_png_becomes_rgb(void **state)
{
    (void)state;
    static const int kinds[][2] = {{1, PNG_COLOR_TYPE_GRAY},        {2, PNG_COLOR_TYPE_GRAY},
                                   {4, PNG_COLOR_TYPE_GRAY},        {8, PNG_COLOR_TYPE_GRAY},
                                   {16, PNG_COLOR_TYPE_GRAY},       {8, PNG_COLOR_TYPE_GRAY_ALPHA},
                                   {16, PNG_COLOR_TYPE_GRAY_ALPHA}, {8, PNG_COLOR_TYPE_RGB},
                                   {16, PNG_COLOR_TYPE_RGB},        {8, PNG_COLOR_TYPE_RGB_ALPHA},
                                   {16, PNG_COLOR_TYPE_RGB_ALPHA},  {1, PNG_COLOR_TYPE_PALETTE},
                                   {2, PNG_COLOR_TYPE_PALETTE},     {4, PNG_COLOR_TYPE_PALETTE},
                                   {8, PNG_COLOR_TYPE_PALETTE}};
    for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(kinds[0]); i++) {
        png_kind kind = {.width = 21,
                         .height = 13,
                         .bit_depth = kinds[i / 2][0],
                         .colour_type = kinds[i / 2][1],
                         .interlace = i % 2};
        sample s = png_sample(&kind);
        image_pixels pixels;
        assert_int_equal(image_decode("a.png", s.data, s.bytes, &pixels), ROTO_OK);
        assert_int_equal(pixels.width, kind.width);
        assert_int_equal(pixels.height, kind.height);
        for (int p = 0; p < kind.width * kind.height * 3; p++)
            assert_int_equal(pixels.rgb[p],
                             expected_value(&kind, p / 3 % kind.width, p / 3 / kind.width, p % 3));
        free(pixels.rgb);
        free(s.data);
    }
}

static void png_orientation_is_applied(void **state)
{
    (void)state;
    /* Where the pixel at stored 0,0 and at stored 1,0 of a 3 x 2 picture is seen (EXIF 2.3). */
    static const int seen[9][4] = {{0},          {0, 0, 1, 0}, {2, 0, 1, 0},
                                   {2, 1, 1, 1}, {0, 1, 1, 1}, {0, 0, 0, 1},
                                   {1, 0, 1, 1}, {1, 2, 1, 1}, {0, 2, 0, 1}};
    for (int orientation = 1; orientation <= 8; orientation++) {
        png_kind kind = {.width = 3,
                         .height = 2,
                         .bit_depth = 8,
                         .colour_type = PNG_COLOR_TYPE_RGB,
                         .orientation = orientation};
        sample s = png_sample(&kind);
        image_pixels pixels;
        assert_int_equal(image_decode("a.png", s.data, s.bytes, &pixels), ROTO_OK);
        assert_int_equal(pixels.width, orientation < 5 ? 3 : 2);
        assert_int_equal(pixels.height, orientation < 5 ? 2 : 3);
        const int *at = seen[orientation];
        for (int c = 0; c < 3; c++) {
            assert_int_equal(pixels.rgb[3 * (at[0] + at[1] * pixels.width) + c],
                             expected_value(&kind, 0, 0, c));
            assert_int_equal(pixels.rgb[3 * (at[2] + at[3] * pixels.width) + c],
                             expected_value(&kind, 1, 0, c));
        }
        free(pixels.rgb);
        free(s.data);
    }
}

static void assert_near(const uint8_t *rgb, int r, int g, int b)
{
    assert_in_range(rgb[0] + 4 - r, 0, 8);
    assert_in_range(rgb[1] + 4 - g, 0, 8);
    assert_in_range(rgb[2] + 4 - b, 0, 8);
}

static void every_kind_of_jpeg_becomes_rgb(void **state)
{
    (void)state;
    static const struct {
        jpeg_kind kind;
        int left[3], right[3];
    } cases[] = {
        {{.n_channels = 3, .colour = {{200, 30, 60}, {10, 90, 250}}}, {200, 30, 60}, {10, 90, 250}},
        {{.n_channels = 3, .progressive = 1, .colour = {{200, 30, 60}, {10, 90, 250}}},
         {200, 30, 60},
         {10, 90, 250}},
        {{.n_channels = 1, .colour = {{17}, {230}}}, {17, 17, 17}, {230, 230, 230}},
        /* ink: 0 is none */
        {{.n_channels = 4, .colour = {{0, 255, 255, 0}, {255, 0, 0, 128}}},
         {255, 0, 0},
         {0, 127, 127}},
        /* Adobe: 255 is none */
        {{.n_channels = 4, .adobe = 1, .colour = {{255, 0, 0, 255}, {0, 255, 255, 127}}},
         {255, 0, 0},
         {0, 127, 127}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        jpeg_kind kind = cases[i].kind;
        kind.width = 32;
        kind.height = 19;
        sample s = jpeg_sample(&kind);
        image_pixels pixels;
        assert_int_equal(image_decode("a.jpg", s.data, s.bytes, &pixels), ROTO_OK);
        assert_int_equal(pixels.width, 32);
        assert_int_equal(pixels.height, 19);
        const uint8_t *row = pixels.rgb + 18 * 32 * 3;
        assert_near(row, cases[i].left[0], cases[i].left[1], cases[i].left[2]);
        assert_near(row + 31 * 3, cases[i].right[0], cases[i].right[1], cases[i].right[2]);
        free(pixels.rgb);
        free(s.data);
    }
}

static void jpeg_orientation_is_applied_in_both_byte_orders(void **state)
{
    (void)state;
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        jpeg_kind kind = {.width = 32,
                          .height = 16,
                          .n_channels = 3,
                          .orientation = 6, /* turn clockwise: the left half is seen on top */
                          .exif_big_endian = big_endian,
                          .colour = {{250, 10, 10}, {10, 10, 250}}};
        sample s = jpeg_sample(&kind);
        image_pixels pixels;
        assert_int_equal(image_decode("a.jpg", s.data, s.bytes, &pixels), ROTO_OK);
        assert_int_equal(pixels.width, 16);
        assert_int_equal(pixels.height, 32);
        assert_near(pixels.rgb, 250, 10, 10);
        assert_near(pixels.rgb + (31 * 16 + 15) * 3, 10, 10, 250);
        free(pixels.rgb);
        free(s.data);
    }
}

static void malformed_exif_is_upright(void **state)
{
    (void)state;
    static const uint8_t good[26] = {'I',  'I', 42, 0, 8, 0, 0, 0, 1, 0,
                                     0x12, 1,   3,  0, 1, 0, 0, 0, 8};
    assert_int_equal(image_exif_orientation(good, sizeof(good)), 8);
    for (size_t n = 0; n < 22; n++) {
        uint8_t *cut = malloc(n + 1); /* its own block, so that AddressSanitizer sees its end */
        assert_non_null(cut);
        memcpy(cut, good, n);
        assert_int_equal(image_exif_orientation(cut, n), 1);
        free(cut);
    }
    static const struct {
        int at, value;
    } faults[] = {{0, 'M'}, {2, 43}, {4, 250}, {7, 255}, {8, 0},
                  {12, 4},  {14, 2}, {18, 0},  {18, 9}};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        uint8_t bad[26];
        memcpy(bad, good, sizeof(bad));
        bad[faults[i].at] = (uint8_t)faults[i].value;
        assert_int_equal(image_exif_orientation(bad, sizeof(bad)), 1);
    }
}

/* Decodes a copy that ends where its memory block ends. */
static roto_status decode_copy(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    if (bytes)
        memcpy(copy, data, bytes);
    image_pixels pixels;
    roto_status status = image_decode("cut", copy, bytes, &pixels);
    free(copy);
    free(pixels.rgb);
    return status;
}

static void files_cut_at_any_byte_are_refused(void **state)
{
    (void)state;
    png_kind png = {.width = 9, .height = 7, .bit_depth = 8, .colour_type = PNG_COLOR_TYPE_RGB};
    jpeg_kind jpeg = {.width = 24, .height = 16, .n_channels = 3, .colour = {{9, 80}, {200, 7}}};
    jpeg_kind progressive = jpeg;
    progressive.progressive = 1;
    sample samples[] = {png_sample(&png), jpeg_sample(&jpeg), jpeg_sample(&progressive)};
    for (int i = 0; i < 3; i++) {
        for (size_t n = 0; n < samples[i].bytes; n++) {
            assert_int_equal(decode_copy(samples[i].data, n), ROTO_ERROR_FORMAT);
            assert_non_null(strstr(roto_error_message(), "cut: "));
        }
        assert_int_equal(decode_copy(samples[i].data, samples[i].bytes), ROTO_OK);
        free(samples[i].data);
    }
}

static void changed_bytes_never_do_more_than_fail(void **state)
{
    (void)state;
    png_kind png = {.width = 9, .height = 7, .bit_depth = 4, .colour_type = 3, .interlace = 1};
    jpeg_kind jpeg = {.width = 17, .height = 16, .n_channels = 3, .orientation = 5};
    sample samples[] = {png_sample(&png), jpeg_sample(&jpeg)};
    for (int i = 0; i < 2; i++) {
        int n_refused = 0;
        for (size_t at = 0; at < samples[i].bytes; at++) {
            uint8_t before = samples[i].data[at];
            static const uint8_t flips[] = {0x01, 0x80, 0xff};
            for (int f = 0; f < 3; f++) {
                samples[i].data[at] = before ^ flips[f];
                n_refused += decode_copy(samples[i].data, samples[i].bytes) != ROTO_OK;
            }
            samples[i].data[at] = before;
        }
        assert_in_range(n_refused, 50, 3 * samples[i].bytes);
        free(samples[i].data);
    }
}

static void small_files_that_claim_large_pictures_are_refused(void **state)
{
    (void)state;
    jpeg_kind jpeg = {.width = 16, .height = 16, .n_channels = 1};
    sample s = jpeg_sample(&jpeg);
    size_t at = 0;
    while (s.data[at] != 0xff || s.data[at + 1] != 0xc0)
        at++;
    memcpy(s.data + at + 5, "\x40\x00\x40\x00", 4); /* height and width of SOF0: 16384 */
    assert_int_equal(decode_copy(s.data, s.bytes), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "cannot hold"));
    s.data[at + 6] = 1; /* 16385 */
    assert_int_equal(decode_copy(s.data, s.bytes), ROTO_ERROR_UNSUPPORTED);
    free(s.data);

    png_kind png = {.width = 4, .height = 4, .bit_depth = 8, .colour_type = PNG_COLOR_TYPE_RGB};
    s = png_sample(&png);
    memcpy(s.data + 16, "\0\0\x40\0\0\0\x40\0\x08\x02\0\0\0\x26\xaa\x87\xd3",
           17); /* IHDR and CRC */
    assert_int_equal(decode_copy(s.data, s.bytes), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "too small for the size"));
    free(s.data);
}

static void files_are_read_and_failures_name_them(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.dat"); /* the name's ending says nothing */
    png_kind kind = {.width = 5, .height = 4, .bit_depth = 8, .colour_type = PNG_COLOR_TYPE_RGB};
    sample s = png_sample(&kind);
    temp_folder_put(&path, s.data, s.bytes);
    roto_image image;
    void *storage = NULL;
    assert_int_equal(roto_image_read(path.text, &image, &storage), ROTO_OK);
    assert_int_equal(roto_image_check(&image), ROTO_OK);
    assert_int_equal(image.plane[0][image.stride_bytes[0] + 3], expected_value(&kind, 1, 1, 0));
    roto_image_free(storage);
    free(s.data);

    temp_folder_put(&path, "", 0);
    assert_int_equal(roto_image_read(path.text, &image, &storage), ROTO_ERROR_FORMAT);
    assert_null(storage);
    assert_non_null(strstr(roto_error_message(), "a.dat: the file is empty"));
    temp_folder_put(&path, "BM no picture of ours", 21);
    assert_int_equal(roto_image_read(path.text, &image, &storage), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "a.dat: neither"));
    assert_int_equal(roto_image_read(folder.path, &image, &storage), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "is a folder"));
    assert_int_equal(remove(path.text), 0);
    assert_int_equal(roto_image_read(path.text, &image, &storage), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "No such file"));
    assert_int_equal(mkfifo(path.text, 0600), 0);
    assert_int_equal(roto_image_read(path.text, &image, &storage), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "not a regular file"));
    assert_int_equal(roto_image_read(NULL, &image, &storage), ROTO_ERROR_ARGUMENT);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_out_of_range_are_refused),
        cmocka_unit_test(every_kind_of_png_becomes_rgb),
        cmocka_unit_test(png_orientation_is_applied),
        cmocka_unit_test(every_kind_of_jpeg_becomes_rgb),
        cmocka_unit_test(jpeg_orientation_is_applied_in_both_byte_orders),
        cmocka_unit_test(malformed_exif_is_upright),
        cmocka_unit_test(files_cut_at_any_byte_are_refused),
        cmocka_unit_test(changed_bytes_never_do_more_than_fail),
        cmocka_unit_test(small_files_that_claim_large_pictures_are_refused),
        cmocka_unit_test(files_are_read_and_failures_name_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
