#include "support/cmocka_all.h"

#include "models/yolo/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char good[] =
    "{'format':'roto-detector','version':1,"
    "'input':{'width':64,'height':32,'channels':'rgb','scale':0.5,'mean':[1,2,3],'std':2,"
    "'letterbox':{'value':7,'anchor':'center'}},"
    "'head':{'kind':'yolox','strides':[8,16]},"
    "'min_score':0.5,'nms_iou':0.75,'classes':['ball','player']}";

/* `text` with `from` replaced by `to` and single quotes by double ones; free it. */
static char *edited(const char *from, const char *to)
{
    const char *at = strstr(good, from);
    assert_non_null(at);
    char *text = NULL;
    assert_true(asprintf(&text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from)) > 0);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return text;
}

static roto_status parse(char *text, detector_config *config)
{
    roto_status status = detector_config_parse(text, strlen(text), "model.json", config);
    free(text);
    return status;
}

static void every_field_is_read(void **state)
{
    (void)state;
    detector_config c;
    assert_int_equal(parse(edited("", ""), &c), ROTO_OK);
    assert_int_equal(c.width, 64);
    assert_int_equal(c.height, 32);
    assert_false(c.bgr);
    assert_true(c.scale == 0.5 && c.mean[0] == 1 && c.mean[2] == 3 && c.std[0] == 2 &&
                c.std[2] == 2);
    assert_int_equal(c.pad_value, 7);
    assert_true(c.pad_centred);
    assert_int_equal(c.head, HEAD_YOLOX);
    assert_int_equal(c.n_strides, 2);
    assert_int_equal(c.strides[1], 16);
    assert_true(c.min_score == 0.5f && c.nms_iou == 0.75f);
    assert_int_equal(c.n_classes, 2);
    assert_string_equal(c.classes[1], "player");
    assert_null(c.output);
    detector_config_free(&c);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *said;
    } mistakes[] = {
        {"{'format'", "['format'", "JSON"},
        {"'roto-detector'", "'other'", "format has to be one of: roto-detector"},
        {"'version':1", "'version':2", "version has to be"},
        {"'version':1,", "", "version has to be"},
        {"'width':64", "'width':0", "input.width has to be"},
        {"'width':64", "'width':64.5", "input.width has to be a whole number"},
        {"'width':64", "'width':1e99", "input.width has to be"},
        {"'width':64,", "", "input.width has to be"},
        {"'width':64", "'widht':64", "'widht' is not known"},
        {"'channels':'rgb'", "'channels':'grb'", "input.channels has to be one of: rgb, bgr"},
        {"'mean':[1,2,3]", "'mean':[1,2]", "input.mean has to be"},
        {"'mean':[1,2,3]", "'mean':[1,2,'x']", "input.mean has to be"},
        {"'std':2", "'std':0", "input.std has to be"},
        {"'value':7", "'value':256", "input.letterbox.value has to be"},
        {"'anchor':'center'", "'anchor':3", "input.letterbox.anchor has to be one of"},
        {"'kind':'yolox'", "'kind':'yolo99'", "head.kind has to be one of: yolox"},
        {"'kind':'yolox'", "'kind':'yolov8'", "belongs to heads of kind yolox"},
        {"[8,16]", "[8,24]", "which does not divide the input of 64 x 32"},
        {"[8,16]", "[]", "head.strides has to be"},
        {"'min_score':0.5", "'min_score':1.5", "min_score has to be"},
        {"['ball','player']", "[]", "classes has to be"},
        {"['ball','player']", "['ball',7]", "entry 1 is none"},
        {"'classes'", "'strange':1,'classes'", "'strange' is not known"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        detector_config c;
        assert_int_equal(parse(edited(mistakes[i].from, mistakes[i].to), &c), ROTO_ERROR_FORMAT);
        if (!strstr(roto_error_message(), mistakes[i].said))
            fail_msg("'%s' does not say '%s'", roto_error_message(), mistakes[i].said);
        assert_non_null(strstr(roto_error_message(), "model.json: "));
        detector_config_free(&c);
    }
}

static void a_text_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    char *text = edited("", "");
    for (size_t n = 0; n < strlen(text); n++) {
        char *exact = malloc(n + 1); /* so that a read behind the end is seen */
        assert_non_null(exact);
        memcpy(exact, text, n);
        detector_config c;
        assert_int_equal(detector_config_parse(exact, n, "cut", &c), ROTO_ERROR_FORMAT);
        detector_config_free(&c);
        free(exact);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_text_cut_off_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
