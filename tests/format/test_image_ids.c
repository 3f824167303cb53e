#include "support/cmocka_all.h"

#include "format/image_ids16.h"
#include "format/image_internal.h"
#include "format/image_samples.h"
#include "support/temp_folder.h"

#include <png.h>

static void palettes_and_grey_keep_their_values(void **state)
{
    (void)state;
    static const int kinds[][2] = {{1, PNG_COLOR_TYPE_PALETTE}, {2, PNG_COLOR_TYPE_PALETTE},
                                   {4, PNG_COLOR_TYPE_PALETTE}, {8, PNG_COLOR_TYPE_PALETTE},
                                   {1, PNG_COLOR_TYPE_GRAY},    {2, PNG_COLOR_TYPE_GRAY},
                                   {4, PNG_COLOR_TYPE_GRAY},    {8, PNG_COLOR_TYPE_GRAY}};
    for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(kinds[0]); i++) {
        png_kind kind = {.width = 21,
                         .height = 13,
                         .bit_depth = kinds[i / 2][0],
                         .colour_type = kinds[i / 2][1],
                         .interlace = i % 2,
                         .orientation = 6};
        sample s = png_sample(&kind);
        image_ids ids;
        assert_int_equal(image_ids_decode("a.png", s.data, s.bytes, &ids), ROTO_OK);
        assert_int_equal(ids.width, kind.width);
        assert_int_equal(ids.height, kind.height);
        for (int p = 0; p < kind.width * kind.height; p++)
            assert_int_equal(ids.ids[p],
                             png_sample_value(&kind, p % kind.width, p / kind.width, 0));
        free(ids.ids);
        free(s.data);
    }
}

static void what_is_written_reads_back_with_davis_colours(void **state)
{
    (void)state;
    enum { WIDTH = 256, HEIGHT = 3, STRIDE = WIDTH + 5 };
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.png");
    uint8_t bytes[HEIGHT * STRIDE];
    for (int i = 0; i < HEIGHT * STRIDE; i++)
        bytes[i] = (uint8_t)(i % STRIDE * (1 + i / STRIDE));
    roto_image image = {.width = WIDTH,
                        .height = HEIGHT,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {bytes},
                        .stride_bytes = {STRIDE}};
    assert_int_equal(roto_image_write_ids(path.text, &image), ROTO_OK);
    roto_image back;
    void *storage;
    assert_int_equal(roto_image_read_ids(path.text, &back, &storage), ROTO_OK);
    assert_int_equal(roto_image_check(&back), ROTO_OK);
    assert_int_equal(back.format, ROTO_PIXEL_GRAY8);
    for (int y = 0; y < HEIGHT; y++)
        assert_memory_equal(back.plane[0] + y * back.stride_bytes[0], bytes + y * STRIDE, WIDTH);
    roto_image_free(storage);

    static const uint8_t colours[][4] = {{0, 0, 0, 0},        {1, 128, 0, 0},   {2, 0, 128, 0},
                                         {3, 128, 128, 0},    {4, 0, 0, 128},   {7, 128, 128, 128},
                                         {8, 64, 0, 0},       {20, 0, 64, 128}, {22, 0, 192, 128},
                                         {255, 224, 224, 192}}; /* of DAVIS's own files */
    assert_int_equal(roto_image_read(path.text, &back, &storage), ROTO_OK);
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
        assert_memory_equal(back.plane[0] + 3 * colours[i][0], colours[i] + 1, 3);
    roto_image_free(storage);

    assert_int_equal(temp_folder_count(&folder), 1);
    image.format = ROTO_PIXEL_RGB8;
    image.stride_bytes[0] = 3 * WIDTH;
    image.height = 1;
    assert_int_equal(roto_image_write_ids(path.text, &image), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_image_write_ids(NULL, &image), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_image_write_ids("/nowhere/a.png", &back), ROTO_ERROR_ARGUMENT);
    temp_folder_remove(&folder);
}

static void grey_in_colour_is_read_and_colour_is_refused(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.png");
    uint8_t rgb[4 * 2 * 3];
    for (int i = 0; i < 8; i++)
        memset(rgb + 3 * i, i == 5 ? 255 : i, 3);
    roto_image image = {
        .width = 4, .height = 2, .format = ROTO_PIXEL_RGB8, .plane = {rgb}, .stride_bytes = {12}};
    assert_int_equal(roto_image_write_png(path.text, &image), ROTO_OK);
    roto_image ids;
    void *storage;
    assert_int_equal(roto_image_read_ids(path.text, &ids, &storage), ROTO_OK);
    static const uint8_t wanted[8] = {0, 1, 2, 3, 4, 255, 6, 7};
    assert_memory_equal(ids.plane[0], wanted, 8);
    roto_image_free(storage);

    rgb[3 * 6 + 1] = 77;
    assert_int_equal(roto_image_write_png(path.text, &image), ROTO_OK);
    assert_int_equal(roto_image_read_ids(path.text, &ids, &storage), ROTO_ERROR_FORMAT);
    assert_null(storage);
    assert_non_null(strstr(roto_error_message(), "a.png: the pixel at 2, 1 has a colour"));
    temp_folder_remove(&folder);
}

