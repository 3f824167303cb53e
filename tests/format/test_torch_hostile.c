/* Files of torch.save() that lie, and pickles that want to run something. */
#include "support/cmocka_all.h"
#include "torch_samples.h"

#include "format/torch/file.h"

#include <stdlib.h>
#include <string.h>

static roto_status open_sample(const sample *s)
{
    torch_file *file;
    const roto_status status = torch_file_open_bytes(s->data, s->bytes, "hostile", &file);
    assert_true((status == ROTO_OK) == (file != NULL));
    torch_file_close(file);
    return status;
}

static void assert_said(const char *text)
{
    if (!strstr(roto_error_message(), text))
        fail_msg("'%s' does not say '%s'", roto_error_message(), text);
}

static void assert_pickle(const void *pickle, size_t bytes, roto_status expected, const char *said)
{
    const sample zip = sample_archive(pickle, bytes);
    const roto_status status = open_sample(&zip);
    if (status != expected)
        fail_msg("status %d with '%s', not '%s'", status, roto_error_message(), said);
    assert_said(said);
    free(zip.data);
}

typedef struct lie {
    const char *pickle;
    size_t bytes;
    const char *said;
} lie;

#define LIE(text, said)                                                                            \
    {                                                                                              \
        text, sizeof(text) - 1, said                                                               \
    }

