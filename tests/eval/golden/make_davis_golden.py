#!/usr/bin/env python3
"""Writes davis.json beside this script: masks, and J and F as TrackEval computes them.

Usage: make_davis_golden.py     (needs numpy, opencv-python, scikit-image, pycocotools and trackeval)

TrackEval's code of J and F is that of github.com/davisvideochallenge/davis2017-evaluation. Masks are
COCO's run lengths as text. Each frame has {id: mask} for the truth and for the result.
"""
import json
import pathlib

import numpy as np
from pycocotools import mask as coco
from trackeval.metrics.j_and_f import JAndF

np.bool = bool  # TrackEval still uses the name that numpy dropped
np.float = float


def encode(mask):
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))


def blob(rng, width, height, cx, cy, size):
    """An ellipse with a wavy outline."""
    y, x = np.mgrid[:height, :width]
    angle = np.arctan2(y - cy, x - cx)
    wave = 1 + 0.25 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(11 * angle)
    return ((x - cx) / 1.4) ** 2 + (y - cy) ** 2 < (size * wave) ** 2


def paint(width, height, layers):
    ids = np.zeros((height, width), np.uint8)
    for number, mask in layers:
        ids[mask] = number
    return ids


def statistics(values):
    values = np.array(values)
    n_bins = 4
    at = (np.round(np.linspace(1, len(values), n_bins + 1) + 1e-10) - 1).astype(int)
    bins = [values[at[i]:at[i + 1] + 1] for i in range(n_bins)]
    return {"mean": float(values.mean()), "recall": float((values > 0.5).mean()),
            "decay": float(bins[0].mean() - bins[3].mean())}


def scores(truth, found, number, frames):
    """J and F of the object in these frames."""
    gt = [[encode(truth[t] == number)] for t in frames]
    result = [[encode(found[t] == number)] for t in frames]
    j = JAndF._compute_j(gt, result, 1, 1, len(frames))[0, 0]
    f = JAndF._compute_f(gt, result, 0, 0, 0.008)
    out = {"object": int(number), "frame": [int(t) for t in frames], "j": [float(v) for v in j],
           "f": [float(v) for v in f]}
    if len(frames):
        out["j_statistics"], out["f_statistics"] = statistics(out["j"]), statistics(out["f"])
    return out


def as_runs(ids):
    return {str(n): encode(ids == n)["counts"].decode() for n in np.unique(ids) if n}


def sequence(name, truth, found, stored=None, binary=False):
    """`stored` is what the mask files hold, where that differs from what is scored."""
    n = len(truth)
    objects = []
    for number in np.unique(np.stack(truth)):
        if number == 0:
            continue
        first = next(t for t in range(n) if (truth[t] == number).any())
        objects.append(scores(truth, found, number, range(first + 1, n - 1)))
    height, width = truth[0].shape
    return {"name": name, "width": width, "height": height, "binary": binary, "objects": objects,
            "frames": [{"truth": as_runs(t), "found": as_runs(f)}
                       for t, f in zip(stored or truth, found)]}


def one_object(rng):
    """Sizes of every kind: nothing found, nothing there, neither, all of the picture."""
    width, height, n = 503, 401, 12
    truth, found = [], []
    for t in range(n):
        at = (60 + 38 * t, 90 + 20 * t, 50 + 3 * t)
        truth.append(paint(width, height, [(1, blob(rng, width, height, *at))]))
        at = (at[0] + 1.5 * t, at[1] - t, at[2] + 0.5 * t)
        found.append(paint(width, height, [(1, blob(rng, width, height, *at))]))
    found[3][:] = 0
    truth[4][:] = 0
    truth[5][:] = 0
    found[5][:] = 0
    found[6][:] = 1
    truth[7] = found[7].copy()
    return sequence("one", truth, found, [t * np.uint8(255) for t in truth], True)


def several_objects(rng):
    """Objects before each other, one that comes later, and parts that are of none (255)."""
    width, height, n = 97, 64, 9
    truth, found, stored = [], [], []
    for t in range(n):
        layers = [(1, (20 + 4 * t, 20, 12)), (2, (70 - 3 * t, 40, 15)), (5, (48, 50 - 2 * t, 7))]
        layers = layers[:2 if t < 2 else 3]
        truth.append(paint(width, height, [(i, blob(rng, width, height, *at)) for i, at in layers]))
        found.append(paint(width, height, [(i, blob(rng, width, height, at[0] + 1, at[1], at[2]))
                                           for i, at in layers]))
        file = truth[-1].copy()
        file[:4, :9] = 255
        truth[-1][:4, :9] = 0
        stored.append(file)
    return sequence("several", truth, found, stored)


def noise(rng):
    """Single pixels, also along all edges."""
    width, height, n = 41, 300, 4
    truth = [(rng.random((height, width)) < 0.02).astype(np.uint8) for _ in range(n)]
    found = [(rng.random((height, width)) < 0.3).astype(np.uint8) for _ in range(n)]
    return sequence("noise", truth, found)


def main():
    rng = np.random.default_rng(16)
    lists = [[round(float(v), 3) for v in rng.random(n)] for n in (1, 2, 3, 4, 5, 7, 10, 11, 48, 402)]
    golden = {"sequences": [one_object(rng), several_objects(rng), noise(rng)],
              "statistics": [{"values": v, **statistics(v)} for v in lists]}
    path = pathlib.Path(__file__).with_name("davis.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
