#include "support/cmocka_all.h"

#include "format/json_lines.h"
#include "support/temp_folder.h"

#include <cJSON.h>
#include <locale.h>
#include <math.h>
#include <sys/resource.h>

static const char *const names[] = {"person", "tennis \"racket\"\\\n\x7f"};

static json_frame sample_frame(const roto_track *tracks, int32_t n_tracks)
{
    return (json_frame){.index = 7,
                        .time_s = 7 / 24.0,
                        .width = 1280,
                        .height = 720,
                        .tracks = tracks,
                        .n_tracks = n_tracks,
                        .class_names = names,
                        .n_class_names = 2};
}

static char *write_one(const json_frame *frame)
{
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.jsonl");
    json_lines *lines;
    assert_int_equal(json_lines_open(path.text, &lines), ROTO_OK);
    assert_int_equal(json_lines_write(lines, frame), ROTO_OK);
    assert_int_equal(json_lines_close(lines), ROTO_OK);
    size_t bytes;
    char *text = temp_folder_get(&path, &bytes);
    temp_folder_remove(&folder);
    return text;
}

static void a_line_reads_as_documented(void **state)
{
    (void)state;
    const roto_track tracks[] = {
        {.id = 3, .box = {10.5f, -0.004f, 100.126f, 200}, .score = 0.91238f, .age_frames = 12},
        {.id = INT64_MAX, .box = {0, 0, 1e-9f, 1e30f}, .class_id = 5, .missed_frames = 2},
    };
    json_frame frame = sample_frame(tracks, 2);
    char *text = write_one(&frame);
    assert_string_equal(
        text, "{\"frame\":7,\"time_s\":0.291667,\"width\":1280,\"height\":720,\"objects\":["
              "{\"id\":3,\"class\":\"person\",\"class_id\":0,\"score\":0.9124,"
              "\"box\":[10.5,0,100.13,200],\"age\":12},"
              "{\"id\":9223372036854775807,\"class_id\":5,\"score\":0,"
              "\"box\":[0,0,0,10000000000000],\"age\":0,\"missed\":2}]}\n");
    free(text);
}

static void masks_are_run_lengths_and_what_has_no_class_has_none(void **state)
{
    (void)state;
    const roto_track tracks[] = {
        {.id = 3, .box = {1, 2, 3, 4}, .score = 0.5f, .class_id = -1, .age_frames = 12},
        {.id = 4, .box = {1, 2, 3, 4}, .score = 0.5f, .class_id = 0},
    };
    const char *masks[] = {"1\\0a", NULL};
    json_frame frame = sample_frame(tracks, 2);
    frame.masks = masks;
    char *text = write_one(&frame);
    assert_string_equal(
        text, "{\"frame\":7,\"time_s\":0.291667,\"width\":1280,\"height\":720,\"objects\":["
              "{\"id\":3,\"score\":0.5,\"box\":[1,2,3,4],\"age\":12,"
              "\"mask\":{\"size\":[720,1280],\"counts\":\"1\\\\0a\"}},"
              "{\"id\":4,\"class\":\"person\",\"class_id\":0,\"score\":0.5,"
              "\"box\":[1,2,3,4],\"age\":0}]}\n");
    free(text);
}

static void any_bytes_in_names_make_valid_json(void **state)
{
    (void)state;
    /* Quotes, control bytes, good UTF-8, a lone byte, an overlong form, a surrogate, cut short. */
    const char *name =
        "a\"\\\t\x01 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xff \xc0\xaf \xed\xa0\x80 \xe2\x82";
    const roto_detection detection = {.box = {1, 2, 3, 4}, .score = 0.5f, .class_id = 1};
    json_frame frame = sample_frame(NULL, 0);
    frame.name = name;
    frame.detections = &detection;
    frame.n_detections = 1;
    char *text = write_one(&frame);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItem(json, "name")->valuestring,
                        "a\"\\\t\x01 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd");
    const cJSON *object = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "objects"), 0);
    assert_string_equal(cJSON_GetObjectItem(object, "class")->valuestring, names[1]);
    assert_null(cJSON_GetObjectItem(object, "id"));
    assert_true(cJSON_GetObjectItem(object, "score")->valuedouble == 0.5);
    cJSON_Delete(json);
    free(text);
}

static void the_locale_changes_nothing(void **state)
{
    (void)state;
    const roto_track track = {.id = 1, .box = {0.5f, 1.5f, 2.5f, 3.5f}, .score = 0.25f};
    json_frame frame = sample_frame(&track, 1);
    char *plain = write_one(&frame);
    /* Without a locale that has a decimal comma this shows nothing; most systems have one of them.
     */
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        setlocale(LC_ALL, "fr_FR.UTF-8");
    char *text = write_one(&frame);
    setlocale(LC_ALL, "C");
    assert_string_equal(text, plain);
    assert_non_null(strstr(text, "[0.5,1.5,2.5,3.5]"));
    free(plain);
    free(text);
}

static void a_full_disk_leaves_whole_lines(void **state)
{
    (void)state;
    temp_folder folder = temp_folder_new();
    temp_path path = temp_folder_join(&folder, "a.jsonl");
    const roto_track track = {.id = 1, .box = {0, 0, 1, 1}};
    json_frame frame = sample_frame(&track, 1);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {1000, before.rlim_max};
    json_lines *lines;
    assert_int_equal(json_lines_open(path.text, &lines), ROTO_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    roto_status status;
    int n = 0;
    while ((status = json_lines_write(lines, &frame)) == ROTO_OK && n < 100)
        n++;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "a.jsonl: cannot write: File too large"));
    assert_int_equal(json_lines_close(lines), ROTO_OK);
    size_t bytes;
    char *text = temp_folder_get(&path, &bytes);
    assert_in_range(n, 1, 99);
    int n_lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n_lines++) {
        cJSON *json = cJSON_Parse(line);
        assert_non_null(json);
        cJSON_Delete(json);
    }
    assert_int_equal(n_lines, n);
    free(text);
    temp_folder_remove(&folder);
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    json_lines *lines;
    assert_int_equal(json_lines_open("/nowhere/a.jsonl", &lines), ROTO_ERROR_IO);
    assert_null(lines);
    assert_non_null(strstr(roto_error_message(), "/nowhere/a.jsonl: cannot create"));
    assert_int_equal(json_lines_open("/dev/full", &lines), ROTO_OK);
    roto_track track = {.id = 1, .box = {0, 0, 1, (float)NAN}};
    json_frame frame = sample_frame(&track, 1);
    assert_int_equal(json_lines_write(lines, &frame), ROTO_ERROR_ARGUMENT);
    track.box.y1 = INFINITY;
    assert_int_equal(json_lines_write(lines, &frame), ROTO_ERROR_ARGUMENT);
    track.box.y1 = 1;
    assert_int_equal(json_lines_write(lines, &frame), ROTO_ERROR_IO);
    assert_int_equal(json_lines_close(lines), ROTO_OK);
    assert_int_equal(json_lines_close(NULL), ROTO_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_reads_as_documented),
        cmocka_unit_test(masks_are_run_lengths_and_what_has_no_class_has_none),
        cmocka_unit_test(any_bytes_in_names_make_valid_json),
        cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(a_full_disk_leaves_whole_lines),
        cmocka_unit_test(what_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
