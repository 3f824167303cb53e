"""Packs the training images, small, into one archive that fits through a narrow door.

    python -m roto.train.pack DATA OUT.zip [--held-out]

DATA is laid out as this project's data folder. Members are WebP (images) and PNG (labels);
index.json lists them:
    photos     {"image", "label" or null, "group", "objects": [{"value", "box", "area"}]}
               value 0 stands for every non-zero label; box is x0 y0 x1 y1 in 0..1
    emoji      names of RGBA images
    clips      {"name", "objects", "frames": [{"image", "label"}], "held_out"}
Held-out clips are for measuring only, and left aside unless asked for; nothing trains on them.
"""

import io
import json
import os
import sys
import zipfile
from multiprocessing import Pool

import numpy as np
from PIL import Image, ImageDraw

HELD_OUT = ("camel", "dog", "drift-chicane", "horsejump-high")
PHOTO_SIDE, EMOJI_SIDE = 304, 128
CLIP_SIZE, HELD_OUT_SIZE = (512, 288), (448, 256)
MAX_PARTS = 3
MIN_PART_AREA, MIN_OBJECT_AREA, MAX_OBJECT_AREA = 0.012, 0.006, 0.9


def _webp(image, quality):
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def _png(label):
    out = io.BytesIO()
    Image.fromarray(label.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def _shrink(image, side):
    scale = min(1.0, side / max(image.size))
    return image.resize([max(1, round(s * scale)) for s in image.size], Image.Resampling.BOX)


def _object(label, value):
    mask = label > 0 if value == 0 else label == value
    ys, xs = np.nonzero(mask)
    if len(xs) == 0:
        return None
    h, w = label.shape
    box = [xs.min() / w, ys.min() / h, (xs.max() + 1) / w, (ys.max() + 1) / h]
    return {"value": int(value), "box": [round(float(b), 4) for b in box], "area": mask.mean()}


def _polygons(path, size, ids_from_first):
    """Polygons in 0..1, one a line, later ones painted over earlier ones; values count from 1."""
    canvas = Image.new("L", size)
    draw, n = ImageDraw.Draw(canvas), 0
    with open(path) as f:
        for line in f:
            numbers = [float(x) for x in line.split()][ids_from_first:]
            if len(numbers) >= 6 and n < 250:
                n += 1
                points = zip(numbers[0::2], numbers[1::2])
                draw.polygon([(x * size[0], y * size[1]) for x, y in points], fill=n)
    return np.asarray(canvas), n


def _photo(job):
    path, label_path, group = job
    image = _shrink(Image.open(path).convert("RGB"), PHOTO_SIDE)
    entry, label = {"group": group, "label": None, "objects": []}, None
    if label_path and label_path.endswith(".png"):  # parts of one person
        label = np.asarray(Image.open(label_path).resize(image.size, Image.Resampling.NEAREST))
        whole = _object(label, 0)
        parts = [_object(label, v) for v in np.unique(label) if v]
        parts = sorted((p for p in parts if p["area"] > MIN_PART_AREA), key=lambda p: -p["area"])
        entry["objects"] = [whole] + parts[:MAX_PARTS]
    elif label_path:  # one value an instance
        label, n = _polygons(label_path, image.size, 1)
        found = [_object(label, v) for v in range(1, n + 1)]
        entry["objects"] = [o for o in found if o and MIN_OBJECT_AREA < o["area"] < MAX_OBJECT_AREA]
    if not entry["objects"]:
        label = None
    return entry, _webp(image, 38), None if label is None else _png(label)


def _emoji(path):
    image = Image.open(path).convert("RGBA").resize((EMOJI_SIDE, EMOJI_SIDE), Image.Resampling.BOX)
    return _webp(image, 58)


def _frame(job):
    path, label_path, size, quality = job
    image = Image.open(path).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    label = np.asarray(Image.open(label_path))
    label = np.where(label == 255, 1, label)  # DAVIS 2016 marks its object with 255
    if label.ndim == 3:
        label = label[..., 0]
    if size == CLIP_SIZE:
        label = np.asarray(Image.fromarray(label.astype(np.uint8)).resize(size, 0))
    return _webp(image, quality), _png(label)


def _files(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def _label_for(path, folder, suffix):
    label = os.path.join(folder, os.path.splitext(os.path.basename(path))[0] + suffix)
    return label if os.path.exists(label) else None


def _photo_jobs(data):
    for path in _files(f"{data}/train/clothing/images"):
        yield path, _label_for(path, f"{data}/train/clothing/labels", ".png"), "people"
    for path in _files(f"{data}/train/cats/images"):
        yield path, _label_for(path, f"{data}/train/cats/labels", ".txt"), "cats"
    for path in _files(f"{data}/coco128/images/train2017"):
        folder = f"{data}/coco128/instance_segmentation/labels/train2017"
        yield path, _label_for(path, folder, ".txt"), "coco"
    for path in _files(f"{data}/train/backgrounds"):
        yield path, None, "background"


def _clips(data, with_held_out):
    for root, held_out in ((f"{data}/davis16-dev", HELD_OUT), (f"{data}/vos-multi", ())):
        for name in sorted(os.listdir(f"{root}/JPEGImages")):
            out = name in held_out
            if out and not with_held_out:
                continue
            size, quality = (HELD_OUT_SIZE, 84) if out else (CLIP_SIZE, 52)
            frames = []
            for path in _files(f"{root}/JPEGImages/{name}"):
                label = _label_for(path, f"{root}/Annotations/{name}", ".png")
                if label:
                    frames.append((path, label, size, quality))
            yield {"name": name, "held_out": out}, frames


def main(data, out, with_held_out=False):
    """Reads DATA, writes OUT."""
    index = {"photos": [], "emoji": [], "clips": []}
    # Stored, not deflated: the members are compressed already.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive, Pool() as pool:
        for i, (entry, image, label) in enumerate(pool.imap(_photo, _photo_jobs(data), 8)):
            entry["image"] = f"photo/{i:04}.webp"
            archive.writestr(entry["image"], image)
            if label:
                entry["label"] = f"photo/{i:04}.png"
                archive.writestr(entry["label"], label)
            index["photos"].append(entry)
        for i, image in enumerate(pool.imap(_emoji, _files(f"{data}/train/emoji"), 8)):
            index["emoji"].append(f"emoji/{i:04}.webp")
            archive.writestr(index["emoji"][-1], image)
        for clip, frames in _clips(data, with_held_out):
            clip["frames"], values = [], set()
            for i, (image, label) in enumerate(pool.imap(_frame, frames, 4)):
                names = [f"clip/{clip['name']}/{i:03}.{ext}" for ext in ("webp", "png")]
                archive.writestr(names[0], image)
                archive.writestr(names[1], label)
                values |= set(np.unique(np.asarray(Image.open(io.BytesIO(label)))).tolist())
                clip["frames"].append({"image": names[0], "label": names[1]})
            clip["objects"] = sorted(values - {0})
            index["clips"].append(clip)
        archive.writestr("index.json", json.dumps(index))


if __name__ == "__main__":
    if sys.argv[3:] not in ([], ["--held-out"]) or len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:3], with_held_out=len(sys.argv) > 3)
