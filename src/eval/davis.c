/* roto_eval_davis: runs a tracker over sequences with true masks, or reads what one has made. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "eval/davis_folder.h"
#include "eval/davis_ids.h"
#include "eval/davis_measure.h"
#include "eval/davis_picture.h"
#include "eval/davis_rows.h"
#include "eval/davis_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { N_PICTURES = 4 };

typedef struct evaluation {
    const roto_davis_params *params;
    const davis_folder *folder;
    davis_rows rows;
} evaluation;

/* A sequence while it is worked on. */
typedef struct run {
    const roto_davis_params *params;
    davis_sequence sequence;
    davis_task task;
    davis_source *source;
    davis_measure *measure;
    uint8_t *truth, *found;
    davis_fit *fits; /* [n_frames, n_objects] */
    bool *is_scored; /* the same */
    double seconds;
} run;

roto_davis_params roto_davis_params_default(void)
{
    return (roto_davis_params){.struct_bytes = sizeof(roto_davis_params)};
}

static bool needs_images(const roto_davis_params *p)
{
    return p->pictures_dir || (!p->results_dir && p->tracker != ROTO_DAVIS_STILL);
}

static roto_status new_source(run *r)
{
    const roto_davis_params *p = r->params;
    if (p->results_dir)
        return davis_results_new(&r->task, p->results_dir, &r->source);
    if (p->tracker == ROTO_DAVIS_SEGMENTER)
        return davis_segmenter_new(&r->task, p->segmenter, &r->source);
    return davis_baseline_new(&r->task, p->tracker == ROTO_DAVIS_FILTER, &r->source);
}

static roto_status run_init(run *r, const evaluation *e, const char *name)
{
    *r = (run){.params = e->params};
    ROTO_TRY(davis_sequence_read(e->folder, name, needs_images(e->params), &r->sequence));
    ROTO_TRY(davis_task_init(&r->sequence, &r->task));
    r->task.prompt = e->params->prompt;
    r->task.prompt_every = (size_t)e->params->prompt_every;
    ROTO_TRY(new_source(r));
    ROTO_TRY(davis_measure_new(r->task.width, r->task.height, &r->measure));
    const size_t n_pixels = (size_t)r->task.width * (size_t)r->task.height;
    const size_t n_fits = r->sequence.n_frames * (size_t)r->task.n_objects;
    r->truth = memory_new_array(n_pixels, 1);
    r->found = memory_new_array(n_pixels, 1);
    r->fits = memory_new_array(n_fits, sizeof(*r->fits));
    r->is_scored = memory_new_array(n_fits, sizeof(*r->is_scored));
    return r->truth && r->found && r->fits && r->is_scored ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static void run_release(run *r)
{
    if (r->source)
        r->source->free(r->source);
    davis_measure_free(r->measure);
    davis_task_release(&r->task);
    davis_sequence_free(&r->sequence);
    free(r->truth);
    free(r->found);
    free(r->fits);
    free(r->is_scored);
}

/* Whether a frame counts for an object: after the one in which it was shown, before the last. */
static bool counts(const run *r, const davis_object *object, size_t frame)
{
    if (!r->sequence.frames[frame].mask || frame < object->first ||
        davis_prompts_again(object, r->task.prompt_every, frame))
        return false;
    return r->params->all_frames || (frame > object->first && frame + 1 < r->sequence.n_frames);
}

static bool counts_for_any(const run *r, size_t frame)
{
    for (int32_t i = 0; i < r->task.n_objects; i++)
        if (counts(r, &r->task.objects[i], frame))
            return true;
    return false;
}

static roto_status make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return ROTO_OK;
    return roto_fail(ROTO_ERROR_IO, "%s: cannot create the folder: %s", path, strerror(errno));
}

static roto_status write_mask(const run *r, size_t frame)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s/%s.png", r->params->masks_dir, r->sequence.name,
                 r->sequence.frames[frame].name) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    const roto_image image = {.width = r->task.width,
                              .height = r->task.height,
                              .format = ROTO_PIXEL_GRAY8,
                              .plane = {r->found},
                              .stride_bytes = {r->task.width}};
    const roto_status status = roto_image_write_ids(path, &image);
    free(path);
    return status;
}

