#include "support/cmocka_all.h"

#include "format/checkpoint.h"
#include "format/shard_index.h"
#include "support/temp_folder.h"

#define GOLDEN(name) ROTO_SOURCE_DIR "/tests/format/golden/" name

static const float values[3] = {1, 2, 3};

static safetensor tensor(const char *name)
{
    return (safetensor){.name = name, .type = DTYPE_F32, .shape = {1, {3}}, .data = values};
}

static void write_shard(const temp_folder *folder, const char *file, const safetensor *tensors,
                        size_t n)
{
    const temp_path path = temp_folder_join(folder, file);
    const safetensors_note note = {"made by", "hand"};
    assert_int_equal(safetensors_write(path.text, tensors, n, &note, 1), ROTO_OK);
}

static temp_path write_index(const temp_folder *folder, const char *text)
{
    char json[512];
    size_t n = strlen(text);
    assert_true(n < sizeof(json));
    for (size_t i = 0; i < n; i++)
        json[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    const temp_path path = temp_folder_join(folder, "model.safetensors.index.json");
    temp_folder_put(&path, json, n);
    return path;
}

/* Two shards: "b" in the first, "a" and "c" in the second. */
static temp_folder write_shards(void)
{
    const temp_folder folder = temp_folder_new();
    write_shard(&folder, "1.safetensors", (safetensor[]){tensor("b")}, 1);
    write_shard(&folder, "2.safetensors", (safetensor[]){tensor("a"), tensor("c")}, 2);
    write_index(&folder, "{'metadata':{'total_size':36},'weight_map':{'c':'2.safetensors',"
                         "'a':'2.safetensors','b':'1.safetensors'}}");
    return folder;
}

static void shards_are_one_checkpoint(void **state)
{
    (void)state;
    const temp_folder folder = write_shards();
    const temp_path index = temp_folder_join(&folder, "model.safetensors.index.json");
    const char *const paths[] = {folder.path, index.text};
    for (int i = 0; i < 2; i++) {
        checkpoint *c;
        if (checkpoint_open(paths[i], &c) != ROTO_OK)
            fail_msg("%s", roto_error_message());
        assert_int_equal(checkpoint_count(c), 3);
        static const char *const names[] = {"a", "b", "c"};
        for (size_t k = 0; k < 3; k++) {
            assert_string_equal(checkpoint_at(c, k)->name, names[k]);
            assert_memory_equal(checkpoint_at(c, k)->data, values, sizeof(values));
        }
        assert_string_equal(checkpoint_kind(c), "2 safetensors files");
        assert_null(checkpoint_metadata(c, "made by"));
        checkpoint_close(c);
    }
    temp_folder_remove(&folder);
}

static void a_file_of_either_kind_is_one(void **state)
{
    (void)state;
    const temp_folder folder = temp_folder_new();
    write_shard(&folder, "model.safetensors", (safetensor[]){tensor("b")}, 1);
    checkpoint *c;
    assert_int_equal(checkpoint_open(folder.path, &c), ROTO_OK);
    assert_string_equal(checkpoint_metadata(c, "made by"), "hand");
    assert_string_equal(checkpoint_kind(c), "safetensors");
    checkpoint_close(c);
    assert_int_equal(checkpoint_open(GOLDEN("module.pt"), &c), ROTO_OK);
    assert_int_equal(checkpoint_count(c), 7);
    assert_string_equal(checkpoint_kind(c), "PyTorch");
    assert_null(checkpoint_metadata(c, "made by"));
    checkpoint_close(c);
    temp_folder_remove(&folder);
}

static void assert_refused(const char *path, roto_status expected, const char *said)
{
    checkpoint *c;
    const roto_status status = checkpoint_open(path, &c);
    assert_null(c);
    if (status != expected || !strstr(roto_error_message(), said))
        fail_msg("status %d with '%s', not '%s'", status, roto_error_message(), said);
}

static void wrong_indices_are_refused(void **state)
{
    (void)state;
    const temp_folder folder = write_shards();
    static const struct {
        const char *index;
        roto_status status;
        const char *said;
    } lies[] = {
        {"{", ROTO_ERROR_FORMAT, "not JSON"},
        {"[1]", ROTO_ERROR_FORMAT, "no object \"weight_map\""},
        {"{'weight_map':[]}", ROTO_ERROR_FORMAT, "no object \"weight_map\""},
        {"{'weight_map':{}}", ROTO_ERROR_FORMAT, "no object \"weight_map\""},
        {"{'weight_map':{'a':1}}", ROTO_ERROR_FORMAT, "'a' is in no file beside it"},
        {"{'weight_map':{'a':''}}", ROTO_ERROR_FORMAT, "plain file name"},
        {"{'weight_map':{'a':'/etc/passwd'}}", ROTO_ERROR_FORMAT, "plain file name"},
        {"{'weight_map':{'a':'../2.safetensors'}}", ROTO_ERROR_FORMAT, "plain file name"},
        {"{'weight_map':{'a':'..'}}", ROTO_ERROR_FORMAT, "plain file name"},
        {"{'weight_map':{'b':'1.safetensors','b':'1.safetensors'}}", ROTO_ERROR_FORMAT,
         "'b' is there twice"},
        {"{'weight_map':{'b':'1.safetensors','b':'2.safetensors'}}", ROTO_ERROR_FORMAT,
         "'b' is there twice"},
        {"{'weight_map':{'a':'2.safetensors'}}", ROTO_ERROR_FORMAT, "the tensor 'c' is not in"},
        {"{'weight_map':{'c':'2.safetensors'}}", ROTO_ERROR_FORMAT, "the tensor 'a' is not in"},
        {"{'weight_map':{'d':'1.safetensors'}}", ROTO_ERROR_FORMAT, "the tensor 'd', which"},
        {"{'weight_map':{'d':'3.safetensors'}}", ROTO_ERROR_IO, "3.safetensors: cannot open"},
        {"{'weight_map':{'d':'model.safetensors.index.json'}}", ROTO_ERROR_FORMAT,
         "not a safetensors file"},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        write_index(&folder, lies[i].index);
        assert_refused(folder.path, lies[i].status, lies[i].said);
    }
    temp_folder_remove(&folder);
    const temp_folder empty = temp_folder_new();
    assert_refused(empty.path, ROTO_ERROR_IO, "a folder with neither model.safetensors nor");
    temp_folder_remove(&empty);
    assert_refused("/nowhere/model.pt", ROTO_ERROR_IO, "/nowhere/model.pt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_one_checkpoint),
        cmocka_unit_test(a_file_of_either_kind_is_one),
        cmocka_unit_test(wrong_indices_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
