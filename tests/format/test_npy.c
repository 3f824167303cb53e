#include "support/cmocka_all.h"

#include "format/npy.h"
#include "support/temp_folder.h"

/* A file of version 1 with this header text and `data_bytes` of data, in memory of exactly its
 * size. */
static uint8_t *make_file(const char *header, size_t data_bytes, size_t *bytes)
{
    const size_t n = strlen(header);
    *bytes = 10 + n + data_bytes;
    uint8_t *file = malloc(*bytes);
    assert_non_null(file);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (uint8_t)n;
    file[9] = (uint8_t)(n >> 8);
    memcpy(file + 10, header, n);
    for (size_t i = 0; i < data_bytes; i++)
        file[10 + n + i] = (uint8_t)i;
    return file;
}

static void files_of_numpy_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        dtype type;
        tensor_shape shape;
    } files[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n",
         24,
         DTYPE_F32,
         {2, {2, 3}}},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", 16, DTYPE_I64, {1, {2}}},
        {"{\"shape\":(),\"descr\":\"|u1\",\"fortran_order\":False}", 1, DTYPE_U8, {0, {0}}},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 7), }\n",
         0,
         DTYPE_F32,
         {2, {0, 7}}},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t bytes;
        uint8_t *data = make_file(files[i].header, files[i].data_bytes, &bytes);
        npy_array array;
        assert_int_equal(npy_parse(data, bytes, "good", &array), ROTO_OK);
        assert_int_equal(array.type, files[i].type);
        assert_true(shape_equal(&array.shape, &files[i].shape));
        assert_memory_equal(array.data, data + bytes - files[i].data_bytes, files[i].data_bytes);
        npy_free(&array);
        for (size_t n = 0; n < bytes; n++) {
            uint8_t *cut = malloc(n + 1);
            assert_non_null(cut);
            memcpy(cut, data, n);
            assert_int_equal(npy_parse(cut, n, "cut", &array), ROTO_ERROR_FORMAT);
            assert_null(array.data);
            free(cut);
        }
        free(data);
    }
}

static void other_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        roto_status status;
        const char *said;
    } files[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", ROTO_ERROR_UNSUPPORTED,
         "'<f8'"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", ROTO_ERROR_UNSUPPORTED,
         "'>f4'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", ROTO_ERROR_UNSUPPORTED,
         "'|O'"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", ROTO_ERROR_UNSUPPORTED,
         "Fortran"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", ROTO_ERROR_FORMAT,
         "several fields"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", ROTO_ERROR_FORMAT,
         "no sensible number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
         ROTO_ERROR_FORMAT, "no sensible number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999, 9999999), }",
         ROTO_ERROR_FORMAT, "do not fit"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,2), }", ROTO_ERROR_FORMAT,
         "more than 6"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", ROTO_ERROR_FORMAT,
         "8 bytes of data do not fit"},
        {"{'descr': '<f4', 'fortran_order': False}", ROTO_ERROR_FORMAT, "incomplete"},
        {"{'descr': '<f4', 'descr': '<f4'}", ROTO_ERROR_FORMAT, "repeated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", ROTO_ERROR_FORMAT,
         "unknown"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", ROTO_ERROR_FORMAT,
         "does not end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2", ROTO_ERROR_FORMAT, "does not end"},
        {"import os", ROTO_ERROR_FORMAT, "no dictionary"},
        {"", ROTO_ERROR_FORMAT, "no dictionary"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t bytes;
        uint8_t *data = make_file(files[i].header, 8, &bytes);
        npy_array array;
        assert_int_equal(npy_parse(data, bytes, "odd.npy", &array), files[i].status);
        assert_null(array.data);
        if (!strstr(roto_error_message(), files[i].said))
            fail_msg("'%s' does not say '%s'", roto_error_message(), files[i].said);
        free(data);
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    const temp_folder folder = temp_folder_new();
    const temp_path path = temp_folder_join(&folder, "a.npy");
    const int64_t values[6] = {1, -2, INT64_MAX, 4, 5, 6};
    const tensor_shape shapes[] = {{0, {0}}, {1, {6}}, {2, {2, 3}}, {3, {2, 0, 5}}};
    for (int i = 0; i < 4; i++) {
        npy_array array;
        assert_int_equal(npy_write(path.text, DTYPE_I64, &shapes[i], values), ROTO_OK);
        assert_int_equal(npy_read(path.text, &array), ROTO_OK);
        assert_int_equal(array.type, DTYPE_I64);
        assert_true(shape_equal(&array.shape, &shapes[i]));
        assert_memory_equal(array.data, values, (size_t)shape_count(&shapes[i]) * 8);
        npy_free(&array);
        size_t bytes;
        char *file = temp_folder_get(&path, &bytes);
        assert_int_equal((bytes - (size_t)shape_count(&shapes[i]) * 8) % 64, 0);
        free(file);
    }
    assert_int_equal(npy_write(path.text, DTYPE_I32, &shapes[1], values), ROTO_ERROR_ARGUMENT);
    assert_int_equal(npy_write(path.text, DTYPE_I64, &shapes[1], NULL), ROTO_ERROR_ARGUMENT);
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_numpy_are_read),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