/* At a quarter, a half, three quarters and the end of the frames that count in DAVIS. */
static bool is_pictured(const run *r, size_t frame)
{
    const size_t last = r->sequence.n_frames > 2 ? r->sequence.n_frames - 2 : 0;
    for (size_t i = 1; i <= N_PICTURES; i++)
        if (frame == last * i / N_PICTURES)
            return true;
    return false;
}

static roto_status write_picture(const run *r, const roto_image *image, size_t frame)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s-%s.png", r->params->pictures_dir, r->sequence.name,
                 r->sequence.frames[frame].name) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    const roto_status status = davis_picture_write(path, image, r->truth, r->found);
    free(path);
    return status;
}

static roto_status read_image(const run *r, const davis_frame *frame, roto_image *image,
                              void **storage)
{
    ROTO_TRY(roto_image_read(frame->image, image, storage));
    if (image->width == r->task.width && image->height == r->task.height)
        return ROTO_OK;
    return roto_fail(ROTO_ERROR_FORMAT, "%s: %d x %d pixels; the masks have %d x %d", frame->image,
                     image->width, image->height, r->task.width, r->task.height);
}

static void compare(run *r, size_t frame)
{
    for (int32_t i = 0; i < r->task.n_objects; i++) {
        if (!counts(r, &r->task.objects[i], frame))
            continue;
        const size_t at = frame * (size_t)r->task.n_objects + (size_t)i;
        r->is_scored[at] = true;
        r->fits[at] = davis_measure_compare(r->measure, r->truth, r->found, r->task.objects[i].id);
    }
}

static roto_status run_frame_on(run *r, size_t index, const roto_image *image)
{
    const davis_frame *frame = &r->sequence.frames[index];
    if (frame->mask)
        ROTO_TRY(davis_truth_read(frame->mask, &r->task, r->truth));
    const bool is_scored = counts_for_any(r, index);
    /* Results are needed only for what is scored, and first frames often come without. */
    if (r->params->results_dir && !is_scored)
        return ROTO_OK;
    const davis_step step = {.index = index,
                             .image = image,
                             .truth = r->truth,
                             .has_truth = frame->mask != NULL,
                             .found = r->found};
    const int64_t start_ns = clock_now_ns();
    ROTO_TRY(r->source->next(r->source, &r->task, &step));
    if (!r->params->results_dir)
        r->seconds += (double)(clock_now_ns() - start_ns) * 1e-9;
    if (is_scored)
        compare(r, index);
    if (r->params->masks_dir)
        ROTO_TRY(write_mask(r, index));
    if (r->params->pictures_dir && frame->mask && is_pictured(r, index))
        ROTO_TRY(write_picture(r, image, index));
    return ROTO_OK;
}

static roto_status run_frame(run *r, size_t index)
{
    roto_image image = {0};
    void *storage = NULL;
    roto_status status = ROTO_OK;
    if (r->sequence.frames[index].image)
        status = read_image(r, &r->sequence.frames[index], &image, &storage);
    if (status == ROTO_OK)
        status = run_frame_on(r, index, storage ? &image : NULL);
    roto_image_free(storage);
    const roto_davis_params *p = r->params;
    if (status == ROTO_OK && p->progress &&
        p->progress(p->user, r->sequence.name, (int64_t)index + 1, (int64_t)r->sequence.n_frames) !=
            0)
        status = roto_fail(ROTO_CANCELLED, "the evaluation was stopped");
    return status;
}

static roto_status run_frames(run *r)
{
    if (r->params->masks_dir) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", r->params->masks_dir, r->sequence.name) < 0)
            return roto_fail(ROTO_ERROR_MEMORY, "out of memory");
        const roto_status status = make_folder(path);
        free(path);
        ROTO_TRY(status);
    }
    for (size_t i = 0; i < r->sequence.n_frames; i++) {
        const roto_status status = run_frame(r, i);
        if (status != ROTO_OK)
            return roto_fail_context(status, "sequence %s, frame %s", r->sequence.name,
                                     r->sequence.frames[i].name);
    }
    return ROTO_OK;
}

