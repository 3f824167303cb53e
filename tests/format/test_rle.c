#include "support/cmocka_all.h"

#include "eval/golden.h"
#include "format/rle.h"

#include <string.h>

enum { PADDING = 3, ON = 200 };

/* The mask of a golden case, with other bytes between its rows. */
static uint8_t *mask_of(const cJSON *c, int32_t width, int32_t height)
{
    ptrdiff_t stride = width + PADDING;
    uint8_t *mask = calloc((size_t)stride * (size_t)height, 1);
    assert_non_null(mask);
    for (int32_t y = 0; y < height; y++)
        memset(mask + y * stride + width, 99, PADDING);
    const cJSON *box;
    cJSON_ArrayForEach(box, cJSON_GetObjectItem(c, "boxes"))
    {
        int at[4];
        for (int i = 0; i < 4; i++)
            at[i] = cJSON_GetArrayItem(box, i)->valueint;
        for (int y = at[1]; y < at[3]; y++)
            memset(mask + y * stride + at[0], ON, (size_t)(at[2] - at[0]));
    }
    return mask;
}

static void check_counts(const rle_mask *rle, const cJSON *wanted)
{
    assert_int_equal(rle->n, cJSON_GetArraySize(wanted));
    size_t i = 0;
    const cJSON *count;
    cJSON_ArrayForEach(count, wanted) assert_int_equal(rle->counts[i++], count->valueint);
}

static void check_pixels(const rle_mask *rle, const uint8_t *mask)
{
    ptrdiff_t stride = rle->width + PADDING;
    size_t bytes = (size_t)stride * (size_t)rle->height;
    uint8_t *back = malloc(bytes);
    assert_non_null(back);
    memset(back, 99, bytes);
    rle_decode(rle, ON, back, stride);
    assert_memory_equal(back, mask, bytes);
    free(back);
}

static void runs_are_those_of_pycocotools(void **state)
{
    (void)state;
    cJSON *cases = golden_read("format/golden/rle.json");
    assert_in_range(cJSON_GetArraySize(cases), 15, 100);
    rle_mask rle = {0}; /* one for all: memory is used again */
    rle_text text = {0};
    const cJSON *c;
    cJSON_ArrayForEach(c, cases)
    {
        int32_t width = (int32_t)golden_number(c, "width");
        int32_t height = (int32_t)golden_number(c, "height");
        const char *wanted = cJSON_GetObjectItem(c, "text")->valuestring;
        uint8_t *mask = mask_of(c, width, height);
        assert_int_equal(rle_encode(mask, width, height, width + PADDING, &rle), ROTO_OK);
        check_counts(&rle, cJSON_GetObjectItem(c, "counts"));
        assert_int_equal(rle_area(&rle), (int64_t)golden_number(c, "area"));
        assert_int_equal(rle_write_text(&rle, &text), ROTO_OK);
        assert_string_equal(text.chars, wanted);
        assert_int_equal(text.n, strlen(wanted));
        check_pixels(&rle, mask);
        assert_int_equal(rle_read_text(wanted, strlen(wanted), width, height, &rle), ROTO_OK);
        check_counts(&rle, cJSON_GetObjectItem(c, "counts"));
        check_pixels(&rle, mask);
        free(mask);
    }
    rle_free(&rle);
    rle_text_free(&text);
    cJSON_Delete(cases);
}

static void counts_have_to_cover_the_mask(void **state)
{
    (void)state;
    rle_mask rle = {0};
    uint8_t mask[12];
    static const uint8_t wanted[12] = {0, 5, 0, 0, 5, 0, 0, 5, 0, 0, 5, 0};
    static const uint32_t good[] = {4, 3, 0, 1, 4}; /* an empty run in between does no harm */
    assert_int_equal(rle_take(good, 5, 3, 4, &rle), ROTO_OK);
    rle_decode(&rle, 5, mask, 3);
    assert_memory_equal(mask, wanted, sizeof(mask));
    assert_int_equal(rle_area(&rle), 4);
    static const uint32_t bad[][2] = {{4, 3}, {4, 9}, {4294967295u, 13}, {0, 0}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rle_take(bad[i], 2, 3, 4, &rle), ROTO_ERROR_FORMAT);
        assert_non_null(strstr(roto_error_message(), "12 of 3 x 4"));
    }
    assert_int_equal(rle_take(NULL, 0, 3, 4, &rle), ROTO_ERROR_FORMAT);
    assert_int_equal(rle_take(good, 5, 0, 4, &rle), ROTO_ERROR_ARGUMENT);
    assert_int_equal(rle_take(good, 5, 3, 16385, &rle), ROTO_ERROR_ARGUMENT);
    assert_int_equal(rle_encode(mask, -3, 4, 3, &rle), ROTO_ERROR_ARGUMENT);
    rle_free(&rle);
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "fewer pixels than the 12 of 3 x 4"},
        {"5", "fewer"},
        {"99", "more pixels"},
        {"0M", "count 1 is -3"},
        {"0=", "count 1 is 13; the mask has 12"},
        {"ooooo0", "count 0 is 33554431"},
        {"<\x2f", "character 1 is code 47"},
        {"<p", "character 1 is code 112"},
        {"<\xff", "character 1 is code 255"},
        {"5a", "break off after character 2"},
        {"ooooooo0", "the number before character 7 is too long"},
    };
    rle_mask rle = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = strlen(cases[i].text);
        char *copy = malloc(bytes + 1); /* ends where its block ends, for AddressSanitizer */
        assert_non_null(copy);
        memcpy(copy, cases[i].text, bytes);
        assert_int_equal(rle_read_text(copy, bytes, 3, 4, &rle), ROTO_ERROR_FORMAT);
        if (!strstr(roto_error_message(), cases[i].words))
            fail_msg("%s: %s", cases[i].text, roto_error_message());
        free(copy);
    }
    rle_free(&rle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_those_of_pycocotools),
        cmocka_unit_test(counts_have_to_cover_the_mask),
        cmocka_unit_test(malformed_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
