"""What happens in a golden track of a published model: tests/track/test_published_tracks.c does the
same. Places are shares of the picture's side."""

import numpy as np

from .synthetic import random_bits

OBJECTS = 3

# By frame, (object, prompt); "before": the frame is new, "after": the objects were carried to it.
SCENARIO = {
    "before": {
        0: (
            (0, ("point", (0.3125, 0.40625), 1)),
            (1, ("box", (0.46875, 0.1875, 0.859375, 0.703125))),
        ),
        3: ((2, ("mask", (0.15625, 0.5, 0.46875, 0.8125))),),
    },
    "after": {5: ((0, ("point", (0.34375, 0.625), 0)),)},
}


def picture(side, frame):
    """A texture of 4 px blocks that moves 2 px a frame to the left."""
    texture = (random_bits("golden.texture", 64 * 64 * 3) >> np.uint64(56)).astype(np.uint8)
    texture = texture.reshape(64, 64, 3)
    y, x = np.mgrid[:side, :side]
    return texture[y // 4 % 64, (x + 2 * frame) // 4 % 64]


def rectangle_mask(side, rectangle):
    x0, y0, x1, y1 = (int(x * side) for x in rectangle)
    mask = np.zeros((side, side), bool)
    mask[y0:y1, x0:x1] = True
    return mask
