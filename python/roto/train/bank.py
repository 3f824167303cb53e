"""The packed images as uint8 tensors on the device that composes clips."""

import contextlib
import dataclasses
import functools
import io
import json
import multiprocessing
import os
import zipfile

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PHOTO_CANVAS = 304  # photos are stretched to squares; their aspects are kept beside
CLIP_CANVAS = (288, 512)
EMOJI_CANVAS = 128


@dataclasses.dataclass
class Bank:
    photos: Tensor  # [n, 4, s, s]: RGB and label
    photo_aspect: Tensor  # [n] width / height
    photo_objects: Tensor  # [n, 2]: first row in objects, count
    object_photo: Tensor  # [m] the photo an object is in
    object_value: Tensor  # [m] its label; 0 for every non-zero label
    object_box: Tensor  # [m, 4] in 0..1
    object_whole: Tensor  # [m] 1, or 0 for a part of something
    emoji: Tensor  # [n, 4, s, s]: RGB and alpha
    frames: Tensor  # [n, 4, h, w]: RGB and label, all clips one after the other
    clips: Tensor  # [c, 2]: first frame, count; one row for each object of a clip
    clip_values: Tensor  # [c] the object's label
    clip_others: Tensor  # [c] another row of the same clip, or the row itself

    def to(self, device):
        fields = dataclasses.fields(self)
        return Bank(*(getattr(self, f.name).to(device) for f in fields))


@functools.lru_cache(maxsize=1)
def _open(path):
    return zipfile.ZipFile(path)  # once a process: reading the directory costs more than an image


def _decode(job):
    path, image, label, size, mode = job
    archive = _open(path)
    rgb = Image.open(io.BytesIO(archive.read(image))).convert(mode)
    aspect = rgb.width / rgb.height
    planes = np.asarray(rgb.resize(size, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    if mode == "RGB":
        values = np.zeros((1, size[1], size[0]), np.uint8)
        if label:
            values[0] = np.asarray(Image.open(io.BytesIO(archive.read(label))).resize(size, 0))
        planes = np.concatenate((planes, values))
    return np.ascontiguousarray(planes), aspect


def _decode_all(jobs, pool):
    decoded = pool.map(_decode, jobs, chunksize=16) if pool else map(_decode, jobs)
    planes, aspects = zip(*decoded)
    return torch.from_numpy(np.stack(planes)), torch.tensor(aspects)


def load(path, workers=None):
    """The Bank of an archive that pack.py made, without its held-out clips."""
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read("index.json"))
    side, (clip_h, clip_w) = (PHOTO_CANVAS,) * 2, CLIP_CANVAS
    clips = [c for c in index["clips"] if not c["held_out"]]
    frames = [f for c in clips for f in c["frames"]]
    workers = workers or os.cpu_count()
    # Fresh processes: a fork of a process that has threads may hang.
    fresh = multiprocessing.get_context("spawn").Pool
    with fresh(workers) if workers > 1 else contextlib.nullcontext() as pool:
        photos, aspect = _decode_all(
            [(path, p["image"], p["label"], side, "RGB") for p in index["photos"]], pool
        )
        emoji, _ = _decode_all(
            [(path, name, None, (EMOJI_CANVAS,) * 2, "RGBA") for name in index["emoji"]], pool
        )
        real, _ = _decode_all(
            [(path, f["image"], f["label"], (clip_w, clip_h), "RGB") for f in frames], pool
        )

    objects, spans = [], []
    for i, photo in enumerate(index["photos"]):
        spans.append((len(objects), len(photo["objects"])))
        for o in photo["objects"]:
            objects.append((i, o["value"], o["box"], photo["group"] != "people" or o["value"] == 0))
    rows, start = [], 0
    for clip in clips:
        first_row, n = len(rows), len(clip["objects"])
        for k, value in enumerate(clip["objects"]):
            other = first_row + (k + 1) % n
            rows.append((start, len(clip["frames"]), value, other))
        start += len(clip["frames"])
    rows = torch.tensor(rows)
    return Bank(
        photos=photos,
        photo_aspect=aspect.float(),
        photo_objects=torch.tensor(spans),
        object_photo=torch.tensor([o[0] for o in objects]),
        object_value=torch.tensor([o[1] for o in objects]),
        object_box=torch.tensor([o[2] for o in objects]),
        object_whole=torch.tensor([float(o[3]) for o in objects]),
        emoji=emoji,
        frames=real,
        clips=rows[:, :2],
        clip_values=rows[:, 2],
        clip_others=rows[:, 3],
    )


def held_out(path):
    """[(name, frames uint8 [t, 3, h, w], masks bool [t, H, W] at the video's size)]"""
    sequences = []
    with zipfile.ZipFile(path) as archive:
        for clip in json.loads(archive.read("index.json"))["clips"]:
            if not clip["held_out"]:
                continue
            images, masks = [], []
            for frame in clip["frames"]:
                image = Image.open(io.BytesIO(archive.read(frame["image"]))).convert("RGB")
                images.append(np.asarray(image).transpose(2, 0, 1))
                masks.append(np.asarray(Image.open(io.BytesIO(archive.read(frame["label"])))) > 0)
            stacked = torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))
            sequences.append((clip["name"], *stacked))
    return sequences
