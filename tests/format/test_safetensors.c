#include "support/cmocka_all.h"

#include "format/safetensors.h"
#include "support/temp_folder.h"

#include <math.h>

/* A file of `header` (single quotes stand for double ones) and `data_bytes` of data counting up, in
 * memory of exactly its size; free it. `claimed` < 0: the header's length as it is. */
static uint8_t *make_file(const char *header, size_t data_bytes, int64_t claimed, size_t *bytes)
{
    const size_t n = strlen(header);
    *bytes = 8 + n + data_bytes;
    uint8_t *file = malloc(*bytes);
    assert_non_null(file);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((claimed < 0 ? (uint64_t)n : (uint64_t)claimed) >> 8 * i);
    for (size_t i = 0; i < n; i++)
        file[8 + i] = (uint8_t)(header[i] == '\'' ? '"' : header[i]);
    for (size_t i = 0; i < data_bytes; i++)
        file[8 + n + i] = (uint8_t)i;
    return file;
}

static void good_files_are_read(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *data = make_file("{'__metadata__':{'made by':'hand'},"
                              "'b':{'dtype':'F32','shape':[2,3],'data_offsets':[3,27]},"
                              "'a':{'dtype':'U8','shape':[3],'data_offsets':[0,3]},"
                              "'empty':{'dtype':'F16','shape':[4,0],'data_offsets':[27,27]},"
                              "'one':{'dtype':'F8_E4M3','shape':[],'data_offsets':[27,28]}}   ",
                              28, -1, &bytes);
    safetensors *file;
    assert_int_equal(safetensors_open_bytes(data, bytes, "good", &file), ROTO_OK);
    assert_int_equal(safetensors_count(file), 4);
    assert_string_equal(safetensors_at(file, 0)->name, "a");
    assert_string_equal(safetensors_metadata(file, "made by"), "hand");
    assert_null(safetensors_metadata(file, "b"));
    const safetensor *b = safetensors_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->type, DTYPE_F32);
    assert_true(shape_equal(&b->shape, &(tensor_shape){2, {2, 3}}));
    assert_int_equal(((const uint8_t *)b->data)[0], 3);
    assert_int_equal(safetensors_find(file, "empty")->bytes, 0);
    assert_int_equal(safetensors_find(file, "one")->type, DTYPE_COUNT);
    assert_int_equal(safetensors_find(file, "one")->shape.rank, 0);
    assert_null(safetensors_find(file, "c"));
    assert_null(safetensors_find(file, "__metadata__"));
    float value;
    assert_int_equal(safetensor_read_f32(safetensors_find(file, "one"), &value),
                     ROTO_ERROR_UNSUPPORTED);
    safetensors_close(file);
    for (size_t n = 0; n < bytes; n++) { /* cut off anywhere */
        uint8_t *cut = malloc(n + 1);
        assert_non_null(cut);
        memcpy(cut, data, n);
        assert_int_not_equal(safetensors_open_bytes(cut, n, "cut", &file), ROTO_OK);
        assert_null(file);
        free(cut);
    }
    free(data);
}

