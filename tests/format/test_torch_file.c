#include "support/cmocka_all.h"
#include "torch_samples.h"

#include "format/file.h"
#include "format/torch/file.h"
#include "support/temp_folder.h"

/* Written by golden/make_torch_files.py. */
#define GOLDEN(name) ROTO_SOURCE_DIR "/tests/format/golden/" name

static torch_file *open_file(const char *path)
{
    torch_file *file;
    if (torch_file_open(path, &file) != ROTO_OK)
        fail_msg("%s", roto_error_message());
    return file;
}

static const safetensor *find(const torch_file *file, const char *name)
{
    for (size_t i = 0; i < torch_file_count(file); i++) {
        if (strcmp(torch_file_at(file, i)->name, name) == 0)
            return torch_file_at(file, i);
    }
    fail_msg("there is no tensor '%s'", name);
    return NULL;
}

static void assert_tensor(const torch_file *file, const char *name, const char *type,
                          tensor_shape shape, const void *data, size_t bytes)
{
    const safetensor *t = find(file, name);
    char found[SHAPE_TEXT_BYTES], wanted[SHAPE_TEXT_BYTES];
    if (strcmp(t->type_name, type) != 0 || !shape_equal(&t->shape, &shape) || t->bytes != bytes)
        fail_msg("'%s' is %s %s of %zu bytes, not %s %s of %zu", name, t->type_name,
                 shape_text(&t->shape, found), t->bytes, type, shape_text(&shape, wanted), bytes);
    if (bytes)
        assert_memory_equal(t->data, data, bytes);
}

static void tensors_of_every_kind_are_read(void **state)
{
    (void)state;
    torch_file *f = open_file(GOLDEN("every_kind.pt"));
    assert_int_equal(torch_file_count(f), 17);
    const float f32[12] = {0, 0.5f, 1, 1.5f, 2, 2.5f, 3, 3.5f, 4, 4.5f};
    const double f64[6] = {0, 0.5, 1, 1.5, 2, 2.5};
    const uint16_t f16[6] = {0, 0x3800, 0x3c00, 0x3e00, 0x4000, 0x4100},
                   bf16[6] = {0, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4020};
    const int64_t i64[3] = {0, 1, 2};
    const int32_t i32[3] = {0, 1, 2};
    const int16_t i16[3] = {0, 1, 2};
    const int8_t i8[3] = {0, 1, 2};
    assert_tensor(f, "a.f32", "F32", SHAPE(2, 3), f32, 24);
    assert_tensor(f, "a.f16", "F16", SHAPE(2, 3), f16, 12);
    assert_tensor(f, "a.bf16", "BF16", SHAPE(2, 3), bf16, 12);
    assert_tensor(f, "a.f64", "F64", SHAPE(2, 3), f64, 48);
    assert_tensor(f, "a.i64", "I64", SHAPE(3), i64, 24);
    assert_tensor(f, "a.i32", "I32", SHAPE(3), i32, 12);
    assert_tensor(f, "a.i16", "I16", SHAPE(3), i16, 6);
    assert_tensor(f, "a.i8", "I8", SHAPE(3), i8, 3);
    assert_tensor(f, "a.u8", "U8", SHAPE(3), i8, 3);
    assert_tensor(f, "a.bool", "BOOL", SHAPE(2), "\1", 2);
    assert_int_equal(find(f, "a.i16")->type, DTYPE_COUNT);
    assert_int_equal(find(f, "a.bf16")->type, DTYPE_BF16);
    assert_tensor(f, "b.scalar", "F32", (tensor_shape){0}, &f32[5], 4);
    assert_tensor(f, "b.empty", "F32", SHAPE(4, 0), NULL, 0);
    assert_tensor(f, "b.whole", "F32", SHAPE(10), f32, 40);
    assert_tensor(f, "b.view", "F32", SHAPE(4), f32 + 3, 16);
    assert_ptr_equal(find(f, "b.view")->data, (const float *)find(f, "b.whole")->data + 3);
    assert_tensor(f, "b.parameter", "F32", SHAPE(2, 2), f32, 16);
    const float transposed[6] = {0, 1.5f, 0.5f, 2, 1, 2.5f};
    assert_tensor(f, "b.transposed", "F32", SHAPE(3, 2), transposed, 24);
    float planes[24];
    for (int i = 0; i < 24; i++)
        planes[i] = 0.5f * (float)i;
    assert_tensor(f, "b.channels_last", "F32", SHAPE(2, 3, 2, 2), planes, 96);
    for (size_t i = 1; i < torch_file_count(f); i++)
        assert_true(strcmp(torch_file_at(f, i - 1)->name, torch_file_at(f, i)->name) < 0);
    torch_file_close(f);
}

