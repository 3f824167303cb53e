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
    """Queries are the cells of an h x w grid. Keys are groups of `n_free` keys without a place and
    a whole grid of `key_grid` (the queries' by default), one group after the other, then `n_plain`
    keys (object pointers). Keys without a place are not rotated."""

    def __init__(self, dim, heads, theta, kv_dim=None):
        super().__init__(dim, heads, kv_dim=kv_dim)
        self.theta = theta

    def forward(self, q, k, v, grid, n_plain=0, key_grid=None, n_free=0):
        q, k, v = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        q = rotate(q, *axial_rotations(q.shape[-1], *grid, self.theta, q.device))
        cos, sin = axial_rotations(q.shape[-1], *(key_grid or grid), self.theta, q.device)
        cos, sin = F.pad(cos, (0, 0, n_free, 0), value=1.0), F.pad(sin, (0, 0, n_free, 0))
        n_rotated = k.shape[2] - n_plain
        groups = n_rotated // cos.shape[0]
        rotated = rotate(k[:, :, :n_rotated], cos.repeat(groups, 1), sin.repeat(groups, 1))
        k = torch.cat((rotated, k[:, :, n_rotated:]), dim=2) if n_plain else rotated
        return self.merge(F.scaled_dot_product_attention(q, k, v))