static void headers_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t claimed;
        const char *said;
    } lies[] = {
        {"{}", 0, "does not start with {"},
        {"{}", INT64_MAX, "would have"},
        {"{}", -2, NULL}, /* the length is 2 to the 64 less 2 */
        {"[]", -1, "does not start with {"},
        {"{'a':1}", -1, "'a' is no JSON object"},
        {"{'a':{}}", -1, "has no dtype"},
        {"{} x", -1, "goes on"},
        {"{'a':{'dtype':'F33','shape':[3],'data_offsets':[0,12]}}", -1, "unknown type 'F33'"},
        {"{'a':{'dtype':'F32','shape':3,'data_offsets':[0,12]}}", -1, "no list named shape"},
        {"{'a':{'dtype':'F32','shape':[-3],'data_offsets':[0,12]}}", -1, "no sensible number"},
        {"{'a':{'dtype':'F32','shape':[1.5,2],'data_offsets':[0,12]}}", -1, "no sensible number"},
        {"{'a':{'dtype':'F32','shape':[1e300],'data_offsets':[0,12]}}", -1, "no sensible number"},
        {"{'a':{'dtype':'F32','shape':[4294967296,4294967296,4294967296],'data_offsets':[0,12]}}",
         -1, "no sensible number"},
        {"{'a':{'dtype':'F32','shape':[1,1,1,1,1,1,3],'data_offsets':[0,12]}}", -1,
         "more than 6 dimensions"},
        {"{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,13]}}", -1, "not two rising places"},
        {"{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}}", -1, "need 12"},
        {"{'a':{'dtype':'F32','shape':[3],'data_offsets':[12,0]}}", -1, "not two rising places"},
        {"{'a':{'dtype':'F32','shape':[3],'data_offsets':[-12,0]}}", -1, "not two rising places"},
        {"{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,12,12]}}", -1, "not two rising"},
        {"{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,1e19]}}", -1, "not two rising"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}", -1, "belong to none"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}}", -1, "leaves a gap"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
         "'b':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}}",
         -1, "overlaps"},
        {"{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
         "'a':{'dtype':'F32','shape':[1],'data_offsets':[8,12]}}",
         -1, "is there twice"},
        {"{'__metadata__':{'x':1},'a':{'dtype':'U8','shape':[12],'data_offsets':[0,12]}}", -1,
         "is no text"},
        {"{'__metadata__':[],'a':{'dtype':'U8','shape':[12],'data_offsets':[0,12]}}", -1,
         "no JSON object"},
        {"{'__metadata__':{}}", -1, "no tensor"},
        {"{'a':", -1, "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        size_t bytes;
        safetensors *file;
        uint8_t *data = make_file(lies[i].header, 12, lies[i].claimed, &bytes);
        if (lies[i].claimed == -2)
            memset(data, 0xff, 8);
        roto_status status = safetensors_open_bytes(data, bytes, "liar", &file);
        assert_true(status == ROTO_ERROR_FORMAT || status == ROTO_ERROR_UNSUPPORTED);
        assert_null(file);
        if (lies[i].said && !strstr(roto_error_message(), lies[i].said))
            fail_msg("'%s' does not say '%s'", roto_error_message(), lies[i].said);
        free(data);
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *header = malloc(2 * DEEP);
    assert_non_null(header);
    memcpy(header, "{'a':", 6);
    memset(header + 5, '[', DEEP);
    header[5 + DEEP] = 0;
    size_t bytes;
    safetensors *file;
    uint8_t *data = make_file(header, 0, -1, &bytes);
    assert_int_equal(safetensors_open_bytes(data, bytes, "deep", &file), ROTO_ERROR_FORMAT);
    free(data);
    free(header);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    const temp_folder folder = temp_folder_new();
    const temp_path path = temp_folder_join(&folder, "w.safetensors");
    const float weights[] = {1.5f, -2, 3e-20f, 4, 5, 6};
    const uint16_t halves[] = {0x3c00, 0xc100, 0x0001, 0x7bff}; /* 1, -2.5, 2^-24, 65504 */
    const int64_t ids[] = {INT64_MIN, 7};
    const safetensor tensors[] = {
        {.name = "layer.weight", .type = DTYPE_F32, .shape = {2, {2, 3}}, .data = weights},
        {.name = "quote\" and \\ and \xc3\xa9",
         .type = DTYPE_F16,
         .shape = {1, {4}},
         .data = halves},
        {.name = "ids", .type = DTYPE_I64, .shape = {1, {2}}, .data = ids},
        {.name = "nothing", .type = DTYPE_U8, .shape = {2, {0, 5}}}};
    const safetensors_note notes[] = {{"config", "{\"a\": [1, 2]}"}, {"licence", "Apache-2.0"}};
    assert_int_equal(safetensors_write(path.text, tensors, 4, notes, 2), ROTO_OK);
    safetensors *file;
    assert_int_equal(safetensors_open(path.text, &file), ROTO_OK);
    assert_int_equal(safetensors_count(file), 4);
    assert_string_equal(safetensors_metadata(file, "config"), notes[0].value);
    for (int i = 0; i < 4; i++) {
        const safetensor *t = safetensors_find(file, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->type, tensors[i].type);
        assert_true(shape_equal(&t->shape, &tensors[i].shape));
        if (t->bytes)
            assert_memory_equal(t->data, tensors[i].data, t->bytes);
    }
    float floats[6];
    assert_int_equal(safetensor_read_f32(safetensors_find(file, "layer.weight"), floats), ROTO_OK);
    assert_memory_equal(floats, weights, sizeof(weights));
    assert_int_equal(safetensor_read_f32(safetensors_find(file, tensors[1].name), floats), ROTO_OK);
    assert_true(floats[0] == 1 && floats[1] == -2.5f && floats[2] == 0x1p-24f &&
                floats[3] == 65504);
    safetensors_close(file);

    const float bad[] = {1, NAN};
    const safetensor nan_tensor = {
        .name = "bad", .type = DTYPE_F32, .shape = {1, {2}}, .data = bad};
    assert_int_equal(safetensors_write(path.text, &nan_tensor, 1, NULL, 0), ROTO_OK);
    assert_int_equal(safetensors_open(path.text, &file), ROTO_OK);
    assert_int_equal(safetensor_read_f32(safetensors_at(file, 0), floats), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "'bad' holds NaN at element 1"));
    safetensors_close(file);
    temp_folder_remove(&folder);
}

static void wrong_tensors_are_not_written(void **state)
{
    (void)state;
    const temp_folder folder = temp_folder_new();
    const temp_path path = temp_folder_join(&folder, "w.safetensors");
    const float one = 1;
    const safetensor good = {.name = "a", .type = DTYPE_F32, .shape = {1, {1}}, .data = &one};
    safetensor bad[6] = {good, good, good, good, good, good};
    bad[0].data = NULL;
    bad[1].name = "__metadata__";
    bad[2].shape = (tensor_shape){1, {-1}};
    bad[3].type = DTYPE_COUNT;
    bad[4].shape = (tensor_shape){3, {INT64_MAX, INT64_MAX, 2}};
    for (int i = 0; i < 5; i++)
        assert_int_equal(safetensors_write(path.text, &bad[i], 1, NULL, 0), ROTO_ERROR_ARGUMENT);
    assert_int_equal(safetensors_write(path.text, (safetensor[]){good, good}, 2, NULL, 0),
                     ROTO_ERROR_ARGUMENT);
    assert_non_null(strstr(roto_error_message(), "'a' is there twice"));
    assert_int_equal(temp_folder_count(&folder), 0);
    const temp_path nowhere = temp_folder_join(&folder, "no/such/folder");
    assert_int_equal(safetensors_write(nowhere.text, &good, 1, NULL, 0), ROTO_ERROR_IO);
    safetensors *file;
    assert_int_equal(safetensors_open(nowhere.text, &file), ROTO_ERROR_IO);
    assert_non_null(strstr(roto_error_message(), "no/such/folder"));
    temp_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_are_read),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(wrong_tensors_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