static void metadata_of_a_module_is_passed_over(void **state)
{
    (void)state;
    torch_file *f = open_file(GOLDEN("module.pt"));
    assert_int_equal(torch_file_count(f), 7);
    const float values[2] = {0, 0.5f};
    const int64_t zero = 0;
    assert_int_equal(find(f, "0.weight")->bytes, 72);
    assert_tensor(f, "1.running_var", "F32", SHAPE(2), values, 8);
    assert_tensor(f, "1.num_batches_tracked", "I64", (tensor_shape){0}, &zero, 8);
    torch_file_close(f);
}

static void assert_refused(const char *path, roto_status expected, const char *said)
{
    torch_file *file;
    assert_int_equal(torch_file_open(path, &file), expected);
    assert_null(file);
    if (!strstr(roto_error_message(), said))
        fail_msg("'%s' does not say '%s'", roto_error_message(), said);
}

static void other_files_are_named(void **state)
{
    (void)state;
    assert_refused(GOLDEN("legacy.pt"), ROTO_ERROR_UNSUPPORTED, "before version 1.6");
    assert_refused(GOLDEN("object.pt"), ROTO_ERROR_UNSUPPORTED,
                   "asks for torch.nn.modules.linear.Linear");
    assert_refused(GOLDEN("expanded.pt"), ROTO_ERROR_UNSUPPORTED,
                   "strides of tensor 'a' leave gaps or overlap");
    assert_refused(GOLDEN("onnx.safetensors"), ROTO_ERROR_FORMAT, "not a file of torch.save()");
    assert_refused(GOLDEN("no_such_file.pt"), ROTO_ERROR_IO, "no_such_file.pt");
}

static void wide_archives_are_read(void **state)
{
    (void)state;
    const sample pickle = sample_pickle((sample_tensor){0});
    const float values[6] = {0, 0.5f, 1, 1.5f, 2, 2.5f};
    const sample_file files[] = {{"name/data.pkl", pickle.data, pickle.bytes, 0},
                                 {"name/data/0", values, sizeof(values), 0}};
    for (int wide = 0; wide < 2; wide++) {
        const sample zip = sample_zip(files, 2, wide);
        torch_file *f;
        if (torch_file_open_bytes(zip.data, zip.bytes, "wide", &f) != ROTO_OK)
            fail_msg("%s", roto_error_message());
        assert_int_equal(torch_file_count(f), 1);
        assert_tensor(f, "w", "F32", SHAPE(2, 3), values, sizeof(values));
        torch_file_close(f);
        free(zip.data);
    }
    free(pickle.data);
}

/* A byte of a tensor that changed on the way would be a wrong weight that nobody notices. */
static void a_changed_byte_is_noticed(void **state)
{
    (void)state;
    const float values[6] = {0, 0.5f, 1, 1.5f, 2, 2.5f};
    file_bytes good;
    assert_int_equal(file_read(GOLDEN("every_kind.pt"), 1 << 20, &good), ROTO_OK);
    uint8_t *bad = malloc(good.bytes);
    assert_non_null(bad);
    memcpy(bad, good.data, good.bytes);
    size_t at = 0;
    while (at + sizeof(values) < good.bytes && memcmp(bad + at, values, sizeof(values)) != 0)
        at++;
    bad[at + 5] ^= 1;
    torch_file *file;
    assert_int_equal(torch_file_open_bytes(bad, good.bytes, "a.pt", &file), ROTO_ERROR_FORMAT);
    assert_non_null(strstr(roto_error_message(), "a.pt: damaged ZIP archive: the checksum of "));
    bad[at + 5] ^= 1;
    assert_int_equal(torch_file_open_bytes(bad, good.bytes, "a.pt", &file), ROTO_OK);
    torch_file_close(file);
    free(bad);
    file_release(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_every_kind_are_read),
        cmocka_unit_test(metadata_of_a_module_is_passed_over),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(wide_archives_are_read),
        cmocka_unit_test(a_changed_byte_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
