"""Two minutes on a CPU: a tiny generated data set, a few dozen steps, and the loss must fall."""

import os
import tempfile
import time

import numpy as np
import torch
from PIL import Image, ImageDraw

from . import bank, pack
from .loop import Loop, Options

STEPS = 30
MUST_FALL_TO = 0.75  # of the first log lines' loss


def _save(folder, name, image):
    os.makedirs(folder, exist_ok=True)
    image.save(os.path.join(folder, name))


def _photo(rng, size):
    """A coarse random texture with a few ellipses, and their polygons as a label file's lines."""
    low = rng.integers(0, 255, (6, 6, 3), np.uint8)
    image = Image.fromarray(low).resize(size, Image.Resampling.BICUBIC)
    draw, lines = ImageDraw.Draw(image), []
    for _ in range(2):
        x, y = rng.uniform(0.3, 0.7, 2)
        a, b = rng.uniform(0.12, 0.25, 2)
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        points = np.stack((x + a * np.cos(angles), y + b * np.sin(angles)), -1)
        colour = tuple(int(c) for c in rng.integers(0, 255, 3))
        draw.polygon([(px * size[0], py * size[1]) for px, py in points], fill=colour)
        lines.append("0 " + " ".join(f"{v:.5f}" for v in points.flatten()))
    return image, "\n".join(lines)


def generate(root, seed=0):
    """A data folder as pack.py reads it, with a handful of images of each kind."""
    rng = np.random.default_rng(seed)
    for i in range(6):
        image, lines = _photo(rng, (96, 96))
        _save(f"{root}/train/cats/images", f"{i}.png", image)
        os.makedirs(f"{root}/train/cats/labels", exist_ok=True)
        with open(f"{root}/train/cats/labels/{i}.txt", "w") as f:
            f.write(lines)
        _save(f"{root}/train/backgrounds", f"{i}.png", _photo(rng, (96, 80))[0])
        label = Image.new("L", (64, 96))
        ImageDraw.Draw(label).ellipse((10, 10, 50, 40), fill=3)
        ImageDraw.Draw(label).rectangle((15, 40, 45, 90), fill=7)
        person = Image.composite(
            _photo(rng, (64, 96))[0], Image.new("RGB", (64, 96)), label.point(bool, "1")
        )
        _save(f"{root}/train/clothing/images", f"{i}.png", person)
        _save(f"{root}/train/clothing/labels", f"{i}.png", label)
        emoji = Image.new("RGBA", (64, 64))
        colour = (*(int(c) for c in rng.integers(0, 255, 3)), 255)
        ImageDraw.Draw(emoji).ellipse((6, 12, 58, 52), fill=colour)
        _save(f"{root}/train/emoji", f"{i}.png", emoji)
    _save(f"{root}/coco128/images/train2017", "0.png", _photo(rng, (96, 64))[0])
    for folder, name in (
        ("davis16-dev", "moving"),
        ("davis16-dev", pack.HELD_OUT[0]),
        ("vos-multi", "two"),
    ):
        back = _photo(rng, (112, 64))[0]
        for t in range(8):
            label = Image.new("L", (112, 64))
            ImageDraw.Draw(label).ellipse((10 + 5 * t, 15, 40 + 5 * t, 45), fill=1)
            if name == "two":
                ImageDraw.Draw(label).rectangle((70 - 4 * t, 30, 90 - 4 * t, 60), fill=2)
            frame = back.copy()
            frame.paste((200, 40, 40), mask=label.point(lambda v: 255 * (v == 1)))
            frame.paste((40, 40, 220), mask=label.point(lambda v: 255 * (v == 2)))
            _save(f"{root}/{folder}/JPEGImages/{name}", f"{t:05}.png", frame)
            _save(f"{root}/{folder}/Annotations/{name}", f"{t:05}.png", label)


def tiny_bank(folder):
    generate(f"{folder}/data")
    pack.main(f"{folder}/data", f"{folder}/pack.zip")
    return bank.load(f"{folder}/pack.zip", workers=1)


def smoke():
    """0 if the loss fell."""
    torch.set_num_threads(1)  # on tensors this small threads only wait for each other
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        options = Options(out=f"{folder}/run", plan="smoke", steps=STEPS, log_every=5, rate=1e-3)
        history = Loop(tiny_bank(folder), options).run()
    first, last = history[0], history[-1]
    fell = last < MUST_FALL_TO * first
    took = time.monotonic() - began
    verdict = "fell" if fell else "DID NOT FALL"
    print(f"loss {first:.3f} -> {last:.3f} in {STEPS} steps, {took:.0f} s: {verdict}")
    return 0 if fell else 1
