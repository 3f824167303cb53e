#include "eval/mot_measures.h"

#include <math.h>

void mot_sums_add(mot_sums *total, const mot_sums *part)
{
    for (int a = 0; a < HOTA_N_OVERLAPS; a++) {
        total->hota.tp[a] += part->hota.tp[a];
        total->hota.association[a] += part->hota.association[a];
        total->hota.overlap[a] += part->hota.overlap[a];
    }
    total->clear.tp += part->clear.tp;
    total->clear.fp += part->clear.fp;
    total->clear.fn += part->clear.fn;
    total->clear.id_switches += part->clear.id_switches;
    total->clear.fragments += part->clear.fragments;
    total->clear.mostly_tracked += part->clear.mostly_tracked;
    total->clear.partly_tracked += part->clear.partly_tracked;
    total->clear.mostly_lost += part->clear.mostly_lost;
    total->clear.overlap += part->clear.overlap;
    total->idtp += part->idtp;
    total->n_frames += part->n_frames;
    total->n_gt_boxes += part->n_gt_boxes;
    total->n_gt_ids += part->n_gt_ids;
    total->n_boxes += part->n_boxes;
    total->n_ids += part->n_ids;
}

/* A share of nothing is 0. */
static double share(double part, double whole)
{
    return part / fmax(1, whole);
}

static void score_hota(const mot_sums *sums, roto_mot_scores *out)
{
    const hota_sums *h = &sums->hota;
    for (int a = 0; a < HOTA_N_OVERLAPS; a++) {
        double tp = (double)h->tp[a];
        double detection = share(tp, (double)(sums->n_gt_boxes + sums->n_boxes) - tp);
        double association = share(h->association[a], tp);
        out->hota += sqrt(detection * association) / HOTA_N_OVERLAPS;
        out->deta += detection / HOTA_N_OVERLAPS;
        out->assa += association / HOTA_N_OVERLAPS;
        out->loca += (h->tp[a] ? h->overlap[a] / tp : 1) / HOTA_N_OVERLAPS;
    }
}

static void score_clear(const mot_sums *sums, bool combined, roto_mot_scores *out)
{
    const clear_sums *c = &sums->clear;
    out->tp = c->tp;
    out->fp = c->fp;
    out->fn = c->fn;
    out->id_switches = c->id_switches;
    out->fragments = c->fragments;
    out->mostly_tracked = c->mostly_tracked;
    out->partly_tracked = c->partly_tracked;
    out->mostly_lost = c->mostly_lost;
    double n_truth = (double)(c->tp + c->fn);
    out->motp = share(c->overlap, (double)c->tp);
    out->recall = share((double)c->tp, n_truth);
    out->precision = share((double)c->tp, (double)(c->tp + c->fp));
    if (n_truth > 0 || combined) /* alone, a sequence without ground truth has 0 in TrackEval */
        out->mota = share((double)(c->tp - c->fp - c->id_switches), n_truth);
}

roto_mot_scores mot_sums_scores(const mot_sums *sums, bool combined)
{
    roto_mot_scores out = {.n_frames = sums->n_frames,
                           .n_gt_boxes = sums->n_gt_boxes,
                           .n_gt_ids = sums->n_gt_ids,
                           .n_boxes = sums->n_boxes,
                           .n_ids = sums->n_ids,
                           .idtp = sums->idtp,
                           .idfn = sums->n_gt_boxes - sums->idtp,
                           .idfp = sums->n_boxes - sums->idtp};
    score_hota(sums, &out);
    score_clear(sums, combined, &out);
    out.id_precision = share((double)out.idtp, (double)sums->n_boxes);
    out.id_recall = share((double)out.idtp, (double)sums->n_gt_boxes);
    out.idf1 = share((double)out.idtp, 0.5 * (double)(sums->n_gt_boxes + sums->n_boxes));
    return out;
}