static void functions_are_refused_by_name(void **state)
{
    (void)state;
    static const lie lies[] = {
        LIE("\x80\2cos\nsystem\nX\7\0\0\0echo hi\x85R.", "asks for os.system"),
        LIE("\x80\2cposix\nsystem\n.", "asks for posix.system"),
        LIE("\x80\2c__builtin__\neval\n.", "asks for __builtin__.eval"),
        LIE("\x80\2ctorch._utils\n_rebuild_tensor\n.", "asks for torch._utils._rebuild_tensor"),
        LIE("\x80\2ctorch\nComplexFloatStorage\n.", "asks for torch.ComplexFloatStorage"),
        LIE("\x80\2}ctorch\nQInt8Storage\n.", "asks for torch.QInt8Storage"),
        LIE("\x80\2X\2\0\0\0osX\6\0\0\0system\x93.", "operation STACK_GLOBAL (0x93)"),
        LIE("\x80\2(X\1\0\0\0aios\nsystem\n.", "operation INST (0x69)"),
        LIE("\x80\2(cos\nsystem\no.", "asks for os.system"),
        LIE("\x80\2)(o.", "operation OBJ"),
        LIE("\x80\2))\x81.", "operation NEWOBJ (0x81)"),
        LIE("\x80\2\x82\1.", "operation EXT1"),
        LIE("\x80\2P1\n.", "operation PERSID"),
        LIE("\x80\2\xff.", "operation unknown (0xff)"),
        LIE("\x80\4\x95", "protocol 4; 2 is needed"),
        LIE("S'x'\n.", "operation STRING"),
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        assert_pickle(lies[i].pickle, lies[i].bytes, ROTO_ERROR_UNSUPPORTED, lies[i].said);
}

static void broken_pickles_are_refused(void **state)
{
    (void)state;
    static const lie lies[] = {
        LIE("\x80\2", "cut off"),
        LIE("\x80\2.", "stack runs empty"),
        LIE("\x80\2}}.", "leaves values behind"),
        LIE("\x80\2}(N0.", "stack runs empty"),
        LIE("\x80\2}t.", "a mark is missing"),
        LIE("\x80\2}(.", "stack runs empty"), /* nothing may be taken from under a mark */
        LIE("\x80\2}(0.", "stack runs empty"),
        LIE("\x80\2N(u.", "a dictionary is missing"),
        LIE("\x80\2}(Nu.", "a key without a value"),
        LIE("\x80\2}Na.", "a list is missing"),
        LIE("\x80\2}h\1.", "value 1 of its memo is missing"),
        LIE("\x80\2}j\xff\xff\xff\xff.", "value 4294967295 of its memo is missing"),
        LIE("\x80\2}r\xff\xff\xff\x7f.", "of its memo is out of range"),
        LIE("\x80\2q\1}.", "stack runs empty"),
        LIE("\x80\2X\xff\xff\xff\xff.", "cut off"),
        LIE("\x80\2\x8a\x09\1\1\1\1\1\1\1\1\1.", "a number of 9 bytes"),
        LIE("\x80\2\x8a\xff\1.", "cut off"),
        LIE("\x80\2"
            "ccollections\nOrderedDict",
            "cut off"),
        LIE("\x80\2"
            "ccollections\nOrderedDict\nK\1\x85R.",
            "unexpected arguments"),
        LIE("\x80\2"
            "ccollections\nOrderedDict\nNR.",
            "no function"),
        LIE("\x80\2})R.", "no function"),
        LIE("\x80\2"
            "ctorch\nFloatStorage\n)R.",
            "unexpected arguments"),
        LIE("\x80\2"
            "ctorch._utils\n_rebuild_tensor_v2\n)R.",
            "unexpected arguments"),
        LIE("\x80\2"
            "ctorch._utils\n_rebuild_parameter\n)R.",
            "unexpected arguments"),
        LIE("\x80\2)Q.", "no storage"),
        LIE("\x80\2NQ.", "no storage"),
        LIE("\x80\2N}b.", "dictionary for attributes is missing"),
        LIE("\x80\2}b.", "stack runs empty"),
        LIE("\x80\2N.", "no dictionary of tensors"),
        LIE("\x80\2(t.", "no dictionary of tensors"),
        LIE("\x80\2}.", "no dictionary of tensors"),
        LIE("\x80\2}X\5\0\0\0modelNs.", "tensor 'model' is something else"),
        LIE("\x80\2}NNs.", "no name of 1 to 255 bytes"),
        LIE("\x80\2}X\0\0\0\0Ns.", "no name of 1 to 255 bytes"),
        LIE("\x80\2}X\3\0\0\0a\0bNs.", "no name of 1 to 255 bytes"),
        LIE("\x80\2}(X\1\0\0\0aNX\1\0\0\0aNu.", "'a' is there twice"),
        LIE("\x80\2}q\0X\1\0\0\0ah\0s.", "tensor 'a' is something else"), /* holds itself */
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        assert_pickle(lies[i].pickle, lies[i].bytes, ROTO_ERROR_FORMAT, lies[i].said);
}

static void wrong_tensors_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        sample_tensor tensor;
        roto_status status;
        const char *said;
    } lies[] = {
        {{.storage_type = "N"}, ROTO_ERROR_FORMAT, "'w' has a storage without a type"},
        {{.storage_type = "ccollections\nOrderedDict\n"}, ROTO_ERROR_FORMAT, "without a type"},
        {{.storage_type = "ctorch\nDoubleStorage\n"},
         ROTO_ERROR_FORMAT,
         "24 bytes instead of 6 F64 values"},
        {{.key = "1"}, ROTO_ERROR_FORMAT, "the archive has no data/1"},
        {{.key = "../version"}, ROTO_ERROR_FORMAT, "the archive has no data/../version"},
        {{.key = ""}, ROTO_ERROR_FORMAT, "without a usable key"},
        {{.count = "K\7"}, ROTO_ERROR_FORMAT, "24 bytes instead of 7 F32 values"},
        {{.count = "K\5"}, ROTO_ERROR_FORMAT, "24 bytes instead of 5 F32 values"},
        {{.count = "N"}, ROTO_ERROR_FORMAT, "instead of -1 F32"},
        {{.count = "J\xff\xff\xff\xff"}, ROTO_ERROR_FORMAT, "instead of -1 F32"},
        {{.count = "\x8a\x08\x06\x01\x01\x01\x01\x01\x01\x40"}, ROTO_ERROR_FORMAT, "24 bytes"},
        {{.offset = "K\1"}, ROTO_ERROR_FORMAT, "reaches beyond its storage of 6 values"},
        {{.offset = "J\xff\xff\xff\xff"}, ROTO_ERROR_FORMAT, "no sensible offset"},
        {{.offset = "N"}, ROTO_ERROR_FORMAT, "no sensible offset"},
        {{.sizes = "K\2K\4\x86"}, ROTO_ERROR_FORMAT, "reaches beyond"},
        {{.sizes = "K\2\x85"}, ROTO_ERROR_FORMAT, "sizes and strides that go together"},
        {{.sizes = "N"}, ROTO_ERROR_FORMAT, "sizes and strides that go together"},
        {{.sizes = "NN\x86"}, ROTO_ERROR_FORMAT, "size or stride in dimension 0"},
        {{.sizes = "K\2J\xff\xff\xff\xff\x86"}, ROTO_ERROR_FORMAT, "in dimension 1"},
        {{.sizes = "J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"}, ROTO_ERROR_FORMAT, "reaches beyond"},
        {{.strides = "K\xffK\1\x86"}, ROTO_ERROR_FORMAT, "reaches beyond"},
        {{.strides = "J\xff\xff\xff\xffK\1\x86"}, ROTO_ERROR_FORMAT, "in dimension 0"},
        {{.strides = "K\1K\1\x86"}, ROTO_ERROR_UNSUPPORTED, "leave gaps or overlap"},
        {{.sizes = "(K\1K\1K\1K\1K\1K\1K\1t", .strides = "(K\1K\1K\1K\1K\1K\1K\1t"},
         ROTO_ERROR_UNSUPPORTED,
         "more than 6 dimensions"},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        const sample pickle = sample_pickle(lies[i].tensor);
        assert_pickle(pickle.data, pickle.bytes, lies[i].status, lies[i].said);
        free(pickle.data);
    }
}

