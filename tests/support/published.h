/* tests/support/published.h - what tests against published models do alike: synthetic weights from
 * the list in a golden file, and files named as arguments in place of the committed ones. */
#ifndef TESTS_SUPPORT_PUBLISHED_H
#define TESTS_SUPPORT_PUBLISHED_H

#include "models/sam2/model.h"
#include "support/cmocka_all.h"
#include "support/golden.h"
#include "support/synthetic.h"

#include <string.h>

/* *tensors has to outlive the model; synthetic_free(). */
static inline sam2_model *published_model(const golden *g, synthetic_model *tensors)
{
    const char *config = golden_metadata(g, "roto.config");
    *tensors = synthetic_from_list(golden_metadata(g, "roto.tensors"));
    sam2_model *model = NULL;
    assert_int_equal(
        sam2_model_new(config, (int64_t)strlen(config), tensors->tensors, tensors->n, &model),
        ROTO_OK);
    return model;
}

/* Runs tests whose state is a file's path with each of the program's arguments. */
static inline int published_run_named(int n_arguments, char **arguments, struct CMUnitTest *tests,
                                      size_t n_tests)
{
    int failed = 0;
    for (int i = 1; i < n_arguments; i++) {
        for (size_t t = 0; t < n_tests; t++)
            tests[t].initial_state = arguments[i];
        failed += _cmocka_run_group_tests(arguments[i], tests, n_tests, NULL, NULL);
    }
    return failed;
}

#endif
