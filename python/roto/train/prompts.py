"""Prompts drawn from masks, as for SAM 2: noisy boxes, clicks inside, clicks on errors.

Masks are [n, h, w]; points come back in pixels of the model's input, which has `stride` times as
many. Noise is an argument, so that a captured graph draws afresh on every replay.
"""

import torch

BOX_NOISE, BOX_NOISE_PX = 0.1, 20.0  # of a box's side, and at most; SAM's


def click_inside(mask, noise, stride=1):
    """A uniform pixel of each mask: [n, 1, 2]; noise [n, h, w] in 0..1."""
    w = mask.shape[2]
    at = torch.where(mask, noise, -1.0).flatten(1).argmax(1)
    x, y = at % w, torch.div(at, w, rounding_mode="floor")
    # The centre of a coarse cell, in the convention that pixel centres are whole numbers.
    return (torch.stack((x, y), -1).float()[:, None] + 0.5) * stride - 0.5


def click_on_error(target, predicted, noise, stride=1):
    """A uniform pixel of what is wrong, [n, 1, 2], and its label [n, 1]: 1 where the object was
    missed. Where nothing is wrong, a pixel of the object or of the background."""
    wrong = target ^ predicted
    perfect = ~wrong.flatten(1).any(1)
    where = wrong | perfect[:, None, None]
    points = click_inside(where, noise, stride)
    cell = ((points[:, 0] + 0.5) / stride - 0.5).round().long()
    rows = torch.arange(target.shape[0], device=target.device)
    return points, target[rows, cell[:, 1], cell[:, 0]].long()[:, None]


def noisy_box(mask, noise):
    """The corners of each mask's box, moved: [n, 2, 2]; noise [n, 4] in -1..1."""
    _, h, w = mask.shape

    def ends(hit, size):
        index = torch.arange(size, device=mask.device)
        return torch.where(hit, index, size).amin(1), torch.where(hit, index, -1).amax(1)

    x0, x1 = ends(mask.any(1), w)
    y0, y1 = ends(mask.any(2), h)
    box = torch.stack((x0, y0, x1, y1), -1).float()
    side = (box[:, 2:] - box[:, :2]).clamp(min=0)
    reach = (side * BOX_NOISE).clamp(max=BOX_NOISE_PX).repeat(1, 2)
    box = box + noise * reach
    x, y = box[:, 0::2].clamp(0, w - 1), box[:, 1::2].clamp(0, h - 1)
    return torch.stack((x, y), -1)
