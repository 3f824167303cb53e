#include "prompt_list.h"

#include "exit_code.h"
#include "failure.h"

#include <roto/image.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POINTS = 63, MAX_SPEC_BYTES = 128, N_BOX_NUMBERS = 4 };

/* roto_segmenter_params.max_objects goes from 1 to here. */
enum { MAX_OBJECTS = 1024 };

static const double MAX_FRAME = 1e12, MAX_ID = 1e12, MAX_COORDINATE = 1e6;

/* All about one object on one frame. */
typedef struct prompt_mark {
    int64_t id, frame;
    float points[2 * MAX_POINTS];
    int32_t labels[MAX_POINTS];
    int32_t n_points;
    bool has_box;
    roto_box box;
    int mask; /* index; -1: none */
} prompt_mark;

typedef struct prompt_mask {
    roto_image image;
    void *storage;
} prompt_mask;

void prompt_texts_free(prompt_texts *texts)
{
    text_list_free(&texts->points);
    text_list_free(&texts->boxes);
    text_list_free(&texts->masks);
}

bool prompt_texts_any(const prompt_texts *texts)
{
    return texts->points.n || texts->boxes.n || texts->masks.n;
}

/* ---- "X,Y@FRAME:ID" ----------------------------------------------------------------------------
 */

typedef struct prompt_spec {
    double numbers[N_BOX_NUMBERS];
    long long frame, id;
} prompt_spec;

/* Cuts `text` before its last `separator` and reads the whole number behind it; true also when
 * there is no separator. */
static bool cut_number(char *text, char separator, double least, double most, long long *out)
{
    char *at = strrchr(text, separator);
    if (!at)
        return true;
    *at = 0;
    return parse_integer(at + 1, least, most, out);
}

static bool parse_spec(const char *text, int n_numbers, double least, prompt_spec *out)
{
    char copy[MAX_SPEC_BYTES];
    if (strlen(text) >= sizeof(copy))
        return false;
    strcpy(copy, text);
    *out = (prompt_spec){.frame = 0, .id = 1};
    if (!cut_number(copy, ':', 1, MAX_ID, &out->id) ||
        !cut_number(copy, '@', 0, MAX_FRAME, &out->frame))
        return false;
    char *at = copy;
    for (int i = 0; i < n_numbers; i++) {
        char *comma = strchr(at, ',');
        if ((comma != NULL) != (i + 1 < n_numbers))
            return false;
        if (comma)
            *comma = 0;
        if (!parse_real(at, least, MAX_COORDINATE, &out->numbers[i]))
            return false;
        at = comma ? comma + 1 : at;
    }
    return true;
}

/* ---- marks -------------------------------------------------------------------------------------
 */

/* The mark of that object and frame, a new one when there is none; NULL when out of memory. */
static prompt_mark *mark_of(prompt_list *list, int64_t id, int64_t frame)
{
    for (int32_t i = list->n; i-- > 0;)
        if (list->marks[i].id == id && list->marks[i].frame == frame)
            return &list->marks[i];
    if ((list->n & (list->n - 1)) == 0) { /* grows at powers of two */
        const size_t grown = list->n ? 2 * (size_t)list->n : 1;
        prompt_mark *marks = realloc(list->marks, grown * sizeof(*marks));
        if (!marks)
            return NULL;
        list->marks = marks;
    }
    prompt_mark *mark = &list->marks[list->n++];
    *mark = (prompt_mark){.id = id, .frame = frame, .mask = -1};
    return mark;
}

static int out_of_memory(const command_line *c)
{
    fprintf(stderr, "%s: out of memory\n", c->name);
    return EXIT_MEMORY;
}

static int take_point(prompt_list *list, const command_line *c, const char *text, bool with_frames)
{
    prompt_spec spec;
    const bool background = text[0] == '-';
    if (!parse_spec(text + background, 2, 0, &spec) || (!with_frames && strchr(text, '@')))
        return command_line_refuse(c,
                                   "--point is \"%s\"; it must be X,Y%s[:ID] in pixels, with a - "
                                   "in front for a point that is not on the object",
                                   text, with_frames ? "[@FRAME]" : "");
    prompt_mark *mark = mark_of(list, spec.id, spec.frame);
    if (!mark)
        return out_of_memory(c);
    if (mark->n_points == MAX_POINTS)
        return command_line_refuse(c, "object %lld has more than %d points on frame %lld", spec.id,
                                   MAX_POINTS, spec.frame);
    mark->points[2 * mark->n_points] = (float)spec.numbers[0];
    mark->points[2 * mark->n_points + 1] = (float)spec.numbers[1];
    mark->labels[mark->n_points++] = !background;
    return COMMAND_LINE_GO_ON;
}

