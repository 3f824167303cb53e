/* Runs a detector over a folder of images with boxes and scores it. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/detection_ap.h"
#include "eval/file_list.h"
#include "format/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LABEL_BYTES = 16 << 20 };

typedef struct object_list {
    ap_object *items;
    size_t n, capacity;
} object_list;

typedef struct evaluation {
    roto_detector *detector;
    file_list images, labels;
    object_list truth, found;
    int64_t n_images;
} evaluation;

static roto_status add_object(object_list *list, const ap_object *object)
{
    if (!memory_grow((void **)&list->items, &list->capacity, list->n + 1, sizeof(*list->items)))
        return ROTO_ERROR_MEMORY;
    list->items[list->n++] = *object;
    return ROTO_OK;
}

/* One line "class cx cy w h", in parts of the image. */
static roto_status read_label(const char *line, const char *path, int number, int32_t n_classes,
                              ap_object *out)
{
    double values[5];
    const char *at = line;
    for (int i = 0; i < 5; i++) {
        char *end;
        values[i] = strtod(at, &end);
        if (end == at)
            return roto_fail(ROTO_ERROR_FORMAT, "%s:%d: a line holds 5 numbers: class cx cy w h",
                             path, number);
        at = end;
    }
    if (at[strspn(at, " \t\r")] != 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%d: more than 5 numbers; outlines are not boxes",
                         path, number);
    if (!(values[0] >= 0 && values[0] < n_classes) || values[0] != rint(values[0]))
        return roto_fail(ROTO_ERROR_FORMAT, "%s:%d: class %g; the detector has 0..%d", path, number,
                         values[0], n_classes - 1);
    for (int i = 1; i < 5; i++) {
        /* A little more than 1 comes from rounding in converters. */
        if (!(values[i] >= 0 && values[i] <= 1.001))
            return roto_fail(ROTO_ERROR_FORMAT, "%s:%d: %g; it has to be in 0..1", path, number,
                             values[i]);
    }
    *out = (ap_object){.class_id = (int32_t)values[0],
                       .x0 = values[1] - values[3] / 2,
                       .y0 = values[2] - values[4] / 2,
                       .x1 = values[1] + values[3] / 2,
                       .y1 = values[2] + values[4] / 2};
    return ROTO_OK;
}

static roto_status parse_labels(evaluation *e, char *text, const char *path,
                                const roto_image *image)
{
    int number = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        number++;
        if (line[strspn(line, " \t\r")] == 0)
            continue;
        ap_object o;
        ROTO_TRY(read_label(line, path, number, roto_detector_n_classes(e->detector), &o));
        o.image = e->n_images;
        o.x0 *= image->width;
        o.x1 *= image->width;
        o.y0 *= image->height;
        o.y1 *= image->height;
        ROTO_TRY(add_object(&e->truth, &o));
    }
    return ROTO_OK;
}

/* A label file may be empty: the image has no objects. */
static roto_status read_labels(evaluation *e, const char *path, const roto_image *image)
{
    FILE *probe = fopen(path, "rb");
    const bool empty = probe && fgetc(probe) == EOF && !ferror(probe);
    if (probe)
        fclose(probe);
    if (empty)
        return ROTO_OK;
    file_bytes file;
    ROTO_TRY(file_read(path, MAX_LABEL_BYTES, &file));
    char *text = memory_new_array(file.bytes + 1, 1);
    roto_status status = ROTO_ERROR_MEMORY;
    if (text) {
        memcpy(text, file.data, file.bytes);
        status = strlen(text) == file.bytes ? parse_labels(e, text, path, image)
                                            : roto_fail(ROTO_ERROR_FORMAT, "%s: is not text", path);
    }
    free(text);
    file_release(&file);
    return status;
}

