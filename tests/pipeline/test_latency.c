#include "support/cmocka_all.h"

#include "pipeline/latency.h"

#include <math.h>

static void assert_near(double got, double wanted)
{
    assert_true(fabs(got - wanted) <= 0.005 * wanted);
}

static void quantiles_are_right_to_half_a_percent(void **state)
{
    (void)state;
    static latency l;
    /* Every whole microsecond from 1 to 100 ms, in an order that is not sorted. */
    const int64_t n = 100000;
    for (int64_t i = 0; i < n; i++)
        latency_add(&l, (i * 7919 % n + 1) * 1000);
    assert_near(latency_quantile_ns(&l, 0.5), 50e6);
    assert_near(latency_quantile_ns(&l, 0.99), 99e6);
    assert_near(latency_quantile_ns(&l, 0.01), 1e6);
}

static void times_outside_the_bins_count_at_the_ends(void **state)
{
    (void)state;
    static latency l;
    assert_true(latency_quantile_ns(&l, 0.5) == 0);
    latency_add(&l, -5);
    latency_add(&l, 0);
    latency_add(&l, INT64_MAX);
    assert_int_equal(l.n, 3);
    assert_true(latency_quantile_ns(&l, 0.5) < 2000);
    assert_true(latency_quantile_ns(&l, 1) > 900e9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_right_to_half_a_percent),
        cmocka_unit_test(times_outside_the_bins_count_at_the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
