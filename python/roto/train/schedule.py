"""What changes while training proceeds. Progress runs from 0 to 1, by steps or by the clock."""

import dataclasses
import math

from .compose import Shape

WARM_UP = 0.02
START_STEPS = 100
TRUNK_SHARE = 1 / 6  # the trunk's learning rate over the rest's
TEACH_UNTIL = 0.3  # share of training in which memories sometimes hold true masks


@dataclasses.dataclass(frozen=True)
class Stage:
    until: float  # progress
    shapes: tuple  # taken in turn


def clip_shape(clips, frames, width, height, targets=2, real_share=0.25):
    return Shape(clips, round(clips * real_share), targets, frames, height, width)


# Every shape costs half a minute of a GPU's time before its first step: few of them, and those of
# a stage that a resumed run has passed are never made.
FULL = (
    Stage(0.25, (clip_shape(48, 4, 448, 256),)),
    Stage(0.6, (clip_shape(28, 6, 512, 288),)),
    Stage(1.01, (clip_shape(14, 12, 512, 288),)),
)
SMOKE = (Stage(1.01, (clip_shape(4, 3, 64, 64),)),)
PLANS = {"full": FULL, "smoke": SMOKE}


def stage_at(plan, progress):
    return next(i for i, stage in enumerate(plan) if progress < stage.until)


def learning_rate(progress, peak):
    """Linear warm-up, then a cosine to 1 % of the peak."""
    if progress < WARM_UP:
        return peak * (0.02 + 0.98 * progress / WARM_UP)
    x = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * x)))


def after_start(steps):
    """Trained weights under a new optimiser, which at first steps too far: the share of the rate."""
    return min(1.0, (steps + 1) / START_STEPS)


def teaching(progress):
    return 0.5 * max(0.0, 1 - progress / TEACH_UNTIL)
