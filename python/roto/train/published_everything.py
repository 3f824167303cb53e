"""Automatic masks of the published code (SAM2AutomaticMaskGenerator) on synthetic weights.

    python -m roto.train.published_everything OUT_DIR [--models NAME...] [--size N] [--points N]

writes a golden file a model, which tests/track/test_published_everything.c takes as an argument.
The published code cleans masks with a CUDA kernel alone, and warns and leaves them as they are
without one; here connected components come from scipy. Needs what published.py needs,
`scipy` and `pycocotools`.
"""

import argparse
import dataclasses
import sys
import types
from pathlib import Path

import numpy as np
import torch
from sam2 import automatic_mask_generator
from scipy import ndimage

from .graphs import notes
from .published import MODELS, Published
from .scenario import picture
from .synthetic import write

WIDTH, HEIGHT = 300, 200

# Textured rectangles on grey: x0, y0, x1, y1.
RECTANGLES = (
    (20, 20, 90, 70),
    (120, 40, 180, 150),
    (200, 30, 280, 80),
    (30, 110, 80, 180),
    (210, 120, 290, 190),
)

# Thresholds between those of synthetic masks, whose boxes are large and alike.
CASES = {
    "grid": dict(
        pred_iou_thresh=0.9,
        stability_score_thresh=0.88,
        stability_score_offset=0.5,
        box_nms_thresh=1.0,
    ),
    "crops": dict(
        pred_iou_thresh=0.3,
        stability_score_thresh=0.5,
        stability_score_offset=0.5,
        box_nms_thresh=0.97,
        crop_n_layers=1,
        crop_nms_thresh=0.95,
        crop_n_points_downscale_factor=2,
        min_mask_region_area=250,
    ),
}


def image():
    texture = picture(max(WIDTH, HEIGHT), 0)
    out = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for x0, y0, x1, y1 in RECTANGLES:
        out[y0:y1, x0:x1] = texture[y0:y1, x0:x1]
    return out


def connected_components(masks):
    """As the kernel's: labels and areas of 8-connected regions, 0 outside."""
    labels, areas = (torch.zeros_like(masks, dtype=torch.int32) for _ in range(2))
    for i, mask in enumerate(masks[:, 0].numpy()):
        found, n = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(found.ravel(), minlength=n + 1)
        sizes[0] = 0
        labels[i, 0] = torch.from_numpy(found)
        areas[i, 0] = torch.from_numpy(sizes[found])
    return labels, areas


def masks(engine, points, options):
    generator = automatic_mask_generator.SAM2AutomaticMaskGenerator(
        engine.model, points_per_side=points, output_mode="coco_rle", **options
    )
    side = engine.config.image_size // 4
    generator.predictor._bb_feat_sizes = [(side >> level, side >> level) for level in range(3)]
    found = generator.generate(image())
    table = [
        [m["predicted_iou"], m["stability_score"], *m["point_coords"][0], *m["crop_box"], *m["bbox"]]
        for m in found
    ]
    areas = [m["area"] / WIDTH / HEIGHT for m in found]
    parts = len({tuple(m["crop_box"]) for m in found})
    print(f"  {len(found)} masks of {min(areas):.2f} to {max(areas):.2f} of the picture, {parts} parts")
    numbers = [
        points,
        generator.pred_iou_thresh,
        generator.stability_score_thresh,
        generator.stability_score_offset,
        generator.box_nms_thresh,
        generator.crop_n_layers,
        generator.crop_nms_thresh,
        generator.crop_n_points_downscale_factor,
        generator.min_mask_region_area,
    ]
    tensors = {
        "params": np.asarray(numbers, np.float32),
        "table": np.asarray(table, np.float32),
    }
    return tensors, "\n".join(m["segmentation"]["counts"] for m in found)


@torch.inference_mode()
def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--points", type=int, default=8)
    a = parser.parse_args(arguments)
    kernel = types.ModuleType("sam2._C")
    kernel.get_connected_componnets = connected_components  # spelt so
    sys.modules["sam2._C"] = kernel
    sys.modules["sam2"]._C = kernel
    for name in a.models:
        config, published_name = MODELS[name]
        config = dataclasses.replace(config, image_size=a.size)
        engine = Published(config, published_name)
        print(name)
        tensors, texts = {}, notes(engine)
        for case, options in CASES.items():
            if config.perceiver_layers:  # EdgeTAM's synthetic outlines are in more doubt
                options = options | {"stability_score_thresh": 0.7}
            numbers, texts[f"{case}.rle"] = masks(engine, a.points, options)
            tensors |= {f"{case}.{key}": value for key, value in numbers.items()}
        write(a.out / f"{name}.everything.safetensors", tensors, texts)


if __name__ == "__main__":
    main(sys.argv[1:])
