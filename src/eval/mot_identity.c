#include "base/memory.h"
#include "eval/mot_measures.h"
#include "track/assignment.h"

#include <stdlib.h>

static const double LEAST_OVERLAP = 0.5;

static void count_agreements(mot_sequence *s, double *agreements)
{
    mot_frame f;
    for (mot_sequence_rewind(s); mot_sequence_next(s, &f);)
        for (size_t i = 0; i < f.n_truth; i++)
            for (size_t j = 0; j < f.n_found; j++)
                agreements[(size_t)f.truth_id[i] * s->found.n_ids + (size_t)f.found_id[j]] +=
                    f.overlap[i * f.n_found + j] >= LEAST_OVERLAP;
}

roto_status identity_measure(mot_sequence *s, int64_t *idtp)
{
    *idtp = 0;
    if (s->truth.n == 0 || s->found.n == 0)
        return ROTO_OK;
    size_t n_truth = s->truth.n_ids, n_found = s->found.n_ids;
    double *agreements = memory_new_array(n_truth * n_found, sizeof(*agreements));
    int *column_of_row = memory_new_array(n_truth, sizeof(*column_of_row));
    assignment *pairing = NULL;
    roto_status status = ROTO_ERROR_MEMORY;
    if (!agreements || !column_of_row)
        goto done;
    status = assignment_new((int)n_truth, (int)n_found, &pairing);
    if (status != ROTO_OK)
        goto done;
    count_agreements(s, agreements);
    assignment_solve(pairing, agreements, (int)n_truth, (int)n_found, column_of_row);
    for (size_t t = 0; t < n_truth; t++)
        if (column_of_row[t] >= 0)
            *idtp += (int64_t)agreements[t * n_found + (size_t)column_of_row[t]];
done:
    free(agreements);
    free(column_of_row);
    assignment_free(pairing);
    return status;
}
