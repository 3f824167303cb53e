#!/usr/bin/env python3
"""Runs the original SORT, ByteTrack and OC-SORT on MOTChallenge detections.

Usage: mot15_trackers.py --data DIR --out DIR [--sort DIR] [--bytetrack DIR] [--ocsort DIR] [--grid]

--data holds SEQUENCE/det/det.txt and SEQUENCE/seqinfo.ini. The other folders are clones of
  https://github.com/abewley/sort          (2236dff)
  https://github.com/ifzhang/ByteTrack     (d1bf019)
  https://github.com/noahcao/OC_SORT       (8462e7e)
which need `pip install numpy scipy filterpy lap cython_bbox opencv-python-headless`. Each tracker
runs with the parameters that its authors publish, with --grid also with every combination of a grid
around them. OUT/TRACKER/SETTINGS/SEQUENCE.txt are the results and OUT/index.json lists them:
bench/mot15 --peers OUT scores them next to roto, the best of each grid among them.

Every tracker sees the same frames and detections, and everything it reports counts: the filters by
area and aspect ratio that ByteTrack and OC-SORT put behind their tracker for pedestrians are one of
the published settings ("filtered").
"""
import argparse
import configparser
import importlib
import itertools
import json
import pathlib
import sys
import time
import types

import numpy as np

# Names that NumPy dropped after these trackers were written.
for name, kind in (("float", float), ("int", int), ("bool", bool)):
    if name not in np.__dict__:
        setattr(np, name, kind)


class Anything(types.ModuleType):
    """Stands in for modules that a tracker imports and never calls: plotting, PyTorch."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        inner = sys.modules.get(f"{self.__name__}.{name}")
        return inner or (lambda *args, **kwargs: None)


def stand_in(*names):
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            sys.modules[name] = Anything(name)


def package(name, folder):
    """A package without running its __init__.py, which drags in a detector."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def boxes_in(rows):
    found = rows[:, 2:7].copy()
    found[:, 2:4] += found[:, 0:2]
    return found


def sort_maker(folder):
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.patches", "skimage", "skimage.io"):
        sys.modules[name] = Anything(name)
    sys.path.insert(0, str(folder))
    module = importlib.import_module("sort")

    def make(settings):
        module.KalmanBoxTracker.count = 0
        tracker = module.Sort(**settings)

        def update(found):
            return [(int(t[4]), *t[:4]) for t in tracker.update(found)]

        return update

    return make


def bytetrack_maker(folder):
    stand_in("torch", "torch.nn", "torch.nn.functional")
    package("yolox", pathlib.Path(folder) / "yolox")
    package("yolox.tracker", pathlib.Path(folder) / "yolox" / "tracker")
    module = importlib.import_module("yolox.tracker.byte_tracker")
    base = importlib.import_module("yolox.tracker.basetrack")

    def make(settings):
        base.BaseTrack._count = 0
        known = {k: v for k, v in settings.items() if k != "filtered"}
        tracker = module.BYTETracker(argparse.Namespace(**known))

        def update(found):
            out = []
            for t in tracker.update(found.copy(), (1, 1), (1, 1)):
                x, y, w, h = t.tlwh
                if not settings["filtered"] or (w * h > 100 and w / h <= 1.6):
                    out.append((t.track_id, x, y, x + w, y + h))
            return out

        return update

    return make


def ocsort_maker(folder):
    package("trackers", pathlib.Path(folder) / "trackers")
    package("trackers.ocsort_tracker", pathlib.Path(folder) / "trackers" / "ocsort_tracker")
    module = importlib.import_module("trackers.ocsort_tracker.ocsort")

    def make(settings):
        known = {k: v for k, v in settings.items() if k != "filtered"}
        tracker = module.OCSort(**known)

        def update(found):
            out = []
            for x0, y0, x1, y1, number in tracker.update(found.copy(), (1, 1), (1, 1)):
                w, h = x1 - x0, y1 - y0
                if not settings["filtered"] or (w * h > 100 and w / h <= 1.6):
                    out.append((int(number), x0, y0, x1, y1))
            return out

        return update

    return make


