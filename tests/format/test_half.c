#include "support/cmocka_all.h"

#include "format/half.h"

#include <stdbool.h>

static void every_half_survives(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float value = float_from_half((uint16_t)h);
        const bool finite = (h & 0x7c00) != 0x7c00;
        assert_int_equal(isfinite(value) != 0, finite);
        if (finite && half_from_float(value) != h)
            fail_msg("%04x is %g and comes back as %04x", h, (double)value, half_from_float(value));
    }
    assert_true(float_from_half(0x3c00) == 1 && float_from_half(0xc100) == -2.5f);
    assert_true(float_from_half(0x0001) == 0x1p-24f && float_from_half(0x7bff) == 65504);
    assert_true(isnan(float_from_half(0x7e00)) && float_from_half(0xfc00) == -INFINITY);
}

/* Between neighbours: below the middle down, above it up, in the middle to the even one. */
static void halves_are_the_nearest(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        const float low = float_from_half((uint16_t)h), high = float_from_half((uint16_t)(h + 1)),
                    middle = low + (high - low) / 2;
        assert_int_equal(half_from_float(middle), h % 2 ? h + 1 : h);
        assert_int_equal(half_from_float(nextafterf(middle, 0)), h);
        assert_int_equal(half_from_float(nextafterf(middle, high)), h + 1);
        assert_int_equal(half_from_float(-middle), 0x8000 | (h % 2 ? h + 1 : h));
    }
    assert_int_equal(half_from_float(65519.996f), 0x7bff);
    assert_int_equal(half_from_float(65520), 0x7c00);
    assert_int_equal(half_from_float(-1e30f), 0xfc00);
    assert_int_equal(half_from_float(1e-30f), 0);
}

static void bf16_is_the_nearest(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 0x7f7f; b++) {
        assert_int_equal(bf16_from_float(float_from_bf16((uint16_t)b)), b);
        const uint32_t middle = b << 16 | 0x8000;
        assert_int_equal(bf16_from_float(float_from_bits(middle)), b % 2 ? b + 1 : b);
        assert_int_equal(bf16_from_float(float_from_bits(middle - 1)), b);
        assert_int_equal(bf16_from_float(float_from_bits(middle + 1)), b + 1);
    }
    assert_int_equal(bf16_from_float(-2.5f), 0xc020);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_survives),
        cmocka_unit_test(halves_are_the_nearest),
        cmocka_unit_test(bf16_is_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
