/* eval/mot_measures.h - HOTA, CLEAR and identity measures of one sequence, as sums from which the
 * scores of a sequence and of several together follow.
 *
 * What the papers leave open (ties, frames without boxes, empty sequences) is decided as in
 * TrackEval, the benchmark's official code.
 */
#ifndef EVAL_MOT_MEASURES_H
#define EVAL_MOT_MEASURES_H

#include "eval/mot_sequence.h"

#include <roto/eval.h>

enum { HOTA_N_OVERLAPS = 19 }; /* 0.05, 0.10 ... 0.95 */

/* Per overlap: pairs that overlap at least so much, the sum over them of their association score
 * and of their overlaps. */
typedef struct hota_sums {
    int64_t tp[HOTA_N_OVERLAPS];
    double association[HOTA_N_OVERLAPS], overlap[HOTA_N_OVERLAPS];
} hota_sums;

typedef struct clear_sums {
    int64_t tp, fp, fn, id_switches, fragments;
    int64_t mostly_tracked, partly_tracked, mostly_lost;
    double overlap; /* of the pairs */
} clear_sums;

typedef struct mot_sums {
    hota_sums hota;
    clear_sums clear;
    int64_t idtp;
    int64_t n_frames, n_gt_boxes, n_gt_ids, n_boxes, n_ids;
} mot_sums;

/* Luiten et al. 2020, sections 5 and 6. */
roto_status hota_measure(mot_sequence *s, hota_sums *out);

/* Bernardin and Stiefelhagen 2008 with pairs that overlap by half or more. */
roto_status clear_measure(mot_sequence *s, clear_sums *out);

/* Ristani et al. 2016, section 2.2: the boxes that agree when each identity is paired with at most
 * one of the other side, for the pairing with most of them. */
roto_status identity_measure(mot_sequence *s, int64_t *idtp);

void mot_sums_add(mot_sums *total, const mot_sums *part);

/* `combined`: of several sequences. The name is left empty. */
roto_mot_scores mot_sums_scores(const mot_sums *sums, bool combined);

#endif