static roto_status add_rows(const run *r, davis_rows *rows)
{
    const size_t first = rows->n;
    for (int32_t i = 0; i < r->task.n_objects; i++) {
        ROTO_TRY(davis_rows_object(rows, r->sequence.name, r->task.objects[i].id,
                                   (int64_t)r->sequence.n_frames, r->seconds));
        for (size_t frame = 0; frame < r->sequence.n_frames; frame++) {
            const size_t at = frame * (size_t)r->task.n_objects + (size_t)i;
            if (r->is_scored[at])
                ROTO_TRY(davis_rows_value(rows, (int32_t)frame, r->fits[at].j, r->fits[at].f));
        }
        davis_rows_object_done(rows);
    }
    return r->task.n_objects > 1 ? davis_rows_mean(rows, first, r->sequence.name) : ROTO_OK;
}

static roto_status evaluate_sequence(evaluation *e, const char *name)
{
    run r;
    roto_status status = run_init(&r, e, name);
    if (status == ROTO_OK)
        status = run_frames(&r);
    if (status == ROTO_OK)
        status = add_rows(&r, &e->rows);
    run_release(&r);
    return status;
}

static roto_status evaluate_all(evaluation *e, const names *list)
{
    if (e->params->masks_dir)
        ROTO_TRY(make_folder(e->params->masks_dir));
    if (e->params->pictures_dir)
        ROTO_TRY(make_folder(e->params->pictures_dir));
    for (size_t i = 0; i < list->n; i++)
        ROTO_TRY(evaluate_sequence(e, list->items[i]));
    return davis_rows_mean(&e->rows, 0, "MEAN");
}

static roto_status check_params(const roto_davis_params *p)
{
    if (p->struct_bytes != sizeof(*p))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "evaluation: the parameters do not come from roto_davis_params_default()");
    if (p->prompt_every < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "evaluation: prompt_every is %d; it has to be 0 or more", p->prompt_every);
    if (p->prompt_every > 0 && (p->results_dir || p->tracker != ROTO_DAVIS_SEGMENTER))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "evaluation: prompt_every is %d, but only the "
                         "segmenter is told again",
                         p->prompt_every);
    if (p->results_dir)
        return ROTO_OK;
    if ((unsigned)p->tracker > ROTO_DAVIS_FILTER || (unsigned)p->prompt > ROTO_DAVIS_POINT)
        return roto_fail(ROTO_ERROR_ARGUMENT, "evaluation: tracker %d or prompt %d is unknown",
                         (int)p->tracker, (int)p->prompt);
    if (p->tracker == ROTO_DAVIS_SEGMENTER && !p->segmenter)
        return roto_fail(ROTO_ERROR_ARGUMENT, "evaluation: the segmenter is NULL");
    if (p->tracker != ROTO_DAVIS_SEGMENTER && p->prompt == ROTO_DAVIS_POINT)
        return roto_fail(ROTO_ERROR_ARGUMENT, "evaluation: the simple trackers start from a mask "
                                              "or a box; a point has no extent");
    return ROTO_OK;
}

static roto_status choose_sequences(const roto_davis_params *p, const davis_folder *folder,
                                    names *out)
{
    if (p->sequences) {
        ROTO_TRY(names_take(p->sequences, p->n_sequences, out));
        for (size_t i = 0; i < out->n; i++)
            ROTO_TRY(davis_folder_check(folder, out->items[i]));
        return ROTO_OK;
    }
    const names *all = davis_folder_sequences(folder);
    for (size_t i = 0; i < all->n; i++)
        ROTO_TRY(names_add(out, all->items[i]));
    return ROTO_OK;
}

roto_status roto_eval_davis(const char *dir, const roto_davis_params *params,
                            roto_davis_scores **scores, int32_t *n_scores)
{
    if (!dir || !params || !scores || !n_scores)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "evaluation: a folder, parameters or a place for scores is NULL");
    *scores = NULL;
    *n_scores = 0;
    ROTO_TRY(check_params(params));
    davis_folder *folder = NULL;
    names list = {0};
    evaluation e = {.params = params};
    roto_status status = davis_folder_open(dir, &folder);
    e.folder = folder;
    if (status == ROTO_OK)
        status = choose_sequences(params, folder, &list);
    if (status == ROTO_OK)
        status = names_check(&list, sizeof((*scores)->sequence) - 1);
    if (status == ROTO_OK)
        status = evaluate_all(&e, &list);
    if (status == ROTO_OK)
        status = davis_rows_finish(&e.rows, scores, n_scores);
    davis_rows_free(&e.rows);
    names_free(&list);
    davis_folder_free(folder);
    return status;
}
