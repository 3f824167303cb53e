#include "models/yolo/config.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

enum { MAX_FILE_BYTES = 4 << 20, MAX_INPUT_PX = 4096 };

/* A JSON object being read; `path` is for messages, as in "input.letterbox". */
typedef struct section {
    const cJSON *object;
    const char *file, *path;
} section;

#define SECTION_FAIL(s, name, fmt, ...)                                                            \
    roto_fail(ROTO_ERROR_FORMAT, "%s: %s%s%s " fmt, (s)->file, (s)->path, *(s)->path ? "." : "",   \
              name, ##__VA_ARGS__)

/* An unknown field is a spelling mistake or a setting that this version would ignore. */
static roto_status check_fields(const section *s, const char *known)
{
    for (const cJSON *item = s->object->child; item; item = item->next) {
        const size_t length = strlen(item->string);
        bool found = false;
        for (const char *at = known; !found && length && (at = strstr(at, item->string)); at++)
            found = at > known && at[-1] == ' ' && at[length] == ' ';
        if (!found)
            return roto_fail(ROTO_ERROR_FORMAT,
                             "%s: %s%sthe field '%.100s' is not known; there are:%s", s->file,
                             s->path, *s->path ? ": " : "", item->string, known);
    }
    return ROTO_OK;
}

static roto_status enter(const section *s, const char *name, const char *path, section *out)
{
    *out = (section){cJSON_GetObjectItemCaseSensitive(s->object, name), s->file, path};
    return cJSON_IsObject(out->object) ? ROTO_OK : SECTION_FAIL(s, name, "has to be an object");
}

static roto_status read_number(const section *s, const char *name, double least, double most,
                               double *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(s->object, name);
    if (!item)
        return ROTO_OK; /* keeps its default */
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= least && item->valuedouble <= most))
        return SECTION_FAIL(s, name, "has to be a number in %g..%g", least, most);
    *out = item->valuedouble;
    return ROTO_OK;
}

static roto_status read_whole(const section *s, const char *name, int32_t least, int32_t most,
                              int32_t *out)
{
    double value = *out;
    ROTO_TRY(read_number(s, name, least, most, &value));
    if (value != rint(value) || value < least)
        return SECTION_FAIL(s, name, "has to be a whole number in %d..%d", least, most);
    *out = (int32_t)value;
    return ROTO_OK;
}

/* The index of a string among NULL-terminated choices; *out keeps its default without the field. */
static roto_status read_choice(const section *s, const char *name, const char *const *choices,
                               int *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(s->object, name);
    if (!item && *out >= 0)
        return ROTO_OK;
    char list[160] = "";
    for (int i = 0; choices[i]; i++) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, choices[i]) == 0) {
            *out = i;
            return ROTO_OK;
        }
        strncat(list, i ? ", " : "", sizeof(list) - strlen(list) - 1);
        strncat(list, choices[i], sizeof(list) - strlen(list) - 1);
    }
    return SECTION_FAIL(s, name, "has to be one of: %s", list);
}

/* One number for all channels, or three. */
static roto_status read_channels(const section *s, const char *name, double least, double out[3])
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(s->object, name);
    if (!item)
        return ROTO_OK;
    const bool list = cJSON_IsArray(item) && cJSON_GetArraySize(item) == 3;
    const cJSON *value = list ? item->child : item;
    for (int c = 0; c < 3; c++, value = list ? value->next : value) {
        if (!cJSON_IsNumber(value) || !(fabs(value->valuedouble) <= 1e6) ||
            !(value->valuedouble >= least))
            return SECTION_FAIL(s, name, "has to be a number of at least %g, or three", least);
        out[c] = value->valuedouble;
    }
    return ROTO_OK;
}

static roto_status read_input(const section *root, detector_config *c)
{
    section s, pad;
    ROTO_TRY(enter(root, "input", "input", &s));
    ROTO_TRY(check_fields(&s, " width height channels scale mean std letterbox "));
    ROTO_TRY(read_whole(&s, "width", 1, MAX_INPUT_PX, &c->width));
    ROTO_TRY(read_whole(&s, "height", 1, MAX_INPUT_PX, &c->height));
    int order = -1, anchor = -1;
    ROTO_TRY(read_choice(&s, "channels", (const char *const[]){"rgb", "bgr", NULL}, &order));
    c->bgr = order == 1;
    ROTO_TRY(read_number(&s, "scale", 1e-6, 1e6, &c->scale));
    ROTO_TRY(read_channels(&s, "mean", -1e6, c->mean));
    ROTO_TRY(read_channels(&s, "std", 1e-6, c->std));
    ROTO_TRY(enter(&s, "letterbox", "input.letterbox", &pad));
    ROTO_TRY(check_fields(&pad, " value anchor "));
    ROTO_TRY(read_whole(&pad, "value", 0, 255, &c->pad_value));
    ROTO_TRY(
        read_choice(&pad, "anchor", (const char *const[]){"top-left", "center", NULL}, &anchor));
    c->pad_centred = anchor == 1;
    return ROTO_OK;
}