static void odd_but_good_tensors_are_read(void **state)
{
    (void)state;
    static const sample_tensor good[] = {
        {0},
        {.sizes = "K\3K\2\x86", .strides = "K\1K\3\x86"},             /* transposed */
        {.sizes = "(K\1K\2K\1K\3t", .strides = "(K\x63K\3K\x63K\1t"}, /* strides of size 1 */
        {.sizes = "K\2\x85", .strides = "K\1\x85", .offset = "K\4"},
        {.sizes = ")", .strides = ")", .offset = "K\5"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const sample pickle = sample_pickle(good[i]);
        const sample zip = sample_archive(pickle.data, pickle.bytes);
        if (open_sample(&zip) != ROTO_OK)
            fail_msg("tensor %zu: %s", i, roto_error_message());
        free(zip.data);
        free(pickle.data);
    }
}

static void damage_anywhere_is_survived(void **state)
{
    (void)state;
    const sample pickle = sample_pickle((sample_tensor){0});
    for (int wide = 0; wide < 2; wide++) {
        static const float values[6];
        const sample_file files[] = {{"a/data.pkl", pickle.data, pickle.bytes, 0},
                                     {"a/data/0", values, sizeof(values), 0}};
        const sample good = sample_zip(files, 2, wide);
        for (size_t n = 0; n < good.bytes; n++) { /* cut off anywhere */
            const sample cut = {malloc(n + 1), n};
            assert_non_null(cut.data);
            memcpy(cut.data, good.data, n);
            assert_int_not_equal(open_sample(&cut), ROTO_OK);
            free(cut.data);
        }
        static const uint8_t flips[] = {0x01, 0x80, 0xff};
        for (size_t i = 0; i < good.bytes * sizeof(flips); i++) {
            good.data[i / sizeof(flips)] ^= flips[i % sizeof(flips)];
            (void)open_sample(&good); /* some bytes do not matter */
            good.data[i / sizeof(flips)] ^= flips[i % sizeof(flips)];
        }
        assert_int_equal(open_sample(&good), ROTO_OK);
        free(good.data);
    }
    free(pickle.data);
}

static void wrong_archives_are_refused(void **state)
{
    (void)state;
    const sample pickle = sample_pickle((sample_tensor){0});
    const uint8_t values[24] = {0};
    const sample_file pkl = {"a/data.pkl", pickle.data, pickle.bytes, 0},
                      data = {"a/data/0", values, sizeof(values), 0};
    const struct {
        sample_file files[3];
        size_t n;
        const char *said;
    } lies[] = {
        {{{"a/b", "x", 1, 0}}, 1, "no data.pkl"},
        {{{"a/b/data.pkl", "x", 1, 0}}, 1, "no data.pkl"},
        {{{"data.pkl", "x", 1, 0}}, 1, "no data.pkl"},
        {{pkl, data, data}, 3, "two files called 'a/data/0'"},
        {{pkl, {"b/data/0", values, sizeof(values), 0}}, 2, "the archive has no data/0"},
        {{{"a/data.pkl", "x", 1, 8}}, 1, "data.pkl is compressed (method 8)"},
        {{pkl, {"a/data/0", values, sizeof(values), 8}}, 2, "data/0 of tensor 'w' is compressed"},
        {{pkl, data, {"a/byteorder", "big", 3, 0}}, 3, "byte order is not little-endian"},
        {{pkl, data, {"a/constants.pkl", "", 0, 0}}, 3, "a TorchScript program"},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        const sample zip = sample_zip(lies[i].files, lies[i].n, i % 2);
        assert_int_not_equal(open_sample(&zip), ROTO_OK);
        assert_said(lies[i].said);
        free(zip.data);
    }
    free(pickle.data);
}

/* One tuple, used again and again, must not be copied again and again. */
static void repetition_does_not_grow(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    uint8_t *pickle = malloc(5 * MANY + 64);
    assert_non_null(pickle);
    size_t n = 0;
    static const char start[] = "\x80\2(";
    memcpy(pickle, start, sizeof(start) - 1);
    n += sizeof(start) - 1;
    memset(pickle + n, 'N', MANY);
    n += MANY;
    static const char calls[] = "tq\1"
                                "ctorch._utils\n_rebuild_tensor_v2\nq\2";
    memcpy(pickle + n, calls, sizeof(calls) - 1);
    n += sizeof(calls) - 1;
    memcpy(pickle + n, "h\1R.", 4);
    assert_pickle(pickle, n + 4, ROTO_ERROR_FORMAT, "unexpected arguments");
    memset(pickle + 2, '(', MANY); /* marks without end */
    assert_pickle(pickle, MANY + 2, ROTO_ERROR_FORMAT, "cut off");
    memset(pickle + 2, '}', MANY);
    assert_pickle(pickle, MANY + 2, ROTO_ERROR_FORMAT, "cut off");
    free(pickle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_refused_by_name),
        cmocka_unit_test(broken_pickles_are_refused),
        cmocka_unit_test(wrong_tensors_are_refused_by_name),
        cmocka_unit_test(odd_but_good_tensors_are_read),
        cmocka_unit_test(damage_anywhere_is_survived),
        cmocka_unit_test(wrong_archives_are_refused),
        cmocka_unit_test(repetition_does_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