static void large_ids_are_written_with_16_bits(void **state)
{
    (void)state;
    static const uint16_t ids[2][3] = {{0, 1, 255}, {256, 300, 65535}};
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.png");
    assert_int_equal(image_ids16_write(path.text, &ids[0][0], 3, 2), ROTO_OK);
    png_image png = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&png, path.text));
    assert_int_equal(png.format, PNG_FORMAT_LINEAR_Y);
    assert_true(png.width == 3 && png.height == 2);
    png_image_free(&png);

    FILE *file = fopen(path.text, "rb");
    assert_non_null(file);
    png_structp library = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(library);
    png_init_io(library, file);
    png_read_png(library, info, PNG_TRANSFORM_IDENTITY, NULL);
    for (int y = 0; y < 2; y++)
        for (int x = 0; x < 3; x++) {
            const uint8_t *high_low = png_get_rows(library, info)[y] + 2 * x;
            assert_int_equal(high_low[0] << 8 | high_low[1], ids[y][x]);
        }
    png_destroy_read_struct(&library, &info, NULL);
    fclose(file);
    assert_int_equal(image_ids16_write("/nowhere/a.png", &ids[0][0], 3, 2), ROTO_ERROR_IO);
    temp_folder_remove(&folder);
}

static void what_holds_no_ids_is_refused(void **state)
{
    (void)state;
    static const int deep[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                               PNG_COLOR_TYPE_RGB_ALPHA};
    image_ids ids;
    for (int i = 0; i < 4; i++) {
        png_kind kind = {.width = 5, .height = 4, .bit_depth = 16, .colour_type = deep[i]};
        sample s = png_sample(&kind);
        assert_int_equal(image_ids_decode("a.png", s.data, s.bytes, &ids), ROTO_ERROR_FORMAT);
        assert_non_null(strstr(roto_error_message(), "a.png: bad PNG: object ids come as"));
        free(s.data);
    }
    jpeg_kind jpeg = {.width = 16, .height = 16, .n_channels = 1};
    sample s = jpeg_sample(&jpeg);
    assert_int_equal(image_ids_decode("a.jpg", s.data, s.bytes, &ids), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "a.jpg: not a PNG file"));
    free(s.data);
    roto_image image;
    void *storage;
    assert_int_equal(roto_image_read_ids("/nowhere/a.png", &image, &storage), ROTO_ERROR_IO);
    assert_int_equal(roto_image_read_ids(NULL, &image, &storage), ROTO_ERROR_ARGUMENT);
}

/* Decodes a copy that ends where its memory block ends. */
static roto_status decode_copy(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    if (bytes)
        memcpy(copy, data, bytes);
    image_ids ids;
    roto_status status = image_ids_decode("cut", copy, bytes, &ids);
    free(copy);
    free(ids.ids);
    return status;
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    static const png_kind kinds[] = {
        {.width = 9, .height = 7, .bit_depth = 4, .colour_type = PNG_COLOR_TYPE_PALETTE},
        {.width = 9, .height = 7, .bit_depth = 8, .colour_type = PNG_COLOR_TYPE_RGB}};
    for (int k = 0; k < 2; k++) {
        sample s = png_sample(&kinds[k]);
        for (size_t n = 0; n < s.bytes; n++)
            assert_int_equal(decode_copy(s.data, n), ROTO_ERROR_FORMAT);
        int n_refused = 0;
        for (size_t at = 0; at < s.bytes; at++) {
            uint8_t before = s.data[at];
            static const uint8_t flips[] = {0x01, 0x80, 0xff};
            for (int f = 0; f < 3; f++) {
                s.data[at] = before ^ flips[f];
                n_refused += decode_copy(s.data, s.bytes) != ROTO_OK;
            }
            s.data[at] = before;
        }
        assert_in_range(n_refused, 50, 3 * s.bytes);
        free(s.data);
    }
}

static void small_files_that_claim_large_pictures_are_refused(void **state)
{
    (void)state;
    png_kind kind = {.width = 4, .height = 4, .bit_depth = 8, .colour_type = PNG_COLOR_TYPE_GRAY};
    sample s = png_sample(&kind);
    memcpy(s.data + 16, "\0\0\x40\0\0\0\x40\0\x08\0\0\0\0\x8c\xa3\x4f\x58", 17); /* IHDR and CRC */
    assert_int_equal(decode_copy(s.data, s.bytes), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "too small for the size"));
    free(s.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(palettes_and_grey_keep_their_values),
        cmocka_unit_test(what_is_written_reads_back_with_davis_colours),
        cmocka_unit_test(grey_in_colour_is_read_and_colour_is_refused),
        cmocka_unit_test(large_ids_are_written_with_16_bits),
        cmocka_unit_test(what_holds_no_ids_is_refused),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(small_files_that_claim_large_pictures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
