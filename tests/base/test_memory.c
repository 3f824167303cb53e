#include "support/cmocka_all.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void overflowing_sizes_are_refused_with_a_message(void **state)
{
    (void)state;
    size_t out = 0;
    assert_false(size_mul(SIZE_MAX, 2, &out));
    assert_false(size_add(SIZE_MAX, 1, &out));
    assert_true(size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_null(memory_new_array(SIZE_MAX / 2, 4));
    assert_non_null(strstr(roto_error_message(), "out of memory"));
    assert_null(memory_new_aligned(SIZE_MAX - 3));
}

static void growth_keeps_items_and_zeroes_new_ones(void **state)
{
    (void)state;
    int *items = NULL;
    size_t capacity = 0;
    for (size_t n = 0; n < 1000; n++) {
        assert_true(memory_grow((void **)&items, &capacity, n + 1, sizeof(*items)));
        assert_int_equal(items[n], 0);
        items[n] = (int)n;
    }
    for (int n = 0; n < 1000; n++)
        assert_int_equal(items[n], n);
    free(items);
}

static void arena_memory_is_aligned_zeroed_and_disjoint(void **state)
{
    (void)state;
    memory_arena *arena = memory_arena_new();
    assert_non_null(arena);
    const size_t sizes[] = {1, 64, 65, 70000, 3, 200000, 64};
    unsigned char *blocks[7];
    for (size_t i = 0; i < 7; i++) {
        blocks[i] = memory_arena_alloc(arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % MEMORY_ALIGN_BYTES, 0);
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(blocks[i][b], 0);
        memset(blocks[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 7; i++)
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(blocks[i][b], i + 1);
    assert_null(memory_arena_alloc(arena, SIZE_MAX));
    memory_arena_free(arena);
}

static void context_comes_before_the_inner_message(void **state)
{
    (void)state;
    assert_int_equal(roto_fail(ROTO_ERROR_FORMAT, "byte %d is %d", 7, 9), ROTO_ERROR_FORMAT);
    assert_int_equal(roto_fail_context(ROTO_ERROR_FORMAT, "%s", "a.onnx"), ROTO_ERROR_FORMAT);
    assert_string_equal(roto_error_message(), "a.onnx: byte 7 is 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overflowing_sizes_are_refused_with_a_message),
        cmocka_unit_test(growth_keeps_items_and_zeroes_new_ones),
        cmocka_unit_test(arena_memory_is_aligned_zeroed_and_disjoint),
        cmocka_unit_test(context_comes_before_the_inner_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
