#include "base/memory.h"
#include "eval/mot_measures.h"
#include "track/assignment.h"

#include <float.h>
#include <stdlib.h>

static const double LEAST_OVERLAP = 0.5 - DBL_EPSILON;

/* More than all overlaps of a frame together, so that going on with last frame's pairs comes first
 * and the overlap second. */
static const double CONTINUATION = 1000;

static const double MOSTLY_TRACKED = 0.8, MOSTLY_LOST = 0.2; /* shares of an object's life */

/* What happened to an identity of the ground truth. */
typedef struct life {
    int32_t partner;      /* its latest one; -1: none yet */
    int32_t last_partner; /* in the frame compared before this one; -1: none */
    int32_t next_partner; /* in this one */
    int64_t n_matched, n_pieces;
} life;

typedef struct clear {
    mot_sequence *s;
    life *lives;
    double *gain;
    int *column_of_row;
    assignment *pairing;
} clear;

static void pair_boxes(const clear *c, const mot_frame *f)
{
    for (size_t i = 0; i < f->n_truth; i++) {
        int32_t last = c->lives[f->truth_id[i]].last_partner;
        for (size_t j = 0; j < f->n_found; j++) {
            double overlap = f->overlap[i * f->n_found + j];
            double gain = (f->found_id[j] == last ? CONTINUATION : 0) + overlap;
            c->gain[i * f->n_found + j] = overlap < LEAST_OVERLAP ? 0 : gain;
        }
    }
    assignment_solve(c->pairing, c->gain, (int)f->n_truth, (int)f->n_found, c->column_of_row);
}

/* A frame without boxes on one side is not compared: what was tracked before it and is tracked
 * after it counts as one piece, as in the benchmark's code. */
static void add_frame(const clear *c, const mot_frame *f, clear_sums *out)
{
    int64_t n_matched = 0;
    if (f->n_truth > 0 && f->n_found > 0) {
        pair_boxes(c, f);
        for (size_t i = 0; i < f->n_truth; i++) {
            int j = c->column_of_row[i];
            if (j < 0)
                continue;
            life *l = &c->lives[f->truth_id[i]];
            l->next_partner = f->found_id[j];
            out->id_switches += l->partner >= 0 && l->partner != l->next_partner;
            l->partner = l->next_partner;
            l->n_pieces += l->last_partner < 0;
            l->n_matched++;
            n_matched++;
            out->overlap += f->overlap[i * f->n_found + (size_t)j];
        }
        for (size_t id = 0; id < c->s->truth.n_ids; id++) {
            c->lives[id].last_partner = c->lives[id].next_partner;
            c->lives[id].next_partner = -1;
        }
    }
    out->tp += n_matched;
    out->fn += (int64_t)f->n_truth - n_matched;
    out->fp += (int64_t)f->n_found - n_matched;
}

static void add_lives(const clear *c, clear_sums *out)
{
    for (size_t id = 0; id < c->s->truth.n_ids; id++) {
        const life *l = &c->lives[id];
        double share = (double)l->n_matched / c->s->truth.length[id];
        if (share > MOSTLY_TRACKED)
            out->mostly_tracked++;
        else if (share >= MOSTLY_LOST)
            out->partly_tracked++;
        else
            out->mostly_lost++;
        out->fragments += l->n_pieces > 0 ? l->n_pieces - 1 : 0;
    }
}

roto_status clear_measure(mot_sequence *s, clear_sums *out)
{
    *out = (clear_sums){0};
    if (s->truth.n == 0 || s->found.n == 0) {
        out->fn = (int64_t)s->truth.n;
        out->fp = (int64_t)s->found.n;
        out->mostly_lost = (int64_t)s->truth.n_ids;
        return ROTO_OK;
    }
    size_t n_truth = s->truth.most_in_frame, n_found = s->found.most_in_frame;
    clear c = {.s = s,
               .lives = memory_new_array(s->truth.n_ids, sizeof(life)),
               .gain = memory_new_array(n_truth * n_found, sizeof(double)),
               .column_of_row = memory_new_array(n_truth, sizeof(int))};
    roto_status status = ROTO_ERROR_MEMORY;
    if (!c.lives || !c.gain || !c.column_of_row)
        goto done;
    status = assignment_new((int)n_truth, (int)n_found, &c.pairing);
    if (status != ROTO_OK)
        goto done;
    for (size_t id = 0; id < s->truth.n_ids; id++)
        c.lives[id] = (life){.partner = -1, .last_partner = -1, .next_partner = -1};
    mot_frame frame;
    for (mot_sequence_rewind(s); mot_sequence_next(s, &frame);)
        add_frame(&c, &frame, out);
    add_lives(&c, out);
done:
    free(c.lives);
    free(c.gain);
    free(c.column_of_row);
    assignment_free(c.pairing);
    return status;
}
