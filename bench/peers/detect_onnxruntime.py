#!/usr/bin/env python3
"""The detector that roto runs, run by ONNX Runtime: OpenCV's letterbox, NumPy's decoding and suppression,
pycocotools' average precision. Independent of roto's code; the numbers to compare `roto eval detect` with.

  detect_onnxruntime.py MODEL.onnx FOLDER [--min-score S] [--nms-iou T] [--max-detections N]
  detect_onnxruntime.py MODEL.onnx IMAGE          prints its detections

MODEL.json beside the model is read as roto reads it. Needs onnxruntime, opencv-python-headless, numpy, pycocotools.
"""
import argparse
import contextlib
import io
import json
import pathlib

import cv2
import numpy as np
import onnxruntime


def letterbox(image_bgr, config):
    spec = config["input"]
    width, height = spec["width"], spec["height"]
    rows, columns = image_bgr.shape[:2]
    ratio = min(width / columns, height / rows)
    box = spec["letterbox"]
    centred = box["anchor"] == "center"
    w, h = columns * ratio, rows * ratio
    w, h = (round(w), round(h)) if centred else (int(w + 1e-9), int(h + 1e-9))
    w, h = max(w, 1), max(h, 1)
    left = round((width - w) / 2 - 0.1) if centred else 0
    top = round((height - h) / 2 - 0.1) if centred else 0
    canvas = np.full((height, width, 3), box["value"], np.uint8)
    canvas[top:top + h, left:left + w] = cv2.resize(image_bgr, (w, h), interpolation=cv2.INTER_LINEAR)
    if spec["channels"] == "rgb":
        canvas = canvas[:, :, ::-1]
    x = (canvas * spec.get("scale", 1) - np.asarray(spec.get("mean", 0))) / np.asarray(spec.get("std", 1))
    return x.transpose(2, 0, 1)[None].astype(np.float32), (left, top, columns / w, rows / h)


def decode(output, config):
    """Corners in pixels of the network's input, scores and classes of every prediction."""
    head, spec, n_classes = config["head"], config["input"], len(config["classes"])
    p = output[0].astype(np.float64)
    kind = head["kind"]
    width = {"yolov8": 4 + n_classes, "end-to-end": 6}.get(kind, 5 + n_classes)
    if p.shape[1] != width:
        p = p.T
    if kind == "end-to-end":
        return p[:, :4], p[:, 4], p[:, 5].astype(int)
    if kind == "yolox":
        grid, sizes = [], []
        for s in head["strides"]:
            y, x = np.mgrid[0:spec["height"] // s, 0:spec["width"] // s]
            grid.append(np.stack([x.ravel(), y.ravel()], 1))
            sizes.append(np.full((x.size, 1), s))
        grid, sizes = np.concatenate(grid), np.concatenate(sizes)
        p[:, :2] = (p[:, :2] + grid) * sizes
        p[:, 2:4] = np.exp(p[:, 2:4]) * sizes
    first = 4 if kind == "yolov8" else 5
    classes = p[:, first:].argmax(1)
    scores = p[np.arange(len(p)), first + classes] * (1 if kind == "yolov8" else p[:, 4])
    corners = np.concatenate([p[:, :2] - p[:, 2:4] / 2, p[:, :2] + p[:, 2:4] / 2], 1)
    return corners, scores, classes


def suppress(corners, scores, classes, threshold, most):
    kept = []
    order = np.lexsort((np.arange(len(scores)), -scores))
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    while len(order) and len(kept) < most:
        i, rest = order[0], order[1:]
        kept.append(i)
        low = np.maximum(corners[i, :2], corners[rest, :2])
        high = np.minimum(corners[i, 2:], corners[rest, 2:])
        common = np.prod(np.clip(high - low, 0, None), 1)
        overlap = common / (areas[i] + areas[rest] - common)
        order = rest[(overlap <= threshold) | (classes[rest] != classes[i])]
    return kept


def detect(session, image_bgr, config, min_score, nms_iou, most):
    x, (left, top, sx, sy) = letterbox(image_bgr, config)
    wanted = [config["head"]["output"]] if "output" in config["head"] else None
    output = session.run(wanted, {session.get_inputs()[0].name: x})[0]
    corners, scores, classes = decode(output, config)
    good = scores >= min_score
    corners, scores, classes = corners[good], scores[good], classes[good]
    if config["head"]["kind"] == "end-to-end":
        nms_iou = 1
    kept = suppress(corners, scores, classes, nms_iou, most)
    rows, columns = image_bgr.shape[:2]
    boxes = (corners[kept] - [left, top, left, top]) * [sx, sy, sx, sy]
    boxes = np.clip(boxes, 0, [columns, rows, columns, rows])
    inside = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
    return boxes[inside], scores[kept][inside], classes[kept][inside]


def labels_of(folder):
    for name in ("labels", "object_detection"):
        if (folder / name).is_dir():
            return {path.stem: path for path in sorted((folder / name).rglob("*.txt"))}
    raise SystemExit(f"{folder} has no labels")


def evaluate(session, folder, config, min_score, nms_iou, most):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    labels = labels_of(folder)
    images, truth, found = [], [], []
    for path in sorted(p for p in (folder / "images").rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        if path.stem not in labels:
            continue
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        rows, columns = image.shape[:2]
        key = len(images) + 1
        images.append({"id": key, "width": columns, "height": rows})
        for line in labels[path.stem].read_text().split("\n"):
            if line.strip():
                c, cx, cy, w, h = (float(v) for v in line.split())
                box = [(cx - w / 2) * columns, (cy - h / 2) * rows, w * columns, h * rows]
                truth.append({"id": len(truth) + 1, "image_id": key, "category_id": int(c), "bbox": box,
                              "area": box[2] * box[3], "iscrowd": 0})
        for box, score, c in zip(*detect(session, image, config, min_score, nms_iou, most)):
            found.append({"image_id": key, "category_id": int(c), "score": float(score),
                          "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]})
    coco = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        coco.dataset = {"images": images, "annotations": truth,
                        "categories": [{"id": i, "name": n} for i, n in enumerate(config["classes"])]}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    print(f"images {len(images)} boxes {len(truth)} detections {len(found)} "
          f"AP {run.stats[0]:.6f} AP50 {run.stats[1]:.6f} AP75 {run.stats[2]:.6f} AR100 {run.stats[8]:.6f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("--min-score", type=float)
    parser.add_argument("--nms-iou", type=float)
    parser.add_argument("--max-detections", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    config = json.loads(args.model.with_suffix(".json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(args.model), options, providers=["CPUExecutionProvider"])
    min_score = config["min_score"] if args.min_score is None else args.min_score
    nms_iou = config["nms_iou"] if args.nms_iou is None else args.nms_iou
    if args.input.is_dir():
        evaluate(session, args.input, config, min_score, nms_iou, args.max_detections)
    else:
        image = cv2.imread(str(args.input), cv2.IMREAD_COLOR)
        for box, score, c in zip(*detect(session, image, config, min_score, nms_iou, args.max_detections)):
            print(f"{config['classes'][c]:16} {score:.6f} " + " ".join(f"{v:.3f}" for v in box))


if __name__ == "__main__":
    main()
