#!/usr/bin/env python3
"""Prints what TrackEval, the official code, makes of MOT15 results, to compare with roto_eval_mot.

Usage: trackeval_scores.py GT_DIR RESULTS_DIR          (needs `pip install trackeval`)

One line a sequence and COMBINED_SEQ: HOTA DetA AssA LocA MOTA MOTP IDF1 and the counts.
"""
import configparser
import contextlib
import io
import pathlib
import sys

import numpy as np

for name, kind in (("float", float), ("int", int), ("bool", bool)):
    if name not in np.__dict__:
        setattr(np, name, kind)  # TrackEval's own repository is older than their removal

import trackeval  # noqa: E402


def lengths(gt_dir):
    found = {}
    for ini in sorted(pathlib.Path(gt_dir).glob("*/seqinfo.ini")):
        info = configparser.ConfigParser()
        info.read(ini)
        found[ini.parent.name] = info.getint("Sequence", "seqLength")
    return found


def evaluate(gt_dir, results_dir, seq_lengths):
    """{sequence: {"HOTA": ..., "CLEAR": ..., "Identity": ..., "Count": ...}}"""
    results_dir = pathlib.Path(results_dir).resolve()
    dataset = trackeval.datasets.MotChallenge2DBox(dict(
        GT_FOLDER=str(gt_dir), TRACKERS_FOLDER=str(results_dir.parent), SKIP_SPLIT_FOL=True,
        TRACKERS_TO_EVAL=[results_dir.name], TRACKER_SUB_FOLDER="", BENCHMARK="MOT15",
        SEQ_INFO=dict(seq_lengths), PRINT_CONFIG=False))
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(dict(PRINT_CONFIG=False)),
               trackeval.metrics.Identity(dict(PRINT_CONFIG=False))]
    evaluator = trackeval.Evaluator(dict(
        PRINT_RESULTS=False, PRINT_CONFIG=False, TIME_PROGRESS=False, OUTPUT_SUMMARY=False,
        OUTPUT_DETAILED=False, PLOT_CURVES=False, BREAK_ON_ERROR=True, DISPLAY_LESS_PROGRESS=False,
        OUTPUT_EMPTY_CLASSES=False, LOG_ON_ERROR=None))
    with contextlib.redirect_stdout(io.StringIO()):
        results, _ = evaluator.evaluate([dataset], metrics)
    results = results["MotChallenge2DBox"][results_dir.name]
    return {name: value["pedestrian"] for name, value in results.items()}


def scores(result):
    """The fields of roto_mot_scores."""
    hota, clear, ids, count = (result[k] for k in ("HOTA", "CLEAR", "Identity", "Count"))
    out = {k: float(np.mean(hota[v])) for k, v in
           dict(hota="HOTA", deta="DetA", assa="AssA", loca="LocA").items()}
    out.update({k: float(clear[v]) for k, v in dict(
        mota="MOTA", motp="MOTP", recall="CLR_Re", precision="CLR_Pr", tp="CLR_TP", fp="CLR_FP",
        fn="CLR_FN", id_switches="IDSW", fragments="Frag", mostly_tracked="MT",
        partly_tracked="PT", mostly_lost="ML").items()})
    out.update({k: float(ids[v]) for k, v in dict(
        idf1="IDF1", id_precision="IDP", id_recall="IDR", idtp="IDTP", idfp="IDFP",
        idfn="IDFN").items()})
    out.update({k: float(count[v]) for k, v in dict(
        n_gt_boxes="GT_Dets", n_gt_ids="GT_IDs", n_boxes="Dets", n_ids="IDs").items()})
    return out


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for sequence, result in evaluate(sys.argv[1], sys.argv[2], lengths(sys.argv[1])).items():
        print(sequence, " ".join(f"{k}={v:.9g}" for k, v in scores(result).items()))
