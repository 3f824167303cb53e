#include "eval/davis_rows.h"

#include "base/memory.h"
#include "eval/davis_measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void davis_rows_free(davis_rows *rows)
{
    free(rows->rows);
    free(rows->frames);
    free(rows->j);
    free(rows->f);
    *rows = (davis_rows){0};
}

static roto_davis_scores *add_row(davis_rows *rows, const char *sequence)
{
    if (!memory_grow((void **)&rows->rows, &rows->capacity, rows->n + 1, sizeof(*rows->rows)))
        return NULL;
    roto_davis_scores *row = &rows->rows[rows->n++];
    *row = (roto_davis_scores){0};
    snprintf(row->sequence, sizeof(row->sequence), "%s", sequence);
    return row;
}

roto_status davis_rows_object(davis_rows *rows, const char *sequence, int32_t object,
                              int64_t n_frames, double seconds)
{
    roto_davis_scores *row = add_row(rows, sequence);
    if (!row)
        return ROTO_ERROR_MEMORY;
    row->object = object;
    row->n_objects = 1;
    row->n_frames = n_frames;
    row->seconds = seconds;
    return ROTO_OK;
}

roto_status davis_rows_value(davis_rows *rows, int32_t frame, double j, double f)
{
    const size_t n = rows->n_values + 1;
    if (!memory_grow((void **)&rows->frames, &rows->frames_capacity, n, sizeof(*rows->frames)) ||
        !memory_grow((void **)&rows->j, &rows->j_capacity, n, sizeof(*rows->j)) ||
        !memory_grow((void **)&rows->f, &rows->f_capacity, n, sizeof(*rows->f)))
        return ROTO_ERROR_MEMORY;
    rows->frames[n - 1] = frame;
    rows->j[n - 1] = j;
    rows->f[n - 1] = f;
    rows->n_values = n;
    rows->rows[rows->n - 1].n_scored++;
    return ROTO_OK;
}

void davis_rows_object_done(davis_rows *rows)
{
    roto_davis_scores *row = &rows->rows[rows->n - 1];
    const size_t n = (size_t)row->n_scored, first = rows->n_values - n;
    const davis_statistics j = davis_statistics_of(n ? rows->j + first : NULL, n);
    const davis_statistics f = davis_statistics_of(n ? rows->f + first : NULL, n);
    row->j_mean = j.mean;
    row->j_recall = j.recall;
    row->j_decay = j.decay;
    row->f_mean = f.mean;
    row->f_recall = f.recall;
    row->f_decay = f.decay;
}

roto_status davis_rows_mean(davis_rows *rows, size_t first, const char *name)
{
    roto_davis_scores sum = {0};
    int32_t n_scored = 0; /* objects */
    const char *sequence = "";
    for (size_t i = first; i < rows->n; i++) {
        const roto_davis_scores *row = &rows->rows[i];
        if (row->object == 0)
            continue;
        sum.n_objects++;
        sum.n_scored += row->n_scored;
        if (strcmp(sequence, row->sequence) != 0) {
            sum.n_frames += row->n_frames;
            sum.seconds += row->seconds;
            sequence = row->sequence;
        }
        if (row->n_scored == 0)
            continue;
        n_scored++;
        sum.j_mean += row->j_mean;
        sum.j_recall += row->j_recall;
        sum.j_decay += row->j_decay;
        sum.f_mean += row->f_mean;
        sum.f_recall += row->f_recall;
        sum.f_decay += row->f_decay;
    }
    double *means[] = {&sum.j_mean, &sum.j_recall, &sum.j_decay,
                       &sum.f_mean, &sum.f_recall, &sum.f_decay};
    for (size_t i = 0; i < sizeof(means) / sizeof(means[0]); i++)
        *means[i] = n_scored ? *means[i] / n_scored : NAN;
    roto_davis_scores *row = add_row(rows, name); /* may move the rows: `sequence` is void now */
    if (!row)
        return ROTO_ERROR_MEMORY;
    memcpy(sum.sequence, row->sequence, sizeof(sum.sequence));
    *row = sum;
    return ROTO_OK;
}

roto_status davis_rows_finish(const davis_rows *rows, roto_davis_scores **scores, int32_t *n_scores)
{
    /* Doubles come before the numbers of frames, so that both are aligned. */
    const size_t row_bytes = rows->n * sizeof(*rows->rows);
    char *block =
        memory_new_array(row_bytes + rows->n_values * (2 * sizeof(double) + sizeof(int32_t)), 1);
    if (!block)
        return ROTO_ERROR_MEMORY;
    roto_davis_scores *out = (roto_davis_scores *)(void *)block;
    double *j = (double *)(void *)(block + row_bytes), *f = j + rows->n_values;
    int32_t *frames = (int32_t *)(void *)(f + rows->n_values);
    memcpy(out, rows->rows, row_bytes);
    if (rows->n_values) {
        memcpy(j, rows->j, rows->n_values * sizeof(*j));
        memcpy(f, rows->f, rows->n_values * sizeof(*f));
        memcpy(frames, rows->frames, rows->n_values * sizeof(*frames));
    }
    size_t at = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (out[i].object == 0)
            continue;
        out[i].j = j + at;
        out[i].f = f + at;
        out[i].frame = frames + at;
        at += (size_t)out[i].n_scored;
    }
    *scores = out;
    *n_scores = (int32_t)rows->n;
    return ROTO_OK;
}