static roto_status detect(evaluation *e, const roto_image *image)
{
    const roto_detection *detections;
    int32_t n;
    ROTO_TRY(roto_detector_run(e->detector, image, &detections, &n));
    for (int32_t i = 0; i < n; i++) {
        const roto_detection *d = &detections[i];
        ROTO_TRY(add_object(&e->found, &(ap_object){.image = e->n_images,
                                                    .class_id = d->class_id,
                                                    .x0 = (double)d->box.x0,
                                                    .y0 = (double)d->box.y0,
                                                    .x1 = (double)d->box.x1,
                                                    .y1 = (double)d->box.y1,
                                                    .score = (double)d->score}));
    }
    return ROTO_OK;
}

static roto_status evaluate_image(evaluation *e, const listed_file *file, bool missing_is_empty)
{
    const listed_file *label = file_list_find(&e->labels, file);
    if (!label && !missing_is_empty)
        return ROTO_OK;
    roto_image image;
    void *storage = NULL;
    ROTO_TRY(roto_image_read(file->path, &image, &storage));
    roto_status status = label ? read_labels(e, label->path, &image) : ROTO_OK;
    if (status == ROTO_OK)
        status = detect(e, &image);
    if (status == ROTO_OK)
        e->n_images++;
    roto_image_free(storage);
    return status;
}

static roto_status list_files(evaluation *e, const char *dir)
{
    static const char *const image_endings[] = {".jpg", ".jpeg", ".png", NULL};
    static const char *const label_endings[] = {".txt", NULL};
    static const char *const label_folders[] = {"labels", "object_detection"};
    char *path = NULL;
    bool exists = false;
    if (asprintf(&path, "%s/images", dir) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    roto_status status = file_list_read(path, image_endings, &e->images, &exists);
    free(path);
    if (status == ROTO_OK && e->images.n == 0)
        status = roto_fail(ROTO_ERROR_IO, "%s/images: %s", dir,
                           exists ? "holds no PNG or JPEG file" : "there is no such folder");
    exists = false;
    for (int i = 0; i < 2 && status == ROTO_OK && !exists; i++) {
        if (asprintf(&path, "%s/%s", dir, label_folders[i]) < 0)
            return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
        status = file_list_read(path, label_endings, &e->labels, &exists);
        free(path);
    }
    if (status == ROTO_OK && !exists)
        status = roto_fail(ROTO_ERROR_IO,
                           "%s: has neither a folder labels nor one object_detection", dir);
    file_list_sort_by_stem(&e->labels);
    return status;
}

static void name_scores(const evaluation *e, roto_detection_scores *scores, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const char *name = scores[i].class_id < 0
                               ? "mean"
                               : roto_detector_class_name(e->detector, scores[i].class_id);
        snprintf(scores[i].name, sizeof(scores[i].name), "%s", name ? name : "");
        scores[i].n_images = e->n_images;
    }
}

static roto_status evaluate(evaluation *e, const char *dir, bool missing_is_empty,
                            roto_detection_scores **scores, int32_t *n_scores)
{
    ROTO_TRY(list_files(e, dir));
    for (size_t i = 0; i < e->images.n; i++)
        ROTO_TRY(evaluate_image(e, &e->images.files[i], missing_is_empty));
    if (e->n_images == 0)
        return roto_fail(ROTO_ERROR_IO, "%s: none of the %zu images has a label file", dir,
                         e->images.n);
    ROTO_TRY(
        detection_ap(e->truth.items, e->truth.n, e->found.items, e->found.n, scores, n_scores));
    name_scores(e, *scores, *n_scores);
    return ROTO_OK;
}

roto_status roto_eval_detect(const char *dir, roto_detector *detector, int32_t missing_is_empty,
                             roto_detection_scores **scores, int32_t *n_scores)
{
    if (!dir || !detector || !scores || !n_scores)
        return roto_fail(ROTO_ERROR_ARGUMENT, "eval detect: a folder, a detector and places for "
                                              "the result have to be given");
    *scores = NULL;
    *n_scores = 0;
    evaluation e = {.detector = detector};
    roto_status status = evaluate(&e, dir, missing_is_empty != 0, scores, n_scores);
    file_list_free(&e.images);
    file_list_free(&e.labels);
    free(e.truth.items);
    free(e.found.items);
    return status;
}
