"""Writes what the C tests expect: the PyTorch definition on synthetic weights and inputs.

    python -m roto.train.golden tests/models/golden tests/track/golden

Graphs are computed in double precision, so that only the C side's rounding shows, and those of the
published models are kept as samples. python/tests/test_against_sam2.py and parity.py compare the
definition and C with the published code.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from ..model import Config
from ..model.config import EDGETAM, HIERA_T
from .graphs import Definition, graphs, nchw, notes, samples, synthetic_model
from .synthetic import random_bits, write

WIDTH, HEIGHT = 128, 96  # the small model's input
CONFIG = Config(name="synthetic", image_pixels=WIDTH * HEIGHT)
SQUARE = 256  # side of the published models' input here
N_FRAMES = 8


# ---- tracks -------------------------------------------------------------------------------------


def frame_image(model, index):
    """A texture of 4 px blocks that moves 2 px a frame to the left."""
    texture = (random_bits("golden.texture", 64 * 64 * 3) >> np.uint64(56)).astype(np.float32)
    texture = texture.reshape(64, 64, 3)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb = texture[y // 4, (x + 2 * index) // 4]
    return model.normalise(nchw(torch.from_numpy(rgb)[None]))


def fill_holes(logits, max_area=8):
    """The official post-processing: small regions of background become just foreground."""
    labels, n = ndimage.label(logits[0, 0].numpy() <= 0, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=n + 1)
    holes = (labels > 0) & (areas[labels] <= max_area)
    return torch.where(torch.from_numpy(holes), 0.1, logits)


class Object:
    """One object as SAM 2's video predictor treats it, with every frame kept."""

    def __init__(self, model):
        self.model = model
        self.prompted, self.tracked = {}, {}  # by frame: (memory, pointer)
        self.logits = None

    def recall(self, frame, features):
        model, c = self.model, self.model.config
        spatial = [model.spatial_memory(m, c.num_maskmem) for m, _ in self.prompted.values()]
        pointers = [(frame - t, p) for t, (_, p) in self.prompted.items() if t <= frame]
        nearest = (frame - 2) // c.memory_temporal_stride * c.memory_temporal_stride
        for rank in range(c.num_maskmem - 1, 0, -1):
            back = nearest - (rank - 2) * c.memory_temporal_stride
            then = frame - 1 if rank == 1 else back
            if then in self.tracked:
                spatial.append(model.spatial_memory(self.tracked[then][0], rank))
        for age in range(1, c.max_obj_ptrs):
            if frame - age in self.tracked:
                pointers.append((age, self.tracked[frame - age][1]))
        ages = torch.tensor([float(age) for age, _ in pointers])
        tokens = model.pointer_memory(torch.stack([p for _, p in pointers], dim=1), ages)
        return model.recall(features.s16, spatial, [tokens])

    def step(self, frame, features, points=None, labels=None, mask=None, corrects=False):
        """Returns (logits, iou, object score, index of the chosen mask)."""
        model = self.model
        prior = None
        if mask is not None:
            answer = model.accept_mask(features, mask)
        else:
            fresh = points is not None and not corrects
            conditioned = (
                model.without_memory(features.s16) if fresh else self.recall(frame, features)
            )
            if corrects:
                prior = self.logits.clamp(-32, 32)
            answer = model.decode(features, conditioned, points, labels, prior)
        choice = -1
        if mask is None:
            three = model.decode(features, conditioned, points, labels, prior, multimask=True)
            best = int(three.ious.argmax())
            single = answer.candidates.shape[1] == 1
            if single and not torch.equal(answer.candidates[:, 0], three.candidates[:, best]):
                choice = 0
            else:
                choice = best + 1
        self.logits = fill_holes(answer.logits)
        given = points is not None or mask is not None
        memory = model.encode_memory(
            features.s16, self.logits if given else answer.logits, answer.score, given, mask
        )
        into = self.prompted if given and not corrects else self.tracked
        into[frame] = memory, answer.pointer
        return self.logits[0, 0], float(answer.ious.max()), float(answer.score), choice


def rectangle(x0, y0, x1, y1):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., y0:y1, x0:x1] = 1
    return mask


def prompts_of_track():
    """By object and frame."""
    click = {"points": torch.tensor([[[40.0, 40.0]]]), "labels": torch.tensor([[1]])}
    box = {
        "points": torch.tensor([[[60.0, 20.0], [110.0, 70.0]]]),
        "labels": torch.tensor([[2, 3]]),
    }
    return [{0: click}, {0: box}, {0: {"mask": rectangle(20, 50, 60, 80)}}]


def prompts_of_edit():
    """Object 2 comes at frame 3; object 0 is corrected at frame 4 with a click on the background."""
    first, second, third = prompts_of_track()
    wrong = {"points": torch.tensor([[[44.0, 60.0]]]), "labels": torch.tensor([[0]])}
    first[4] = {**wrong, "corrects": True}
    return [first, second, {3: third[0]}]


def track(model, prompts, removed=None):
    """removed: {object: the first frame without it}."""
    n = len(prompts)
    logits = np.zeros((N_FRAMES, n, HEIGHT // 4, WIDTH // 4), np.float32)
    iou, score, choice = (np.zeros((N_FRAMES, n), np.float32) for _ in range(3))
    objects = [Object(model) for _ in prompts]
    for frame in range(N_FRAMES):
        features = model.encode_image(frame_image(model, frame))
        for i, (tracked, given) in enumerate(zip(objects, prompts)):
            if frame < min(given) or frame >= (removed or {}).get(i, N_FRAMES):
                continue
            prompt = given.get(frame, {})
            if prompt.get("corrects"):
                tracked.step(frame, features)
            answer = tracked.step(frame, features, **prompt)
            logits[frame, i], iou[frame, i], score[frame, i], choice[frame, i] = answer
    return {
        "track.logits": logits,
        "track.iou": iou,
        "track.object_score": score,
        "track.choice": choice,
    }


def report(name, result):
    area = (result["track.logits"] > 0).mean((2, 3))
    print(f"{name}: areas in % by object and frame")
    for i in range(area.shape[1]):
        print("  ", " ".join(f"{100 * a:3.0f}" for a in area[:, i]), end="   scores ")
        print(" ".join(f"{s:5.1f}" for s in result["track.object_score"][:, i]), end="   choices ")
        print(" ".join(f"{int(c)}" for c in result["track.choice"][:, i]))


@torch.no_grad()
def main(models_dir, track_dir):
    small = Definition(CONFIG)
    path = Path(models_dir) / "sam2_graphs.safetensors"
    write(path, graphs(small, (WIDTH, HEIGHT)), notes(small))
    for name, config in (("sam2_hiera_t", HIERA_T), ("edgetam", EDGETAM)):
        model = Definition(dataclasses.replace(config, image_size=SQUARE))
        outputs = {name: samples(t) for name, t in graphs(model, (SQUARE, SQUARE)).items()}
        write(Path(models_dir) / f"{name}.safetensors", outputs, notes(model))

    model = synthetic_model(CONFIG, torch.float32)
    for name, prompts, removed in (
        ("sam2_track", prompts_of_track(), None),
        ("sam2_track_edit", prompts_of_edit(), {1: 6}),
    ):
        result = track(model, prompts, removed)
        report(name, result)
        write(Path(track_dir) / f"{name}.safetensors", result)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
