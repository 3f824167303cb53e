#!/usr/bin/env python3
"""Writes mot.json beside this script: small sequences, tracked badly, and what TrackEval makes of them.

Usage: make_mot_golden.py            (needs numpy and `pip install trackeval`, 1.3.0)

Coordinates are whole pixels, so that overlaps are often equal or lie exactly on a threshold; the
results switch and lose identities, come back, miss frames altogether and invent boxes. The
evaluation is that of bench/peers/trackeval_scores.py: TrackEval's MotChallenge2DBox with BENCHMARK
MOT15 and its default HOTA, CLEAR and Identity.
"""
import json
import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "bench" / "peers"))
import trackeval_scores  # noqa: E402


def walk(rng, n_frames, size):
    """Boxes of an object from its first to its last frame."""
    first, last = sorted(int(v) for v in rng.integers(1, n_frames + 1, 2))
    x, y = (int(v) for v in rng.integers(0, 10 * size, 2))
    dx, dy = (int(v) for v in rng.integers(-2, 3, 2))
    w, h = size, 2 * size
    for frame in range(first, last + 1):
        yield frame, [x, y, w, h]
        x, y = x + dx, y + dy


def make_sequence(rng, n_objects, n_frames, size, ignored, duplicate, empty):
    truth, found = [], []
    next_id = 100
    for number in range(1, n_objects + 1):
        identity, next_id = next_id, next_id + 1
        for frame, box in walk(rng, n_frames, size):
            truth.append([frame, 7 * number, *box, 0 if rng.random() < ignored else 1])
            if rng.random() < 0.06:  # a switch
                identity, next_id = next_id, next_id + 1
            if frame in empty or rng.random() < 0.2:  # a hole
                continue
            moved = [int(v + d) for v, d in zip(box, rng.integers(-2, 3, 4) * (size // 8))]
            found.append([frame, identity, *moved, 0.9])
            if rng.random() < duplicate:  # two boxes that fit equally well
                found.append([frame, identity + 500, *moved, 0.8])
    for frame in range(1, n_frames + 1):
        if frame not in empty and rng.random() < 0.3:
            found.append([frame, int(9000 + rng.integers(3)),
                          *(int(v) for v in rng.integers(1, 10 * size, 4)), 0.3])
    swap_identities(rng, found)
    rng.shuffle(found)
    return truth, found


def swap_identities(rng, found):
    """Two identities change places for good, as trackers do when people cross."""
    frames = sorted({row[0] for row in found})
    for frame in frames[::9]:
        ids = [row[1] for row in found if row[0] == frame]
        if len(ids) < 2:
            continue
        a, b = rng.choice(ids, 2, replace=False)
        for row in found:
            if row[0] >= frame and row[1] in (a, b):
                row[1] = int(a + b - row[1])


def lines(rows):
    return "".join(",".join(f"{v:g}" for v in row) + ",-1,-1,-1\n" for row in rows)


def cases():
    def sequence(seed, objects=6, frames=30, size=16, ignored=0.0, duplicate=0.0, empty=()):
        return (frames, *make_sequence(np.random.default_rng(seed), objects, frames, size, ignored,
                                       duplicate, empty))

    yield "plain", {"one": sequence(1)}
    yield "ties", {"one": sequence(2, duplicate=0.5), "two": sequence(3, 12, 25, 8, duplicate=0.3)}
    yield "empty frames", {"one": sequence(4, empty=(5, 6, 7, 20)), "two": sequence(5, 3, 40)}
    yield "ignored boxes", {"one": sequence(6, ignored=0.2), "two": sequence(7, 20, 20, 16, 0.3)}
    yield "crowd", {"one": sequence(8, 40, 20, 24, 0.05, 0.1)}
    one = sequence(9)
    yield "nothing found", {"one": (one[0], one[1], []), "two": sequence(10)}
    yield "nothing to find", {"one": (one[0], [], one[2]), "two": sequence(11)}
    yield "all ignored", {"one": (one[0], [r[:6] + [0] for r in one[1]], one[2])}
    yield "perfect", {"one": (one[0], one[1], [r[:6] + [1] for r in one[1]])}


def evaluate(sequences):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "results").mkdir()
        for name, (_, truth, found) in sequences.items():
            (folder / "gt" / name / "gt").mkdir(parents=True)
            (folder / "gt" / name / "gt" / "gt.txt").write_text(lines(truth))
            (folder / "results" / f"{name}.txt").write_text(lines(found))
        results = trackeval_scores.evaluate(folder / "gt", folder / "results",
                                            {name: s[0] for name, s in sequences.items()})
    return {name.replace("COMBINED_SEQ", "COMBINED"): trackeval_scores.scores(result)
            for name, result in results.items()}


def main():
    out = [{"name": name,
            "sequences": {k: {"n_frames": n, "truth": lines(t), "found": lines(f)}
                          for k, (n, t, f) in sequences.items()},
            "scores": evaluate(sequences)} for name, sequences in cases()]
    (HERE / "mot.json").write_text(json.dumps(out, indent=0) + "\n")


if __name__ == "__main__":
    main()
