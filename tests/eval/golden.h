/* tests/eval/golden.h - reading the committed expectations. */
#ifndef TESTS_EVAL_GOLDEN_H
#define TESTS_EVAL_GOLDEN_H

#include "support/cmocka_all.h"

#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The JSON file at `path` under tests/; the test fails without it. Free with cJSON_Delete(). */
static inline cJSON *golden_read(const char *path)
{
    char full[1024];
    snprintf(full, sizeof(full), "%s/tests/%s", ROTO_SOURCE_DIR, path);
    FILE *file = fopen(full, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long bytes = ftell(file);
    assert_in_range(bytes, 1, 1 << 24);
    rewind(file);
    char *text = calloc(1, (size_t)bytes + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)bytes, file), (size_t)bytes);
    fclose(file);
    cJSON *json = cJSON_Parse(text);
    free(text);
    assert_non_null(json);
    return json;
}

static inline double golden_number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

/* cmocka compares single precision only. */
#define assert_near(value, expected, tolerance)                                                    \
    do {                                                                                           \
        if (!(fabs((value) - (expected)) <= (tolerance)))                                          \
            fail_msg("%s is %.12g, not %.12g within %g", #value, (double)(value),                  \
                     (double)(expected), (double)(tolerance));                                     \
    } while (0)

#endif