PUBLISHED = {
    "SORT": [dict(max_age=1, min_hits=3, iou_threshold=0.3)],
    "ByteTrack": [
        dict(track_thresh=0.6, track_buffer=30, match_thresh=0.9, mot20=False, filtered=True)],
    "OC-SORT": [
        dict(det_thresh=0.6, max_age=30, min_hits=3, iou_threshold=0.3, delta_t=3, inertia=0.2,
             use_byte=False, filtered=True)],
}
GRID = {
    "SORT": dict(max_age=[1, 3, 10, 30], min_hits=[1, 2, 3], iou_threshold=[0.1, 0.2, 0.3]),
    "ByteTrack": dict(track_thresh=[0.5, 0.6, 0.7, 0.8], track_buffer=[15, 30, 60],
                      match_thresh=[0.7, 0.8, 0.9, 0.95], mot20=[False, True], filtered=[False]),
    "OC-SORT": dict(det_thresh=[0.5, 0.6, 0.7, 0.8], max_age=[15, 30], min_hits=[1, 2, 3],
                    iou_threshold=[0.1, 0.2, 0.3], delta_t=[3], inertia=[0.2],
                    use_byte=[False, True], filtered=[False]),
}
MAKERS = {"SORT": sort_maker, "ByteTrack": bytetrack_maker, "OC-SORT": ocsort_maker}


def settings_of(tracker, grid):
    chosen = [(s, True) for s in PUBLISHED[tracker]]
    if grid:
        names = list(GRID[tracker])
        chosen += [(dict(zip(names, values)), False)
                   for values in itertools.product(*GRID[tracker].values())]
    return chosen


def run(make, settings, sequences, folder):
    folder.mkdir(parents=True, exist_ok=True)
    seconds, n_frames = 0.0, 0
    for name, (length, rows) in sequences.items():
        update, lines = make(settings), []
        by_frame = {f: boxes_in(rows[rows[:, 0] == f]) for f in range(1, length + 1)}
        for frame, found in by_frame.items():
            start = time.perf_counter()
            tracks = update(found)
            seconds += time.perf_counter() - start
            for number, x0, y0, x1, y1 in tracks:
                lines.append(f"{frame},{number},{x0:.3f},{y0:.3f},{x1 - x0:.3f},{y1 - y0:.3f},"
                             "1,-1,-1,-1\n")
        n_frames += length
        (folder / f"{name}.txt").write_text("".join(lines))
    return 1000 * seconds / n_frames


def read_sequences(data):
    sequences = {}
    for ini in sorted(pathlib.Path(data).glob("*/seqinfo.ini")):
        info = configparser.ConfigParser()
        info.read(ini)
        rows = np.loadtxt(ini.parent / "det" / "det.txt", delimiter=",", ndmin=2)
        sequences[ini.parent.name] = (info.getint("Sequence", "seqLength"), rows)
    return sequences


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--grid", action="store_true")
    for tracker in MAKERS:
        parser.add_argument("--" + tracker.lower().replace("-", ""))
    args = parser.parse_args()
    sequences, out, index = read_sequences(args.data), pathlib.Path(args.out), []
    for tracker, maker in MAKERS.items():
        folder = getattr(args, tracker.lower().replace("-", ""))
        if not folder:
            continue
        make = maker(folder)
        for settings, published in settings_of(tracker, args.grid):
            slug = "_".join(f"{k}={v}" for k, v in settings.items())
            ms = run(make, settings, sequences, out / tracker / slug)
            index.append(dict(name=tracker, settings=settings, published=published,
                              ms_per_frame=ms, folder=f"{tracker}/{slug}"))
            print(f"{tracker} {slug}: {ms:.2f} ms a frame", flush=True)
            (out / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
