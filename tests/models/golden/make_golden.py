#!/usr/bin/env python3
"""Writes what the detector's tests expect: detections of ONNX Runtime, and letterboxed bytes of OpenCV."""
import json
import pathlib
import sys

import cv2
import numpy as np
import onnxruntime

here = pathlib.Path(__file__).parent
root = here.parents[2]
sys.path.insert(0, str(root / "bench" / "peers"))
import detect_onnxruntime as peer  # noqa: E402


def detections():
    model = root / "assets" / "models" / "yolox_nano.onnx"
    config = json.loads(model.with_suffix(".json").read_text())
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    image = cv2.imread(str(here / "bedroom.jpg"), cv2.IMREAD_COLOR)
    found = peer.detect(session, image, config, 0.1, 0.65, 300)
    return [{"box": [round(float(v), 4) for v in box], "score": round(float(score), 7), "class_id": int(c)}
            for box, score, c in zip(*found)]


def pattern(rows, columns):
    """The picture that test_letterbox.c makes."""
    y, x, c = np.mgrid[0:rows, 0:columns, 0:3]
    return ((x * x * 7 + y * 31 + x * y * 3 + c * 85) % 256).astype(np.uint8)


def letterboxes():
    cases = []
    for columns, rows, width, height, anchor in [(31, 19, 16, 16, "top-left"), (9, 14, 24, 20, "center"),
                                                 (64, 32, 32, 32, "center"), (1, 1, 5, 4, "center"),
                                                 (50, 3, 12, 12, "top-left")]:
        config = {"input": {"width": width, "height": height, "channels": "rgb",
                            "letterbox": {"value": 114, "anchor": anchor}}}
        x, _ = peer.letterbox(pattern(rows, columns)[:, :, ::-1], config)
        cases.append({"columns": columns, "rows": rows, "width": width, "height": height, "anchor": anchor,
                      "bytes": x[0].transpose(1, 2, 0).astype(int).ravel().tolist()})
    return cases


def dump(name, items):
    text = ",\n".join("  " + json.dumps(item, separators=(",", ":")) for item in items)
    (here / name).write_text("[\n" + text + "\n]\n")


dump("detections.json", detections())
dump("letterbox.json", letterboxes())
