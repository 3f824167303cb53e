"""Multi-head attention, plain and with axial rotary position embedding."""

import torch
from torch import nn
from torch.nn import functional as F

from .position import axial_rotations, rotate


class Attention(nn.Module):
    def __init__(self, dim, heads, downsample=1, kv_dim=None):
        super().__init__()
        inner = dim // downsample
        self.heads = heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(kv_dim or dim, inner)
        self.v_proj = nn.Linear(kv_dim or dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def merge(self, x):
        return self.out_proj(x.transpose(1, 2).flatten(2))

    def forward(self, q, k, v):
        q, k, v = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        return self.merge(F.scaled_dot_product_attention(q, k, v))


class RoPEAttention(Attention):
    """Queries are the cells of an h x w grid. Keys are whole grids of that size, one after the
    other, then `n_plain` keys that are not rotated (object pointers have no place)."""

    def __init__(self, dim, heads, theta, kv_dim=None):
        super().__init__(dim, heads, kv_dim=kv_dim)
        self.theta = theta

    def forward(self, q, k, v, grid, n_plain=0):
        q, k, v = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        cos, sin = axial_rotations(q.shape[-1], *grid, self.theta, q.device)
        n_rotated = k.shape[2] - n_plain
        grids = n_rotated // q.shape[2]
        q = rotate(q, cos, sin)
        rotated = rotate(k[:, :, :n_rotated], cos.repeat(grids, 1), sin.repeat(grids, 1))
        k = torch.cat((rotated, k[:, :, n_rotated:]), dim=2) if n_plain else rotated
        return self.merge(F.scaled_dot_product_attention(q, k, v))