static roto_status read_strides(const section *s, detector_config *c)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(s->object, "strides");
    if (c->head != HEAD_YOLOX)
        return list ? SECTION_FAIL(s, "strides", "belongs to heads of kind yolox alone") : ROTO_OK;
    c->n_strides = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (c->n_strides < 1 || c->n_strides > CONFIG_MAX_STRIDES)
        return SECTION_FAIL(s, "strides", "has to be a list of 1 to %d numbers",
                            CONFIG_MAX_STRIDES);
    int i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= 1024) ||
            item->valuedouble != rint(item->valuedouble))
            return SECTION_FAIL(s, "strides", "has to hold whole numbers in 1..1024");
        c->strides[i] = (int32_t)item->valuedouble;
        if (c->width % c->strides[i] || c->height % c->strides[i])
            return SECTION_FAIL(s, "strides",
                                "holds %d, which does not divide the input of %d x %d",
                                c->strides[i], c->width, c->height);
    }
    return ROTO_OK;
}

static roto_status read_head(const section *root, detector_config *c)
{
    static const char *const kinds[] = {"yolox", "yolov5", "yolov8", "end-to-end", NULL};
    section s;
    int kind = -1;
    ROTO_TRY(enter(root, "head", "head", &s));
    ROTO_TRY(check_fields(&s, " kind strides output "));
    ROTO_TRY(read_choice(&s, "kind", kinds, &kind));
    c->head = (head_kind)kind;
    ROTO_TRY(read_strides(&s, c));
    const cJSON *output = cJSON_GetObjectItemCaseSensitive(s.object, "output");
    if (!output)
        return ROTO_OK;
    if (!cJSON_IsString(output) || !output->valuestring[0])
        return SECTION_FAIL(&s, "output", "has to be a name");
    c->output = memory_copy_string(output->valuestring);
    return c->output ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static roto_status read_classes(const section *root, detector_config *c)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root->object, "classes");
    const int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (n < 1 || n > CONFIG_MAX_CLASSES)
        return SECTION_FAIL(root, "classes", "has to be a list of 1 to %d names",
                            CONFIG_MAX_CLASSES);
    c->classes = memory_new_array((size_t)n, sizeof(*c->classes));
    if (!c->classes)
        return ROTO_ERROR_MEMORY;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!cJSON_IsString(item) || !item->valuestring[0])
            return SECTION_FAIL(root, "classes", "has to hold names; entry %d is none",
                                c->n_classes);
        c->classes[c->n_classes] = memory_copy_string(item->valuestring);
        if (!c->classes[c->n_classes])
            return ROTO_ERROR_MEMORY;
        c->n_classes++;
    }
    return ROTO_OK;
}

static roto_status read_root(const section *root, detector_config *c)
{
    double min_score = 0.25, nms_iou = 0.45;
    int32_t version = 0;
    int format = -1;
    ROTO_TRY(check_fields(root, " format version input head min_score nms_iou classes "));
    ROTO_TRY(read_choice(root, "format", (const char *const[]){"roto-detector", NULL}, &format));
    ROTO_TRY(read_whole(root, "version", 1, 1, &version));
    ROTO_TRY(read_input(root, c));
    ROTO_TRY(read_head(root, c));
    ROTO_TRY(read_number(root, "min_score", 0, 1, &min_score));
    ROTO_TRY(read_number(root, "nms_iou", 0, 1, &nms_iou));
    c->min_score = (float)min_score;
    c->nms_iou = (float)nms_iou;
    return read_classes(root, c);
}

roto_status detector_config_parse(const char *text, size_t bytes, const char *name,
                                  detector_config *out)
{
    *out = (detector_config){.scale = 1, .std = {1, 1, 1}, .pad_value = 114};
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    if (!json)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: byte %td is not valid JSON", name,
                         end ? end - text : 0);
    section root = {json, name, ""};
    roto_status status = cJSON_IsObject(json)
                             ? read_root(&root, out)
                             : roto_fail(ROTO_ERROR_FORMAT, "%s: has to be a JSON object", name);
    cJSON_Delete(json);
    return status;
}

roto_status detector_config_read(const char *path, detector_config *out)
{
    *out = (detector_config){0};
    file_bytes file;
    ROTO_TRY(file_read(path, MAX_FILE_BYTES, &file));
    roto_status status = detector_config_parse((const char *)file.data, file.bytes, path, out);
    file_release(&file);
    return status;
}

void detector_config_free(detector_config *config)
{
    for (int32_t i = 0; i < config->n_classes; i++)
        free(config->classes[i]);
    free(config->classes);
    free(config->output);
    *config = (detector_config){0};
}
