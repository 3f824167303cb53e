/* eval/mot_sequence.h - ground truth and results of one sequence, side by side, frame by frame.
 *
 * The order of boxes in a frame is that of the files, since it decides between equally good
 * pairings.
 */
#ifndef EVAL_MOT_SEQUENCE_H
#define EVAL_MOT_SEQUENCE_H

#include "format/mot_text.h"

#include <stdbool.h>

/* One side. Identities are renumbered 0 .. n_ids - 1. */
typedef struct mot_side {
    mot_row *rows;
    size_t n;
    int32_t *id;    /* per row */
    double *length; /* per identity: its number of rows */
    size_t n_ids, most_in_frame;
} mot_side;

/* The boxes of the frame that is looked at: overlap is [n_truth, n_found], intersection divided by
 * union, and the identities of its rows and columns are truth_id and found_id. */
typedef struct mot_frame {
    size_t n_truth, n_found;
    const int32_t *truth_id, *found_id;
    const double *overlap;
} mot_frame;

typedef struct mot_sequence {
    mot_side truth, found;
    double *overlap; /* of the current frame */
    size_t truth_at, found_at;
} mot_sequence;

/* Takes the rows over (they are emptied); leaves out ground truth whose flag is 0. */
roto_status mot_sequence_init(mot_rows *truth, mot_rows *found, mot_sequence *out);
void mot_sequence_release(mot_sequence *s);

/* Goes through the frames that have boxes on either side; the first call after a rewind gives the
 * first one. False at the end. */
void mot_sequence_rewind(mot_sequence *s);
bool mot_sequence_next(mot_sequence *s, mot_frame *frame);

#endif
