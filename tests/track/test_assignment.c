#include "support/cmocka_all.h"

#include "track/assignment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* The greatest sum of gains over all partial pairings, by trying them all. */
static double best_sum(const double *gain, int n_rows, int n_columns, int row, unsigned taken)
{
    if (row == n_rows)
        return 0;
    double best = best_sum(gain, n_rows, n_columns, row + 1, taken);
    for (int c = 0; c < n_columns; c++) {
        double g = gain[row * n_columns + c];
        if (g > 0 && !(taken & 1u << c))
            best = fmax(best, g + best_sum(gain, n_rows, n_columns, row + 1, taken | 1u << c));
    }
    return best;
}

/* Checks that the pairs are legal and returns the sum of their gains. */
static double solved_sum(assignment *a, const double *gain, int n_rows, int n_columns)
{
    int column_of_row[300];
    bool taken[300] = {false};
    assert_in_range(n_rows, 0, 300);
    assert_in_range(n_columns, 0, 300);
    memset(column_of_row, 0x55, sizeof(column_of_row));
    assignment_solve(a, gain, n_rows, n_columns, column_of_row);
    double sum = 0;
    for (int r = 0; r < n_rows; r++) {
        int c = column_of_row[r];
        if (c < 0) {
            assert_int_equal(c, -1);
            continue;
        }
        assert_in_range(c, 0, n_columns - 1);
        assert_false(taken[c]);
        taken[c] = true;
        assert_true(gain[r * n_columns + c] > 0);
        sum += gain[r * n_columns + c];
    }
    return sum;
}

static void random_matrices_get_the_same_sum_as_trying_everything(void **state)
{
    (void)state;
    assignment *a = NULL;
    assert_int_equal(assignment_new(7, 7, &a), ROTO_OK);
    uint32_t seed = 1;
    for (int trial = 0; trial < 4000; trial++) {
        double gain[49];
        int n_rows = 1 + (int)(next_random(&seed) % 7),
            n_columns = 1 + (int)(next_random(&seed) % 7);
        int kind = trial % 4;
        for (int i = 0; i < n_rows * n_columns; i++) {
            uint32_t r = next_random(&seed);
            if (kind == 0) /* any sign */
                gain[i] = (double)(r % 2001) / 1000 - 1;
            else if (kind == 1) /* many ties */
                gain[i] = (double)(r % 3);
            else if (kind == 2) /* sparse */
                gain[i] = r % 4 == 0 ? (double)(r % 1000) / 1000 : 0;
            else /* very different magnitudes */
                gain[i] = ldexp((double)(r % 100), (int)(r % 40) - 20);
        }
        double best = best_sum(gain, n_rows, n_columns, 0, 0);
        assert_true(fabs(solved_sum(a, gain, n_rows, n_columns) - best) <= 1e-6 * (1 + best));
    }
    assignment_free(a);
}

static void degenerate_matrices_are_solved(void **state)
{
    (void)state;
    assignment *a = NULL;
    assert_int_equal(assignment_new(300, 300, &a), ROTO_OK);
    static double gain[300 * 300];
    assert_true(solved_sum(a, gain, 0, 0) == 0);
    assert_true(solved_sum(a, gain, 0, 300) == 0);
    assert_true(solved_sum(a, gain, 300, 0) == 0);
    assert_true(solved_sum(a, gain, 300, 300) == 0); /* all zero: nobody is paired */
    for (int i = 0; i < 300 * 300; i++)
        gain[i] = -1;
    assert_true(solved_sum(a, gain, 300, 300) == 0);
    for (int i = 0; i < 300 * 300; i++)
        gain[i] = 1; /* all equal: everybody is */
    assert_true(solved_sum(a, gain, 300, 300) == 300);
    assert_true(solved_sum(a, gain, 1, 300) == 1);
    assert_true(solved_sum(a, gain, 300, 1) == 1);
    /* Machol and Wien's matrix, hard for augmenting paths: the best maximises the sum of i * j. */
    double expected = 0;
    for (int r = 0; r < 100; r++) {
        for (int c = 0; c < 100; c++)
            gain[r * 100 + c] = (double)(r + 1) * (c + 1);
        expected += (double)(r + 1) * (r + 1);
    }
    assert_true(solved_sum(a, gain, 100, 100) == expected);
    assignment_free(a);
}

static void an_empty_assignment_is_refused(void **state)
{
    (void)state;
    assignment *a = NULL;
    assert_int_equal(assignment_new(0, 5, &a), ROTO_ERROR_ARGUMENT);
    assert_int_equal(assignment_new(5, -1, &a), ROTO_ERROR_ARGUMENT);
    assert_null(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_matrices_get_the_same_sum_as_trying_everything),
        cmocka_unit_test(degenerate_matrices_are_solved),
        cmocka_unit_test(an_empty_assignment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
