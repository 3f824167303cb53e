"""Position encodings: sines over the grid, random Fourier features of points, axial rotation."""

import functools
import math

import torch
from torch import nn


@functools.lru_cache(maxsize=16)
def _sine_frequencies(n, device="cpu", temperature=10000.0):
    """One frequency for each pair of channels: 1 / temperature^(2 floor(i / 2) / n)."""
    i = torch.arange(n, dtype=torch.float32, device=device)
    return 1.0 / temperature ** (2 * torch.div(i, 2, rounding_mode="floor") / n)


@functools.lru_cache(maxsize=64)
def sine_2d(dim, h, w, device):
    """[dim, h, w]: the first half of the channels encodes y, the second x.

    Coordinates run from 1/size to 1 and are scaled to a full turn; even channels are sines, odd
    ones cosines (the encoding of DETR, Carion et al. 2020).
    """
    half = dim // 2
    freq = _sine_frequencies(half)

    def encode(size):
        pos = torch.arange(1, size + 1, dtype=torch.float32) / (size + 1e-6) * (2 * math.pi)
        phase = pos[:, None] * freq
        return torch.stack((phase[:, 0::2].sin(), phase[:, 1::2].cos()), dim=2).flatten(1)

    y = encode(h).t()[:, :, None].expand(half, h, w)
    x = encode(w).t()[:, None, :].expand(half, h, w)
    return torch.cat((y, x)).to(device)


def sine_1d(pos, dim):
    """[...] -> [..., dim]: all sines, then all cosines."""
    phase = pos[..., None] * _sine_frequencies(dim // 2, pos.device)
    return torch.cat((phase.sin(), phase.cos()), dim=-1)


class RandomFourier(nn.Module):
    """Points in [0, 1]^2 through fixed random frequencies (Tancik et al. 2020)."""

    def __init__(self, dim):
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def forward(self, points):
        """[..., (x, y)] -> [..., dim]"""
        phase = 2 * math.pi * ((2 * points - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat((phase.sin(), phase.cos()), dim=-1)

    def grid(self, h, w):
        """[dim, h, w] for the centres of a grid's cells."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(h, device=device, dtype=torch.float32) + 0.5) / h
        x = (torch.arange(w, device=device, dtype=torch.float32) + 0.5) / w
        points = torch.stack((x[None, :].expand(h, w), y[:, None].expand(h, w)), dim=-1)
        return self(points).permute(2, 0, 1)


@functools.lru_cache(maxsize=64)
def axial_rotations(dim, h, w, theta, device):
    """cos and sin, each [h w, dim / 2], of axial rotary embedding (Heo et al. 2024).

    Pair i of a head is its channels 2i and 2i + 1. The first half of the pairs turns with x, the
    second with y, at dim / 4 frequencies each.
    """
    n = dim // 4
    freq = 1.0 / theta ** (torch.arange(n, dtype=torch.float32) * 4 / dim)
    cell = torch.arange(h * w, dtype=torch.float32)
    x, y = cell % w, torch.div(cell, w, rounding_mode="floor")
    angle = torch.cat((x[:, None] * freq, y[:, None] * freq), dim=1)
    return angle.cos().to(device), angle.sin().to(device)


def rotate(x, cos, sin):
    """Turns the channel pairs of x [n, heads, tokens, dim] by angles [tokens, dim / 2]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)
