"""What cameras and codecs do to frames: light, blur, noise, blocks."""

import functools
import math

import torch
from torch.nn import functional as F

from .motion import wobble


def degrade(frames, t, rng):
    """frames [n t, 3, h, w] in 0..255, the t frames of a clip together."""
    n = frames.shape[0] // t
    frames = _light(frames, n, t, rng)
    frames = _blur(frames, n, t, rng)
    frames = _noise(frames, n, t, rng)
    return _blocks(frames, n, t, rng).clamp(0, 255)


def _per_frame(x, t):
    """[n, ...] -> [n t, ..., 1, 1]"""
    return x.repeat_interleave(t, dim=0)[..., None, None]


def _light(frames, n, t, rng):
    """Contrast, brightness and colour, constant in most clips and drifting in some."""
    times = torch.arange(t, device=frames.device).float().expand(n, t)
    drift = (rng.chance(0.4, n, 1) * 0.06)[:, :, None] * wobble(rng, times, n, 4)
    gain = (0.15 * rng.normal(n, 1, 1) + 0.06 * rng.normal(n, 3, 1) + drift[:, :3]).exp()
    offset = 18 * rng.normal(n, 1, 1) + 40 * drift[:, 3:]
    gain = gain.transpose(1, 2).reshape(n * t, 3, 1, 1)
    offset = offset.transpose(1, 2).reshape(n * t, 1, 1, 1)
    frames = (frames - 110) * gain + 110 + offset
    grey = frames.mean(1, keepdim=True)
    saturation = torch.where(rng.chance(0.08, n, 1), 0.0, (0.25 * rng.normal(n, 1)).exp())
    return (grey + _per_frame(saturation, t) * (frames - grey)).clamp(0, 255)


def _blur(frames, n, t, rng):
    """Lens blur on some clips, motion blur along an axis on some frames."""
    h, w = frames.shape[2:]
    kinds = rng.pick(torch.tensor([0.55, 0.17, 0.1, 0.1, 0.08], device=frames.device), n)
    kinds = kinds.repeat_interleave(t)[:, None, None, None]
    moves = rng.chance(0.6, n * t)[:, None, None, None]  # not on every frame of such a clip
    small = F.avg_pool2d(frames, 3, 1, 1, count_include_pad=False)
    half = F.interpolate(F.avg_pool2d(frames, 2), size=(h, w), mode="bilinear")
    along_x = F.avg_pool2d(frames, (1, 9), 1, (0, 4), count_include_pad=False)
    along_y = F.avg_pool2d(frames, (7, 1), 1, (3, 0), count_include_pad=False)
    frames = torch.where(kinds == 1, small, frames)
    frames = torch.where(kinds == 2, half, frames)
    frames = torch.where((kinds == 3) & moves, along_x, frames)
    return torch.where((kinds == 4) & moves, along_y, frames)


def _noise(frames, n, t, rng):
    sigma = rng.chance(0.4, n, 1) * 8 * rng.uniform(n, 1)
    noise = torch.randn(frames.shape, generator=rng.generator, device=frames.device)
    return frames + _per_frame(sigma, t) * noise


@functools.lru_cache(maxsize=4)
def _dct(device):
    """The 8 x 8 cosine transform, and how coarsely each coefficient is rounded (rising with its
    frequency, like JPEG's tables)."""
    k = torch.arange(8.0)
    basis = (math.pi * (2 * k[None] + 1) * k[:, None] / 16).cos() * 0.5
    basis[0] /= math.sqrt(2)
    step = 1 + 0.9 * (k[:, None] + k[None])
    return basis.to(device), step.to(device)


def _blocks(frames, n, t, rng):
    """Rounds the coefficients of 8 x 8 blocks."""
    basis, step = _dct(frames.device)
    h, w = frames.shape[2:]
    coarse = torch.where(rng.chance(0.5, n, 1), 1.0 + 11 * rng.uniform(n, 1) ** 2, 0.25)
    step = step * _per_frame(_per_frame(coarse, t), 1)  # [n t, 1, 1, 1, 1, 1] x [8, 8]
    blocks = frames.reshape(n * t, 3, h // 8, 8, w // 8, 8).transpose(3, 4)
    coefficients = basis @ blocks @ basis.t()
    rounded = (coefficients / step).round() * step
    blocks = basis.t() @ rounded @ basis
    return blocks.transpose(3, 4).reshape(frames.shape)
