#include "base/memory.h"
#include "eval/mot_measures.h"
#include "track/assignment.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Two identities that were paired in a frame. */
typedef struct pair {
    int32_t truth_id, found_id;
    double overlap;
} pair;

typedef struct hota {
    mot_sequence *s;
    double *alignment; /* [truth identities, result identities] */
    double *row_sum, *column_sum, *gain;
    int *column_of_row;
    assignment *pairing;
    pair *pairs;
    size_t n_pairs;
} hota;

static double least_overlap(int a)
{
    return 0.05 + a * 0.05 - DBL_EPSILON;
}

static double *alignment_at(const hota *h, int32_t truth_id, int32_t found_id)
{
    return &h->alignment[(size_t)truth_id * h->s->found.n_ids + (size_t)found_id];
}

/* Adds what a frame says about which identities belong together: each pair's share of all the
 * overlaps that its two boxes have. */
static void add_alignment(const hota *h, const mot_frame *f)
{
    for (size_t j = 0; j < f->n_found; j++)
        h->column_sum[j] = 0;
    for (size_t i = 0; i < f->n_truth; i++) {
        h->row_sum[i] = 0;
        for (size_t j = 0; j < f->n_found; j++) {
            h->row_sum[i] += f->overlap[i * f->n_found + j];
            h->column_sum[j] += f->overlap[i * f->n_found + j];
        }
    }
    for (size_t i = 0; i < f->n_truth; i++)
        for (size_t j = 0; j < f->n_found; j++) {
            double overlap = f->overlap[i * f->n_found + j];
            double all = h->column_sum[j] + h->row_sum[i] - overlap;
            if (all > DBL_EPSILON)
                *alignment_at(h, f->truth_id[i], f->found_id[j]) += overlap / all;
        }
}

/* From sums of shares to the global alignment score, equation 21. */
static void finish_alignment(const hota *h)
{
    const mot_side *truth = &h->s->truth, *found = &h->s->found;
    for (size_t t = 0; t < truth->n_ids; t++)
        for (size_t f = 0; f < found->n_ids; f++) {
            double *at = &h->alignment[t * found->n_ids + f];
            *at /= truth->length[t] + found->length[f] - *at;
        }
}

/* Pairs the boxes of a frame so that identities which belong together meet. */
static void match_frame(hota *h, const mot_frame *f)
{
    if (f->n_truth == 0 || f->n_found == 0)
        return;
    for (size_t i = 0; i < f->n_truth; i++)
        for (size_t j = 0; j < f->n_found; j++)
            h->gain[i * f->n_found + j] =
                *alignment_at(h, f->truth_id[i], f->found_id[j]) * f->overlap[i * f->n_found + j];
    assignment_solve(h->pairing, h->gain, (int)f->n_truth, (int)f->n_found, h->column_of_row);
    for (size_t i = 0; i < f->n_truth; i++) {
        int j = h->column_of_row[i];
        if (j >= 0)
            h->pairs[h->n_pairs++] =
                (pair){f->truth_id[i], f->found_id[j], f->overlap[i * f->n_found + (size_t)j]};
    }
}

static int compare_pairs(const void *left, const void *right)
{
    const pair *a = left, *b = right;
    if (a->truth_id != b->truth_id)
        return a->truth_id < b->truth_id ? -1 : 1;
    return (a->found_id > b->found_id) - (a->found_id < b->found_id);
}

/* Adds the pairs first..end - 1, all of the same two identities. */
static void add_pairs(const hota *h, size_t first, size_t end, hota_sums *out)
{
    double boxes =
        h->s->truth.length[h->pairs[first].truth_id] + h->s->found.length[h->pairs[first].found_id];
    for (int a = 0; a < HOTA_N_OVERLAPS; a++) {
        int64_t n = 0;
        for (size_t i = first; i < end; i++) {
            if (h->pairs[i].overlap < least_overlap(a))
                continue;
            n++;
            out->overlap[a] += h->pairs[i].overlap;
        }
        out->tp[a] += n;
        out->association[a] += (double)n * (double)n / (boxes - (double)n);
    }
}

roto_status hota_measure(mot_sequence *s, hota_sums *out)
{
    *out = (hota_sums){0};
    if (s->truth.n == 0 || s->found.n == 0)
        return ROTO_OK;
    size_t n_truth = s->truth.most_in_frame, n_found = s->found.most_in_frame;
    hota h = {
        .s = s,
        .alignment = memory_new_array(s->truth.n_ids * s->found.n_ids, sizeof(double)),
        .row_sum = memory_new_array(n_truth, sizeof(double)),
        .column_sum = memory_new_array(n_found, sizeof(double)),
        .gain = memory_new_array(n_truth * n_found, sizeof(double)),
        .column_of_row = memory_new_array(n_truth, sizeof(int)),
        .pairs = memory_new_array(s->truth.n < s->found.n ? s->truth.n : s->found.n, sizeof(pair))};
    roto_status status = ROTO_ERROR_MEMORY;
    if (!h.alignment || !h.row_sum || !h.column_sum || !h.gain || !h.column_of_row || !h.pairs)
        goto done;
    status = assignment_new((int)n_truth, (int)n_found, &h.pairing);
    if (status != ROTO_OK)
        goto done;
    mot_frame frame;
    for (mot_sequence_rewind(s); mot_sequence_next(s, &frame);)
        add_alignment(&h, &frame);
    finish_alignment(&h);
    for (mot_sequence_rewind(s); mot_sequence_next(s, &frame);)
        match_frame(&h, &frame);
    qsort(h.pairs, h.n_pairs, sizeof(*h.pairs), compare_pairs);
    for (size_t first = 0, end; first < h.n_pairs; first = end) {
        for (end = first; end < h.n_pairs && compare_pairs(&h.pairs[first], &h.pairs[end]) == 0;)
            end++;
        add_pairs(&h, first, end, out);
    }
done:
    free(h.alignment);
    free(h.row_sum);
    free(h.column_sum);
    free(h.gain);
    free(h.column_of_row);
    free(h.pairs);
    assignment_free(h.pairing);
    return status;
}
