#include "support/cmocka_all.h"

#include "graph/tensor.h"

static void shapes_broadcast_as_numpy_does(void **state)
{
    (void)state;
    tensor_shape a = SHAPE(4, 1, 3), b = SHAPE(5, 1), out;
    assert_true(shape_broadcast(&a, &b, &out));
    tensor_shape expected = SHAPE(4, 5, 3);
    assert_true(shape_equal(&out, &expected));
    tensor_shape c = SHAPE(2, 3);
    assert_false(shape_broadcast(&c, &(tensor_shape){.rank = 1, .dim = {2}}, &out));
}

static void absurd_shapes_are_invalid(void **state)
{
    (void)state;
    tensor_shape ok = SHAPE(1, 416, 416, 3), zero = SHAPE(3, 0), negative = SHAPE(-1),
                 huge = SHAPE((int64_t)1 << 40, (int64_t)1 << 40);
    assert_true(shape_valid(&ok));
    assert_int_equal(shape_count(&ok), 416 * 416 * 3);
    assert_int_equal(shape_rows(&ok), 416 * 416);
    assert_false(shape_valid(&zero));
    assert_false(shape_valid(&negative));
    assert_false(shape_valid(&huge));
    tensor_shape deep = {.rank = TENSOR_MAX_RANK + 1};
    assert_false(shape_valid(&deep));
}

static void shapes_print_readably(void **state)
{
    (void)state;
    char text[SHAPE_TEXT_BYTES];
    tensor_shape shape = SHAPE(1, 416, 416, 3), scalar = {0};
    assert_string_equal(shape_text(&shape, text), "[1, 416, 416, 3]");
    assert_string_equal(shape_text(&scalar, text), "[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_broadcast_as_numpy_does),
        cmocka_unit_test(absurd_shapes_are_invalid),
        cmocka_unit_test(shapes_print_readably),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
