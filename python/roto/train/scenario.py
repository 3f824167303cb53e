"""What happens in the golden tracks of published models, as steps that the golden file carries:
tests/track/test_published_tracks.c follows them too. Places are shares of the picture's side."""

import enum

import numpy as np

from .synthetic import random_bits


class Do(enum.IntEnum):
    FRAME = 0  # a frame, to which all objects are carried
    VISIT = 1  # a frame that comes for its prompts alone
    POINT = 2
    BOX = 3
    BOX_AND_POINT = 4
    MASK = 5  # a rectangle
    REMOVE = 6
    RESET = 7


# Columns of a step.
DO, OBJECT, FRAME, DIRECTION, BOX, POINT, LABEL = 0, 1, 2, 3, slice(4, 8), slice(8, 10), 10

# Frames on which something else hides everything.
HIDDEN = range(12, 18)


def step(do, obj=0, frame=0, direction=1, box=(0, 0, 0, 0), point=(0, 0), label=0):
    return [do, obj, frame, direction, *box, *point, label]


LEFT, LEFT_BELOW = (0.3125, 0.40625), (0.34375, 0.625)
RIGHT_BOX, MASK_BOX = (0.46875, 0.1875, 0.859375, 0.703125), (0.15625, 0.5, 0.46875, 0.8125)


def live(n_frames):
    """A click, a box, a mask that comes late, a correcting click; forward from frame to frame."""
    steps = [
        step(Do.POINT, 1, 0, point=LEFT, label=1),
        step(Do.BOX, 2, 0, box=RIGHT_BOX),
        step(Do.MASK, 3, 3, box=MASK_BOX),
    ]
    for t in range(n_frames):
        steps.append(step(Do.FRAME, frame=t))
        if t == 5:
            steps.append(step(Do.POINT, 1, 5, point=LEFT_BELOW, label=0))
    return steps


def offline(n_frames):
    """Everything that the published predictor lets its users do with a whole video: prompts on
    several frames before tracking, a box with a point, clicks that refine, an object that comes
    late and one that is removed, going back to a frame, correcting it and tracking on from there,
    tracking in reverse, and starting anew."""
    steps = [
        step(Do.POINT, 1, 0, point=LEFT, label=1),
        step(Do.BOX_AND_POINT, 2, 0, box=RIGHT_BOX, point=(0.625, 0.375), label=0),
        step(Do.VISIT, frame=0),
        step(Do.POINT, 1, 0, point=LEFT_BELOW, label=0),
        step(Do.MASK, 1, 6, box=MASK_BOX),
        step(Do.VISIT, frame=6),
        step(Do.POINT, 3, 4, point=(0.75, 0.75), label=1),
    ]
    last = min(n_frames - 1, 10)
    for t in range(last + 1):
        steps.append(step(Do.FRAME, frame=t))
        if t == last - 2:
            steps.append(step(Do.REMOVE, 2))
    # Not back to the corrected frame once more: EdgeTAM's predictor keeps a corrected mask, SAM 2's
    # tracks anew.
    steps.append(step(Do.FRAME, frame=3))
    steps.append(step(Do.POINT, 1, 3, point=(0.5, 0.25), label=1))
    steps += [step(Do.FRAME, frame=t) for t in (4, 5, 6, 7)]
    steps += [step(Do.FRAME, frame=t, direction=-1) for t in (2, 1)]
    steps += [step(Do.RESET), step(Do.BOX, 5, last, box=RIGHT_BOX)]
    return steps + [step(Do.FRAME, frame=t, direction=-1) for t in range(last, last - 3, -1)]


SCENARIOS = {"live": live, "offline": offline}


def texture(name, size, cell, shift):
    """A picture of (width, height)."""
    cells = (random_bits(name, 64 * 64 * 3) >> np.uint64(56)).astype(np.uint8).reshape(64, 64, 3)
    y, x = np.mgrid[: size[1], : size[0]]
    return cells[y // cell % 64, (x + shift) // cell % 64]


def picture(side, frame):
    """A texture of 4 px blocks that moves 2 px a frame to the left, or what hides it."""
    if frame in HIDDEN:
        return texture("golden.cover", (side, side), 32, 0)
    return texture("golden.texture", (side, side), 4, 2 * frame)


def rectangle_mask(side, rectangle):
    x0, y0, x1, y1 = (int(x * side) for x in rectangle)
    mask = np.zeros((side, side), bool)
    mask[y0:y1, x0:x1] = True
    return mask


# Gain and offset of the object score, by model: such that objects go out of sight and come back,
# and no score is so close to 0 that rounding decides its sign. They hold for tracks of 32 frames at
# 256 px.
SCORE_LINES = {
    "sam2.1_hiera_small": (-40.0, 4.0),
    "sam2.1_hiera_base_plus": (40.0, -0.8),
    "sam2.1_hiera_large": (40.0, 0.0),
    "edgetam": (-40.0, 2.25),
}


def score_line(name):
    """None: the usual ones."""
    return SCORE_LINES.get(name.replace("sam2_", "sam2.1_"))
