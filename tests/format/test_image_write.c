#include "support/cmocka_all.h"

#include "support/temp_folder.h"

#include <fcntl.h>
#include <roto/image.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { WIDTH = 67, HEIGHT = 41, PADDING = 5 };

/* Pseudo-random, so that it does not compress into a single write. */
static void fill(uint8_t *bytes, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.png");
    for (int n_channels = 1; n_channels <= 3; n_channels += 2) {
        uint8_t bytes[HEIGHT * (WIDTH * 3 + PADDING)];
        fill(bytes, sizeof(bytes));
        roto_image image = {.width = WIDTH,
                            .height = HEIGHT,
                            .format = n_channels == 3 ? ROTO_PIXEL_RGB8 : ROTO_PIXEL_GRAY8,
                            .plane = {bytes},
                            .stride_bytes = {WIDTH * n_channels + PADDING}};
        assert_int_equal(roto_image_write_png(path.text, &image), ROTO_OK);
        roto_image back;
        void *storage;
        assert_int_equal(roto_image_read(path.text, &back, &storage), ROTO_OK);
        assert_int_equal(back.width, WIDTH);
        assert_int_equal(back.height, HEIGHT);
        for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
            int x = i / 3 % WIDTH, y = i / 3 / WIDTH, c = n_channels == 3 ? i % 3 : 0;
            assert_int_equal(back.plane[0][y * back.stride_bytes[0] + x * 3 + i % 3],
                             bytes[y * image.stride_bytes[0] + x * n_channels + c]);
        }
        roto_image_free(storage);
    }
    assert_int_equal(temp_folder_count(&folder), 1);
    struct stat info;
    assert_int_equal(stat(path.text, &info), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
    temp_folder_remove(&folder);
}

static void unwritable_places_are_named(void **state)
{
    (void)state;
    uint8_t pixel[3] = {1, 2, 3};
    roto_image image = {.width = 1, .height = 1, .plane = {pixel}, .stride_bytes = {3}};
    static const char *const places[] = {"/nonexistent/a.png", "/proc/a.png", "/dev/full", "/tmp",
                                         "/dev/null/a.png"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_int_equal(roto_image_write_png(places[i], &image), ROTO_ERROR_IO);
        assert_ptr_equal(strstr(roto_error_message(), places[i]), roto_error_message());
    }
    assert_int_equal(roto_image_write_png("/dev/null", &image), ROTO_OK);
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode)); /* and not replaced by a picture */
    image.format = ROTO_PIXEL_NV12;
    assert_int_equal(roto_image_write_png("/tmp/a.png", &image), ROTO_ERROR_ARGUMENT);
    assert_int_equal(roto_image_write_png(NULL, &image), ROTO_ERROR_ARGUMENT);
}

static void a_full_disk_leaves_the_old_file_and_no_other(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.png");
    temp_folder_put(&path, "old", 3);
    static uint8_t bytes[512 * 512];
    fill(bytes, sizeof(bytes));
    roto_image image = {.width = 512,
                        .height = 512,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {bytes},
                        .stride_bytes = {512}};
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    roto_status status = roto_image_write_png(path.text, &image);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "a.png: cannot write: File too large"));
    assert_int_equal(temp_folder_count(&folder), 1);
    size_t n;
    char *content = temp_folder_get(&path, &n);
    assert_string_equal(content, "old");
    free(content);
    temp_folder_remove(&folder);
}

static void symbolic_links_stay_links(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.png"), link = temp_folder_join(&folder, "b.png");
    temp_folder_put(&path, "old", 3);
    assert_int_equal(symlink(path.text, link.text), 0);
    uint8_t pixel = 9;
    roto_image image = {.width = 1,
                        .height = 1,
                        .format = ROTO_PIXEL_GRAY8,
                        .plane = {&pixel},
                        .stride_bytes = {1}};
    assert_int_equal(roto_image_write_png(link.text, &image), ROTO_OK);
    struct stat info;
    assert_int_equal(lstat(link.text, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    roto_image back;
    void *storage;
    assert_int_equal(roto_image_read(path.text, &back, &storage), ROTO_OK);
    assert_int_equal(back.plane[0][0], 9);
    roto_image_free(storage);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(unwritable_places_are_named),
        cmocka_unit_test(a_full_disk_leaves_the_old_file_and_no_other),
        cmocka_unit_test(symbolic_links_stay_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
