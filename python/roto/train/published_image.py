"""What the published image predictor answers to prompts of every kind about one picture."""

import numpy as np
import torch
from sam2.sam2_image_predictor import SAM2ImagePredictor

from . import published_track  # noqa: F401: connected regions without CUDA
from .graphs import samples
from .scenario import texture

WIDTH, HEIGHT = 300, 200
N_SAMPLES, MAP_SAMPLES = 256, 256

# Holes and islands of masks up to so many pixels of their grid are removed.
CLEAN_PX = 40

# x, y, label; NaN: no point
NOTHING = [float("nan")] * 3
NO_BOX = [float("nan")] * 4

# A box, two points, and the prompt whose answer is refined (-1: none); in pixels of the picture.
PROMPTS = [
    [*NO_BOX, 90.5, 81.25, 1, *NOTHING, -1],
    [*NO_BOX, 90.5, 81.25, 1, 210, 150, 0, -1],
    [40, 30.5, 260, 170, *NOTHING, *NOTHING, -1],
    [40, 30.5, 260, 170, 150, 100, 0, *NOTHING, -1],
    [*NO_BOX, 150, 60, 1, *NOTHING, 0],
    [*NO_BOX, 150, 60, 1, 30, 20, 0, 2],
]


def image_answers(engine):
    predictor = SAM2ImagePredictor(engine.model)
    side = engine.config.image_size  # for which the published code has the numbers for 1024
    predictor._transforms.max_hole_area = predictor._transforms.max_sprinkle_area = CLEAN_PX
    predictor._bb_feat_sizes = [(side // stride, side // stride) for stride in (4, 8, 16)]
    predictor.set_image(texture("golden.texture", (WIDTH, HEIGHT), 4, 0))
    rows, logits, maps, refined = [], [], [], []
    for row in PROMPTS:
        box, points, before = row[:4], np.array(row[4:10]).reshape(2, 3), int(row[10])
        points = points[~np.isnan(points[:, 0])]
        given = {
            "box": None if np.isnan(box[0]) else np.array(box),
            "point_coords": points[:, :2] if len(points) else None,
            "point_labels": points[:, 2].astype(np.int32) if len(points) else None,
            "mask_input": None if before < 0 else refined[before][None],
            "return_logits": True,
        }
        three, ious, low = predictor.predict(multimask_output=True, **given)
        one, iou, low_one = predictor.predict(multimask_output=False, **given)
        refined.append(low_one[0])
        rows.append([*row, *ious, float(iou[0])])
        logits.append(np.stack([samples(m, N_SAMPLES) for m in (*low, *low_one)]))
        # 1: inside, 0: outside, -1: a matter of rounding.
        whole = np.concatenate((three, one))
        inside = np.where(abs(whole) < 1e-2, -1, whole > 0).astype(np.float32)
        maps.append(np.stack([samples(m, MAP_SAMPLES) for m in inside]))
    return {
        "image.prompts": torch.tensor(rows).float().numpy(),
        "image.logits": np.stack(logits),
        "image.maps": np.stack(maps),
    }
