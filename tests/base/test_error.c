#include "support/cmocka_all.h"

#include "base/error.h"

#include <string.h>

static void messages_can_be_built_from_messages(void **state)
{
    (void)state;
    assert_int_equal(roto_fail(ROTO_ERROR_IO, "no %s", "disk"), ROTO_ERROR_IO);
    assert_int_equal(roto_fail(ROTO_ERROR_FORMAT, "%s, says %s", "b", roto_error_message()),
                     ROTO_ERROR_FORMAT);
    assert_string_equal(roto_error_message(), "b, says no disk");
    roto_fail_context(ROTO_ERROR_FORMAT, "a %d", 7);
    assert_string_equal(roto_error_message(), "a 7: b, says no disk");
}

static void control_characters_are_not_passed_on(void **state)
{
    (void)state;
    roto_fail(ROTO_ERROR_FORMAT, "node '%s' \xc3\xa9", "\x1b[2J\n\x7f");
    assert_string_equal(roto_error_message(), "node '?[2J?"
                                              "?' \xc3\xa9");
}

static void long_messages_are_cut_off(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    roto_fail(ROTO_ERROR_FORMAT, "%s", text);
    assert_true(strlen(roto_error_message()) < sizeof(text));
    roto_fail_context(ROTO_ERROR_FORMAT, "%s", text);
    assert_true(strlen(roto_error_message()) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_can_be_built_from_messages),
        cmocka_unit_test(control_characters_are_not_passed_on),
        cmocka_unit_test(long_messages_are_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
