/* What the names of devices stand for, and what is said where one is missing. */
#include "support/cmocka_all.h"

#include "backend/backend.h"

#include <string.h>

static void names_stand_for_backends(void **state)
{
    (void)state;
    static const struct {
        const char *name, *backend;
        int device;
    } cases[] = {{"cpu", "cpu", 0},
                 {"reference", "reference", 0},
                 {"cuda", "cuda", 0},
                 {"cuda:0", "cuda", 0},
                 {"cuda:12", "cuda", 12}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const backend_table *table = NULL;
        int device = -1;
        assert_int_equal(backend_choose(cases[i].name, &table, &device), ROTO_OK);
        assert_string_equal(table->name, cases[i].backend);
        assert_int_equal(device, cases[i].device);
    }
}

static void other_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",        "gpu",     "cuda:",     "cuda:x", "cuda:-1",
                                        "cuda:1x", "cuda: 1", "cuda:1000", "cpu:0",  "CUDA"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const backend_table *table = NULL;
        int device = 0;
        assert_int_equal(backend_choose(names[i], &table, &device), ROTO_ERROR_DEVICE);
        assert_non_null(strstr(roto_error_message(), names[i]));
    }
}

/* Device 999 is on no machine: whatever is missing here - the module, the driver or the device - is
 * an error of the device that says so. */
static void a_missing_gpu_is_explained(void **state)
{
    (void)state;
    backend *b = NULL;
    const backend_params params = {.n_threads = 1, .device = 999};
    assert_int_equal(backend_cuda.open(&params, &b), ROTO_ERROR_DEVICE);
    assert_null(b);
    const char *message = roto_error_message();
    assert_true(strstr(message, "ROTO_CUDA") || strstr(message, "driver") ||
                strstr(message, "no device 999") || strstr(message, "looking for devices"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_for_backends),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(a_missing_gpu_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
