#include "support/cmocka_all.h"

#include <roto/roto.h>
#include <string.h>

static const char *const classes[] = {"person", "bicycle", "car", "traffic light", "cat", "tv"};
enum { N_CLASSES = sizeof(classes) / sizeof(classes[0]) };

static void misspellings_find_their_word(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"persn", "person"},    {"Person", "person"},
        {"bycicle", "bicycle"}, {"traffic_lihgt", "traffic light"},
        {"acr", "car"},         {"tv", "tv"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_string_equal(roto_nearest_name(pairs[i][0], classes, N_CLASSES), pairs[i][1]);
}

static void other_words_find_none(void **state)
{
    (void)state;
    assert_null(roto_nearest_name("zebra crossing", classes, N_CLASSES));
    assert_null(roto_nearest_name("", classes, N_CLASSES));
    assert_null(roto_nearest_name(NULL, classes, N_CLASSES));
    assert_null(roto_nearest_name("person", NULL, 0));
    char long_word[4096];
    memset(long_word, 'x', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = 0;
    assert_null(roto_nearest_name(long_word, classes, N_CLASSES));
}

static void the_processor_is_described_within_the_room_given(void **state)
{
    (void)state;
    char text[320], little[8];
    int32_t length = roto_cpu_describe(text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, " core"));
    assert_int_equal(roto_cpu_describe(little, sizeof(little)), length);
    assert_int_equal(strlen(little), sizeof(little) - 1);
    assert_int_equal(roto_cpu_describe(NULL, 0), length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misspellings_find_their_word),
        cmocka_unit_test(other_words_find_none),
        cmocka_unit_test(the_processor_is_described_within_the_room_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
