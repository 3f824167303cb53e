#!/usr/bin/env python3
"""Writes rle.json beside this script: masks and the run lengths that pycocotools makes of them.

Usage: make_rle_golden.py            (needs numpy and pycocotools)
"""
import json
import pathlib

import numpy as np
from pycocotools import mask as coco


def counts_of(text):
    """The list that COCO's annotations hold uncompressed; pycocotools only reads it."""
    counts, at = [], 0
    while at < len(text):
        number, shift, group = 0, 0, 0x20
        while group & 0x20:
            group = text[at] - 48
            number |= (group & 0x1f) << shift
            shift, at = shift + 5, at + 1
        if group & 0x10:
            number |= -1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
    return counts


def case(width, height, boxes):
    mask = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 1
    rle = coco.encode(np.asfortranarray(mask))
    counts = counts_of(rle["counts"])
    assert coco.frPyObjects({"size": [height, width], "counts": counts}, height, width) == rle
    return {"width": width, "height": height, "boxes": boxes, "counts": counts,
            "text": rle["counts"].decode(), "area": int(coco.area(rle))}


def pixels(rng, width, height, share):
    ys, xs = np.nonzero(rng.random((height, width)) < share)
    return [[int(x), int(y), int(x) + 1, int(y) + 1] for x, y in zip(xs, ys)]


def disk(width, height, radius):
    rows = []
    for y in range(height):
        half = radius ** 2 - (y - height // 2) ** 2
        if half >= 0:
            half = int(half ** 0.5)
            rows.append([max(0, width // 2 - half), y, min(width, width // 2 + half + 1), y + 1])
    return rows


def main():
    rng = np.random.default_rng(4)
    cases = [case(1, 1, []), case(1, 1, [[0, 0, 1, 1]]), case(23, 9, []), case(23, 9, [[0, 0, 23, 9]]),
             case(8, 3, [[0, 0, 8, 3]]), case(16, 5, [[0, 0, 8, 5]]), case(16, 5, [[8, 0, 16, 5]]),
             case(17, 5, [[16, 4, 17, 5]]), case(1, 40, [[0, 3, 1, 9]]), case(40, 1, [[3, 0, 29, 1]]),
             case(100, 80, disk(100, 80, 31)), case(64, 48, disk(64, 48, 60)),
             case(4000, 3000, [[7, 9, 8, 10], [3999, 2998, 4000, 3000], [1500, 0, 1502, 2900]])]
    for width, height, share in [(5, 7, 0.5), (19, 11, 0.1), (31, 16, 0.9), (24, 24, 0.02)]:
        cases.append(case(width, height, pixels(rng, width, height, share)))
    path = pathlib.Path(__file__).with_name("rle.json")
    path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
