/* roto_eval_mot: folders of ground truth and results in, scores out. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/mot_measures.h"
#include "eval/names.h"
#include "format/mot_text.h"

#include <roto/eval.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* DIR/NAME and a tail, in memory of its own; NULL (message set) when there is none left. */
static char *join(const char *dir, const char *name, const char *tail)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s%s", dir, name, tail) >= 0)
        return path;
    roto_fail(ROTO_ERROR_MEMORY, "out of memory");
    return NULL;
}

/* The folders of `dir` that hold gt/gt.txt, by name. */
static roto_status list_sequences(const char *dir, names *out)
{
    DIR *folder = opendir(dir);
    if (!folder)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot open the folder: %s", dir, strerror(errno));
    roto_status status = ROTO_OK;
    for (struct dirent *entry; status == ROTO_OK && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = join(dir, entry->d_name, "/gt/gt.txt");
        if (!path)
            status = ROTO_ERROR_MEMORY;
        else if (access(path, F_OK) == 0)
            status = names_add(out, entry->d_name);
        free(path);
    }
    closedir(folder);
    if (status == ROTO_OK && out->n == 0)
        status =
            roto_fail(ROTO_ERROR_ARGUMENT, "%s: no sequences; SEQUENCE/gt/gt.txt is expected", dir);
    if (status == ROTO_OK)
        names_sort(out);
    return status;
}

static int64_t last_frame(const mot_rows *rows)
{
    return rows->n ? rows->rows[rows->n - 1].frame : 0;
}

static roto_status check_frames(const char *path, const mot_rows *rows, int64_t n_frames)
{
    if (last_frame(rows) <= n_frames)
        return ROTO_OK;
    const mot_row *last = &rows->rows[rows->n - 1];
    return roto_fail(ROTO_ERROR_FORMAT, "%s:%lld: frame %lld of a sequence of %lld frames", path,
                     (long long)last->line, (long long)last->frame, (long long)n_frames);
}

/* How many frames the sequence has: its seqinfo.ini says, or the last frame that has a box. */
static roto_status find_length(const char *ini_path, const char *gt_path, const mot_rows *truth,
                               const char *found_path, const mot_rows *found, int64_t *n_frames)
{
    mot_sequence_info info = {0};
    if (access(ini_path, F_OK) == 0)
        ROTO_TRY(mot_sequence_info_read(ini_path, &info));
    *n_frames = info.n_frames;
    if (info.n_frames) {
        ROTO_TRY(check_frames(gt_path, truth, info.n_frames));
        return check_frames(found_path, found, info.n_frames);
    }
    *n_frames = last_frame(truth) > last_frame(found) ? last_frame(truth) : last_frame(found);
    return ROTO_OK;
}

static roto_status measure(mot_rows *truth, mot_rows *found, mot_sums *sums)
{
    mot_sequence s;
    ROTO_TRY(mot_sequence_init(truth, found, &s));
    sums->n_gt_boxes = (int64_t)s.truth.n;
    sums->n_gt_ids = (int64_t)s.truth.n_ids;
    sums->n_boxes = (int64_t)s.found.n;
    sums->n_ids = (int64_t)s.found.n_ids;
    roto_status status = hota_measure(&s, &sums->hota);
    if (status == ROTO_OK)
        status = clear_measure(&s, &sums->clear);
    if (status == ROTO_OK)
        status = identity_measure(&s, &sums->idtp);
    mot_sequence_release(&s);
    return status;
}

static roto_status evaluate(const char *gt_dir, const char *results_dir, const char *name,
                            mot_sums *sums)
{
    *sums = (mot_sums){0};
    mot_rows truth = {0}, found = {0};
    char *gt_path = join(gt_dir, name, "/gt/gt.txt");
    char *ini_path = join(gt_dir, name, "/seqinfo.ini");
    char *found_path = join(results_dir, name, ".txt");
    roto_status status = ROTO_ERROR_MEMORY;
    if (!gt_path || !ini_path || !found_path)
        goto done;
    status = mot_read(gt_path, MOT_TRACKS, &truth);
    if (status == ROTO_OK)
        status = mot_read(found_path, MOT_TRACKS, &found);
    if (status == ROTO_OK)
        status = find_length(ini_path, gt_path, &truth, found_path, &found, &sums->n_frames);
    if (status != ROTO_OK)
        goto done;
    status = measure(&truth, &found, sums);
    if (status != ROTO_OK)
        status = roto_fail_context(status, "sequence %s", name);
done:
    free(gt_path);
    free(ini_path);
    free(found_path);
    mot_rows_free(&truth);
    mot_rows_free(&found);
    return status;
}

static roto_status evaluate_all(const char *gt_dir, const char *results_dir, const names *list,
                                roto_mot_scores *scores)
{
    mot_sums total = {0};
    for (size_t i = 0; i < list->n; i++) {
        mot_sums sums;
        ROTO_TRY(evaluate(gt_dir, results_dir, list->items[i], &sums));
        mot_sums_add(&total, &sums);
        scores[i] = mot_sums_scores(&sums, false);
        snprintf(scores[i].name, sizeof(scores[i].name), "%s", list->items[i]);
    }
    scores[list->n] = mot_sums_scores(&total, true);
    snprintf(scores[list->n].name, sizeof(scores[list->n].name), "COMBINED");
    return ROTO_OK;
}

roto_status roto_eval_mot(const char *gt_dir, const char *results_dir, const char *const *sequences,
                          int32_t n_sequences, roto_mot_scores **scores, int32_t *n_scores)
{
    if (!gt_dir || !results_dir || !scores || !n_scores)
        return roto_fail(ROTO_ERROR_ARGUMENT, "evaluation: a folder or a place for scores is NULL");
    *scores = NULL;
    *n_scores = 0;
    names list = {0};
    roto_mot_scores *all = NULL;
    roto_status status =
        sequences ? names_take(sequences, n_sequences, &list) : list_sequences(gt_dir, &list);
    if (status == ROTO_OK)
        status = names_check(&list, sizeof((*scores)->name) - 1);
    if (status != ROTO_OK)
        goto done;
    all = memory_new_array(list.n + 1, sizeof(*all));
    status = all ? evaluate_all(gt_dir, results_dir, &list, all) : ROTO_ERROR_MEMORY;
    if (status != ROTO_OK)
        goto done;
    *scores = all;
    *n_scores = (int32_t)(list.n + 1);
    all = NULL;
done:
    free(all);
    names_free(&list);
    return status;
}
