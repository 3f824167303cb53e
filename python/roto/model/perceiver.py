"""EdgeTAM's 2-D spatial perceiver (Zhou et al. 2025): a memory's cells become few latents."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .layers import tokens_of
from .position import sine_2d


def feed_forward(dim):
    return nn.Sequential(
        nn.LayerNorm(dim),
        nn.Linear(dim, 4 * dim, bias=False),
        nn.GELU(),
        nn.Linear(4 * dim, dim, bias=False),
    )


class CrossAttention(nn.Module):
    """Latents read cells. One head. The cells' place, if given, is added to keys and values."""

    def __init__(self, dim):
        super().__init__()
        self.norm_x = nn.LayerNorm(dim)
        self.norm_latents = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_kv = nn.Linear(dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(self, latents, cells, place):
        k, v = self.to_kv(self.norm_x(cells)).chunk(2, dim=-1)
        if place is not None:
            k, v = k + place, v + place
        q = self.to_q(self.norm_latents(latents))
        return self.to_out(F.scaled_dot_product_attention(q, k, v))


class SelfAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_kv = nn.Linear(dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        x = self.norm(x)
        k, v = self.to_kv(x).chunk(2, dim=-1)
        return self.to_out(F.scaled_dot_product_attention(self.to_q(x), k, v))


class Layer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.attn = CrossAttention(dim)
        self.ff = feed_forward(dim)
        self.self_attn = SelfAttention(dim)
        self.self_ff = feed_forward(dim)

    def forward(self, latents, cells, place=None):
        latents = latents + self.attn(latents, cells, place)
        latents = latents + self.ff(latents)
        latents = latents + self.self_attn(latents)
        return latents + self.self_ff(latents)


class SpatialPerceiver(nn.Module):
    """Global latents attend to all cells, 2-D ones to those of their own window."""

    def __init__(self, config):
        super().__init__()
        dim = config.mem_dim
        self.side = math.isqrt(config.perceiver_latents_2d)
        self.latents = nn.Parameter(torch.randn(config.perceiver_latents, dim))
        self.latents_2d = nn.Parameter(torch.randn(config.perceiver_latents_2d, dim))
        self.layers = nn.ModuleList(Layer(dim) for _ in range(config.perceiver_layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, memory):
        """[n, c, h, w] -> [n, latents, c], the global ones first."""
        n, c, h, w = memory.shape
        cells = tokens_of(memory)
        place = tokens_of(sine_2d(c, h, w, memory.device)[None])
        latents = self.latents.expand(n, -1, -1)
        windows = memory.unflatten(3, (self.side, -1)).unflatten(2, (self.side, -1))
        windows = (
            windows.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)
        )  # [n side^2, cells, c]
        local = self.latents_2d.repeat(n, 1)[:, None]
        for layer in self.layers:
            latents = layer(latents, cells, place)
            local = layer(local, windows)
        return self.norm(torch.cat((latents, local.view(n, -1, c)), dim=1))