static int take_box(prompt_list *list, const command_line *c, const char *text, bool with_frames)
{
    prompt_spec spec;
    const bool read = parse_spec(text, N_BOX_NUMBERS, -MAX_COORDINATE, &spec);
    const double *n = spec.numbers;
    if (!read || n[0] >= n[2] || n[1] >= n[3] || (!with_frames && strchr(text, '@')))
        return command_line_refuse(c,
                                   "--box is \"%s\"; it must be X0,Y0,X1,Y1%s[:ID] in pixels, with "
                                   "X0 < X1 and Y0 < Y1",
                                   text, with_frames ? "[@FRAME]" : "");
    prompt_mark *mark = mark_of(list, spec.id, spec.frame);
    if (!mark)
        return out_of_memory(c);
    if (mark->has_box)
        return command_line_refuse(c,
                                   "object %lld has two boxes on frame %lld; give each object an "
                                   "id of its own, as in --box %.0f,%.0f,%.0f,%.0f:%lld",
                                   spec.id, spec.frame, n[0], n[1], n[2], n[3], spec.id + 1);
    mark->has_box = true;
    mark->box = (roto_box){(float)n[0], (float)n[1], (float)n[2], (float)n[3]};
    return COMMAND_LINE_GO_ON;
}

/* "FILE.png@FRAME" as a path and a frame. An @ that no whole number follows belongs to the name. */
static char *split_path(const char *text, long long *frame)
{
    char *path = strdup(text);
    char *at = path ? strrchr(path, '@') : NULL;
    *frame = 0;
    if (at && at != path && parse_integer(at + 1, 0, MAX_FRAME, frame))
        *at = 0;
    return path;
}

/* Every value that is in the picture is an object of that id. */
static int take_values(prompt_list *list, const command_line *c, const char *path, long long frame)
{
    const int index = list->n_masks - 1;
    const roto_image *image = &list->masks[index].image;
    bool present[UINT8_MAX + 1] = {0};
    for (int32_t y = 0; y < image->height; y++)
        for (int32_t x = 0; x < image->width; x++)
            present[image->plane[0][y * image->stride_bytes[0] + x]] = true;
    int n = 0;
    for (int value = 1; value <= UINT8_MAX; value++) {
        if (!present[value])
            continue;
        prompt_mark *mark = mark_of(list, value, frame);
        if (!mark)
            return out_of_memory(c);
        if (mark->n_points || mark->has_box || mark->mask >= 0)
            return command_line_refuse(c,
                                       "object %d has a mask on frame %lld (in \"%s\") and "
                                       "something else; a mask goes alone",
                                       value, frame, path);
        mark->mask = index;
        n++;
    }
    if (n == 0) {
        fprintf(stderr, "%s: %s: no object in it: every pixel is 0\n", c->name, path);
        return EXIT_FORMAT;
    }
    return COMMAND_LINE_GO_ON;
}

static int take_mask(prompt_list *list, const command_line *c, const char *text, bool with_frames)
{
    long long frame = 0;
    char *path = with_frames ? split_path(text, &frame) : strdup(text);
    prompt_mask *masks = realloc(list->masks, ((size_t)list->n_masks + 1) * sizeof(*masks));
    if (masks)
        list->masks = masks;
    int code = COMMAND_LINE_GO_ON;
    if (!path || !masks) {
        code = out_of_memory(c);
        goto done;
    }
    prompt_mask mask;
    const roto_status status = roto_image_read_ids(path, &mask.image, &mask.storage);
    if (status != ROTO_OK) {
        code = failure_report(c->name, status);
        goto done;
    }
    list->masks[list->n_masks++] = mask;
    code = take_values(list, c, path, frame);
done:
    free(path);
    return code;
}

/* ---- prompts -----------------------------------------------------------------------------------
 */

static roto_prompt prompt_of(const prompt_list *list, const prompt_mark *mark)
{
    roto_prompt prompt = roto_prompt_default();
    if (mark->mask >= 0) {
        const roto_image *image = &list->masks[mark->mask].image;
        prompt.mask = image->plane[0];
        prompt.mask_value = (int32_t)mark->id;
        prompt.mask_width = image->width;
        prompt.mask_height = image->height;
        prompt.mask_stride_bytes = image->stride_bytes[0];
        return prompt;
    }
    prompt.points = mark->points;
    prompt.labels = mark->labels;
    prompt.n_points = mark->n_points;
    prompt.box = mark->has_box ? &mark->box : NULL;
    return prompt;
}

int prompt_list_parse(prompt_list *list, const command_line *c, const prompt_texts *texts,
                      bool with_frames)
{
    static int (*const take[])(prompt_list *, const command_line *, const char *,
                               bool) = {take_point, take_box, take_mask};
    const text_list *const lists[] = {&texts->points, &texts->boxes, &texts->masks};
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < lists[kind]->n; i++) {
            const int code = take[kind](list, c, lists[kind]->texts[i], with_frames);
            if (code != COMMAND_LINE_GO_ON)
                return code;
        }
    }
    list->prompts = calloc((size_t)list->n + 1, sizeof(*list->prompts));
    if (!list->prompts)
        return out_of_memory(c);
    for (int32_t i = 0; i < list->n; i++) /* marks stay where they are from here on */
        list->prompts[i] = (roto_run_prompt){.id = list->marks[i].id,
                                             .frame = list->marks[i].frame,
                                             .prompt = prompt_of(list, &list->marks[i])};
    return COMMAND_LINE_GO_ON;
}

void prompt_list_free(prompt_list *list)
{
    for (int i = 0; i < list->n_masks; i++)
        roto_image_free(list->masks[i].storage);
    free(list->masks);
    free(list->marks);
    free(list->prompts);
    *list = (prompt_list){0};
}

int32_t prompt_list_max_objects(const prompt_list *list)
{
    return list->n < 1 ? 1 : list->n < MAX_OBJECTS ? list->n : MAX_OBJECTS;
}
