#!/usr/bin/env python3
"""Writes ap.json beside this script: random boxes and what pycocotools makes of them.

Usage: make_ap_golden.py            (needs numpy and pycocotools)

Coordinates are whole pixels or tenths and scores have few digits, so that ties and overlaps that lie
exactly on a threshold occur often.
"""
import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def random_box(rng, step):
    w, h = rng.integers(8, 60, 2)
    x, y = rng.integers(0, 200, 2)
    return [round(float(v) * step, 1) for v in (x, y, w, h)]


def moved(rng, box, step):
    x, y, w, h = box
    dx, dy, dw, dh = (float(v) * step for v in rng.integers(-2, 3, 4))
    corner = [max(0.0, x + dx), max(0.0, y + dy)]
    return [round(v, 1) for v in [*corner, max(step, w + dw), max(step, h + dh)]]


def make_case(name, seed, n_images, n_classes, step, boxes, extra, drop, digits):
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for image in range(n_images):
        for _ in range(rng.integers(0, boxes + 1)):
            box, cls = random_box(rng, step), int(rng.integers(n_classes))
            truth.append([image, cls, *box])
            while rng.random() > drop:  # several detections for one box
                kind = cls if rng.random() < 0.9 else int(rng.integers(n_classes + 1))
                found.append([image, kind, *moved(rng, box, step), round(rng.random(), digits)])
        for _ in range(rng.integers(0, extra + 1)):
            kind = int(rng.integers(n_classes + 1))  # one class has no ground truth
            found.append([image, kind, *random_box(rng, step), round(rng.random(), digits)])
    return {"name": name, "n_images": n_images, "truth": truth, "found": found}


def evaluate(case):
    classes = sorted({t[1] for t in case["truth"]})
    data = {
        "info": {},
        "images": [{"id": i + 1} for i in range(case["n_images"])],
        "categories": [{"id": c} for c in classes],
        "annotations": [
            {"id": k + 1, "image_id": t[0] + 1, "category_id": t[1], "bbox": t[2:6],
             "area": t[4] * t[5], "iscrowd": 0}
            for k, t in enumerate(case["truth"])
        ],
    }
    results = [{"image_id": f[0] + 1, "category_id": f[1], "bbox": f[2:6], "score": f[6]}
               for f in case["found"]]
    truth = COCO()
    truth.dataset = data
    truth.createIndex()
    coco = COCOeval(truth, truth.loadRes(results) if results else COCO(), "bbox")
    coco.evaluate()
    coco.accumulate()
    coco.summarize()
    mean = {"class": -1, "ap": coco.stats[0], "ap50": coco.stats[1], "ap75": coco.stats[2],
            "ar100": coco.stats[8]}
    scores = [mean]
    for k, c in enumerate(classes):
        precision, recall = coco.eval["precision"][:, :, k, 0, 2], coco.eval["recall"][:, k, 0, 2]
        scores.append({"class": c, "ap": precision.mean(), "ap50": precision[0].mean(),
                       "ap75": precision[5].mean(), "ar100": recall.mean()})
    return scores


def main():
    cases = [
        make_case("whole pixels, many ties", 1, 12, 3, 1.0, 8, 4, 0.4, 1),
        make_case("tenths of pixels", 2, 20, 4, 0.1, 6, 3, 0.5, 4),
        make_case("one crowded image", 3, 1, 1, 1.0, 60, 260, 0.2, 2),
        make_case("few detections", 4, 15, 2, 1.0, 5, 0, 0.8, 3),
        make_case("no detections", 5, 4, 2, 1.0, 4, 0, 1.0, 3),
    ]
    for case in cases:
        with contextlib.redirect_stdout(io.StringIO()):
            case["scores"] = evaluate(case)
    path = pathlib.Path(__file__).with_name("ap.json")
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
