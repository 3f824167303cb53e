"""DAVIS's region measure J of streaming tracks, from each kind of first prompt.

    python -m roto.train.evaluate WEIGHTS DAVIS [--sequences A,B] [--prompts mask,box,click]

The first frame's mask gives the prompt: the mask itself, its box, or one click at the point
farthest from its edge. J is the mean over all frames but the first and the last, at the video's
size. WEIGHTS is a safetensors file that export.py wrote.
"""

import argparse
import os
import sys

import cv2
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from roto.model import Tracker
from roto.model.segmenter import Memory

from .pack import HELD_OUT

PROMPTS = ("mask", "box", "click")


def prompt_of(kind, mask, width, height):
    """mask [H, W] bool at the video's size -> arguments of Tracker.step at the model's size."""
    h, w = mask.shape
    if kind == "mask":
        full = torch.from_numpy(mask).float()[None, None]
        small = F.interpolate(full, size=(height, width), mode="bilinear", antialias=True)
        return {"mask": (small >= 0.5).float()}
    if kind == "box":
        ys, xs = np.nonzero(mask)
        points = [[xs.min(), ys.min()], [xs.max(), ys.max()]]
        labels = [2, 3]
    else:
        distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 0)[
            1:-1, 1:-1
        ]
        y, x = np.unravel_index(distance.argmax(), distance.shape)
        points, labels = [[x, y]], [1]
    points = torch.tensor(points, dtype=torch.float32) * torch.tensor([width / w, height / h])
    return {"points": points[None], "labels": torch.tensor([labels])}


def jaccard(a, b):
    union = (a | b).sum()
    return ((a & b).sum() / union).item() if union else 1.0


def start(model, image, prompts):
    """A Tracker after its first frame, with one object for each prompt, and their mask logits."""
    memories, logits = [], []
    for prompt in prompts:
        tracker = Tracker(model)
        logits.append(tracker.step(image, **prompt).logits)
        memories.append(tracker.prompted[0])
    fields = (torch.cat([getattr(m, f) for m in memories]) for f in ("features", "pointer"))
    tracker.prompted = {0: Memory(0, *fields)}
    return tracker, torch.cat(logits)


@torch.no_grad()
def evaluate_sequence(model, frames, masks, prompts, device):
    """frames: iterable of [3, h, w] at the model's size in 0..255; masks [t, H, W] bool.
    Returns {prompt: [J of every scored frame]}."""
    scores = {kind: [] for kind in prompts}
    tracker = None
    for t, frame in enumerate(frames):
        image = model.normalise(frame[None].to(device).float())
        if tracker is None:
            h, w = frame.shape[1:]
            given = [prompt_of(kind, masks[0], w, h) for kind in prompts]
            given = [{k: v.to(device) for k, v in p.items()} for p in given]
            tracker, logits = start(model, image, given)
        else:
            logits = tracker.step(image).logits
        if 0 < t < len(masks) - 1:
            full = F.interpolate(logits, size=masks.shape[1:], mode="bilinear")[:, 0] > 0
            truth = torch.from_numpy(masks[t]).to(device)
            for kind, mask in zip(prompts, full):
                scores[kind].append(jaccard(mask, truth))
    return scores


def report(results, prompts):
    """results {sequence: {prompt: [J]}}: prints a table, returns the mean J of each prompt."""
    print(f"{'sequence':18}" + "".join(f"{kind:>8}" for kind in prompts))
    means = {kind: [] for kind in prompts}
    for name, scores in results.items():
        row = [float(np.mean(scores[kind])) for kind in prompts]
        for kind, j in zip(prompts, row):
            means[kind].append(j)
        print(f"{name:18}" + "".join(f"{j:8.4f}" for j in row))
    means = {kind: float(np.mean(js)) for kind, js in means.items()}
    print(f"{'mean':18}" + "".join(f"{means[kind]:8.4f}" for kind in prompts), flush=True)
    return means


def evaluate_packed(model, sequences, device, prompts=PROMPTS):
    """On bank.held_out's sequences, whose frames were resized and recompressed when packed."""
    model.eval()
    results = {
        name: evaluate_sequence(model, frames, masks.numpy(), prompts, device)
        for name, frames, masks in sequences
    }
    return report(results, prompts)


def read_sequence(root, name, config):
    folder = f"{root}/JPEGImages/{name}"
    frames, masks = [], []
    for file in sorted(os.listdir(folder)):
        image = Image.open(f"{folder}/{file}").convert("RGB")
        size = config.input_size(*image.size)
        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
        small = F.interpolate(pixels, size=size[::-1], mode="bilinear", antialias=True)
        frames.append(small[0])
        mask = np.asarray(Image.open(f"{root}/Annotations/{name}/{os.path.splitext(file)[0]}.png"))
        masks.append((mask if mask.ndim == 2 else mask[..., 0]) > 0)
    return frames, np.stack(masks)


def main():
    from .export import load

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("weights")
    parser.add_argument("davis")
    parser.add_argument("--sequences", default=",".join(HELD_OUT))
    parser.add_argument("--prompts", default=",".join(PROMPTS))
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    model = load(args.weights).to(args.device).eval()
    prompts, results = args.prompts.split(","), {}
    for name in args.sequences.split(","):
        frames, masks = read_sequence(args.davis, name, model.config)
        results[name] = evaluate_sequence(model, frames, masks, prompts, args.device)
        print(
            name,
            {k: round(float(np.mean(v)), 4) for k, v in results[name].items()},
            file=sys.stderr,
        )
    report(results, prompts)


if __name__ == "__main__":
    main()
