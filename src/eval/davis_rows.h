/* eval/davis_rows.h - scores of many sequences, gathered and handed out as one block. */
#ifndef EVAL_DAVIS_ROWS_H
#define EVAL_DAVIS_ROWS_H

#include <roto/eval.h>

/* Start with {0}. */
typedef struct davis_rows {
    roto_davis_scores *rows; /* frame, j and f are not set before davis_rows_finish() */
    size_t n, capacity;
    int32_t *frames; /* of all objects, one behind the other */
    double *j, *f;
    size_t n_values, frames_capacity, j_capacity, f_capacity;
} davis_rows;

void davis_rows_free(davis_rows *rows);

/* Adds an object's row from what davis_rows_value() gets after it. */
roto_status davis_rows_object(davis_rows *rows, const char *sequence, int32_t object,
                              int64_t n_frames, double seconds);
roto_status davis_rows_value(davis_rows *rows, int32_t frame, double j, double f);

/* Computes the latest object's statistics. */
void davis_rows_object_done(davis_rows *rows);

/* Adds the mean of the objects in rows from `first` on. */
roto_status davis_rows_mean(davis_rows *rows, size_t first, const char *name);

/* One block of memory that holds all. */
roto_status davis_rows_finish(const davis_rows *rows, roto_davis_scores **scores,
                              int32_t *n_scores);

#endif
