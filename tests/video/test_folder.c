#include "support/cmocka_all.h"

#include "support/temp_folder.h"
#include "video/natural_order.h"

#include <math.h>
#include <roto/video.h>
#include <sys/stat.h>

/* A one-coloured image, so that a frame tells which file it came from. */
static void put_image(const temp_folder *folder, const char *name, int width, int height,
                      uint8_t value)
{
    uint8_t *pixels = malloc((size_t)width * (size_t)height);
    assert_non_null(pixels);
    memset(pixels, value, (size_t)width * (size_t)height);
    roto_image image = {.width = width,
                        .height = height,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {pixels},
                        .stride_bytes = {width}};
    temp_path path = temp_folder_join(folder, name);
    assert_int_equal(roto_image_write_png(path.text, &image), ROTO_OK);
    free(pixels);
}

static void names_are_ordered_as_people_count(void **state)
{
    (void)state;
    const char *ordered[] = {"10",
                             "a",
                             "a0",
                             "a1",
                             "a01",
                             "a2",
                             "a10",
                             "a10b9",
                             "a10b10",
                             "a010b11",
                             "b00002x",
                             "b2y",
                             "b12",
                             "c",
                             "f 9",
                             "f 10",
                             "f99999999999999999999998",
                             "f99999999999999999999999"};
    int n = (int)(sizeof(ordered) / sizeof(ordered[0]));
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            int order = natural_order_compare(&ordered[i], &ordered[j]);
            int expected = (i > j) - (i < j);
            if (strcmp(ordered[i], "a01") == 0 && strcmp(ordered[j], "a1") == 0)
                expected = -1; /* equal by value, so told apart by bytes: "a01" < "a1" */
            if (strcmp(ordered[i], "a1") == 0 && strcmp(ordered[j], "a01") == 0)
                expected = 1;
            assert_int_equal((order > 0) - (order < 0), expected);
        }
    }
}

static void a_folder_is_read_in_natural_order(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    const char *names[] = {"frame 2.png", "frame 9.PNG", "frame 10.png", "frame 100.png"};
    for (int i = 3; i >= 0; i--)
        put_image(&folder, names[i], 16 + i, 8, (uint8_t)(10 * i));
    temp_path other = temp_folder_join(&folder, "notes.txt");
    temp_folder_put(&other, "no image", 8);
    other = temp_folder_join(&folder, ".hidden.png");
    temp_folder_put(&other, "no image", 8);

    roto_source_params params = roto_source_params_default();
    params.folder_fps = 10;
    roto_source *source;
    assert_int_equal(roto_source_open(folder.path, &params, &source), ROTO_OK);
    const roto_source_info *info = roto_source_describe(source);
    assert_int_equal(info->n_frames, 4);
    assert_int_equal(info->width, 16);
    assert_int_equal(info->height, 8);
    assert_string_equal(info->format, "folder");
    assert_string_equal(info->codec, "png");
    roto_frame *held[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(roto_source_read(source, &held[i]), ROTO_OK);
        assert_string_equal(held[i]->name, names[i]);
        assert_int_equal(held[i]->index, i);
        assert_true(fabs(held[i]->time_s - i * 0.1) < 1e-9);
        assert_true(fabs(held[i]->duration_s - 0.1) < 1e-9);
    }
    /* Sizes may differ, and frames keep their own pixels while others are read. */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(held[i]->image.width, 16 + i);
        assert_int_equal(held[i]->image.plane[0][5], 10 * i);
        roto_frame_release(held[i]);
    }
    roto_frame *none;
    assert_int_equal(roto_source_read(source, &none), ROTO_END);
    assert_null(none);
    assert_int_equal(roto_source_read(source, &none), ROTO_END);
    roto_source_close(source);
    temp_folder_remove(&folder);
}

static void one_image_is_a_source_of_one_frame(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    put_image(&folder, "one.png", 33, 21, 77);
    temp_path path = temp_folder_join(&folder, "one.png");
    roto_source *source;
    assert_int_equal(roto_source_open(path.text, NULL, &source), ROTO_OK);
    roto_frame *frame;
    assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
    assert_int_equal(frame->image.width, 33);
    assert_int_equal(frame->image.format, ROTO_PIXEL_RGB8);
    assert_string_equal(frame->name, "one.png");
    roto_frame_release(frame);
    assert_int_equal(roto_source_read(source, &frame), ROTO_END);
    roto_source_close(source);
    temp_folder_remove(&folder);
}

static void a_broken_image_ends_the_folder_with_its_name(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    put_image(&folder, "1.png", 16, 16, 1);
    temp_path path = temp_folder_join(&folder, "2.png");
    temp_folder_put(&path, "\x89PNG\r\n\x1a\n and nothing more", 25);
    put_image(&folder, "3.png", 16, 16, 3);
    roto_source *source;
    assert_int_equal(roto_source_open(folder.path, NULL, &source), ROTO_OK);
    roto_frame *frame;
    assert_int_equal(roto_source_read(source, &frame), ROTO_OK);
    roto_frame_release(frame);
    for (int i = 0; i < 2; i++) { /* and stays ended */
        assert_int_equal(roto_source_read(source, &frame), ROTO_ERROR_FORMAT);
        assert_non_null(strstr(roto_error_message(), "2.png"));
    }
    roto_source_close(source);
    temp_folder_remove(&folder);
}

static void folders_without_images_are_refused(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    roto_source *source;
    assert_int_equal(roto_source_open(folder.path, NULL, &source), ROTO_ERROR_FORMAT);
    assert_null(source);
    assert_non_null(strstr(roto_error_message(), "no .png"));
    if (geteuid() != 0) { /* root reads everything */
        assert_int_equal(chmod(folder.path, 0), 0);
        assert_int_equal(roto_source_open(folder.path, NULL, &source), ROTO_ERROR_IO);
        assert_int_equal(chmod(folder.path, 0700), 0);
    }
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_ordered_as_people_count),
        cmocka_unit_test(a_folder_is_read_in_natural_order),
        cmocka_unit_test(one_image_is_a_source_of_one_frame),
        cmocka_unit_test(a_broken_image_ends_the_folder_with_its_name),
        cmocka_unit_test(folders_without_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
