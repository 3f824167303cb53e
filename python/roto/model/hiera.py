"""Hiera (Ryali et al. 2023) as SAM 2 has it: attention inside windows, a few blocks that attend to
the whole picture, and window-aware position embeddings (Bolya et al. 2023)."""

import torch
from torch import nn
from torch.nn import functional as F

from .layers import MLP

EPSILON = 1e-6
POOL = 2  # a stage's first block pools its queries


def max_pool(x):
    """Images [n, h, w, c]."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), POOL).permute(0, 2, 3, 1)


def into_windows(x, size):
    """[n, h, w, c] -> [n windows, size, size, c], with zeros beyond the border."""
    h, w = map(int, x.shape[1:3])  # ints in a trace too, where // would round towards zero
    x = F.pad(x, (0, 0, 0, -w % size, 0, -h % size))
    x = x.unflatten(1, (-1, size)).unflatten(3, (-1, size))  # [n, rows, size, columns, size, c]
    return x.transpose(2, 3).flatten(0, 2)


def out_of_windows(x, h, w):
    """The inverse for an image of h x w cells."""
    h, w, size = int(h), int(w), int(x.shape[1])
    rows, columns = -(-h // size), -(-w // size)
    x = x.unflatten(0, (-1, rows, columns)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)[:, :h, :w]


class Attention(nn.Module):
    def __init__(self, dim_in, dim, heads, pools):
        super().__init__()
        self.heads, self.pools = heads, pools
        self.qkv = nn.Linear(dim_in, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def split(self, x):
        return x.flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        """[n, h, w, c]; the result is smaller when queries are pooled."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if self.pools:
            q = max_pool(q)
        y = F.scaled_dot_product_attention(self.split(q), self.split(k), self.split(v))
        return self.proj(y.transpose(1, 2).flatten(2).unflatten(1, q.shape[1:3]))


class Block(nn.Module):
    """Attention and MLP, each after a norm and around a skip. window 0: the whole picture."""

    def __init__(self, dim_in, dim, heads, window, starts_stage):
        super().__init__()
        self.window, self.starts_stage = window, starts_stage
        self.norm1 = nn.LayerNorm(dim_in, eps=EPSILON)
        self.attn = Attention(dim_in, dim, heads, starts_stage)
        self.norm2 = nn.LayerNorm(dim, eps=EPSILON)
        self.mlp = MLP(dim, 4 * dim, dim, 2, F.gelu)
        if starts_stage:
            self.proj = nn.Linear(dim_in, dim)

    def forward(self, x):
        y = self.norm1(x)
        if self.starts_stage:
            x = max_pool(self.proj(y))
        y = self.attn(into_windows(y, self.window)) if self.window else self.attn(y)
        x = x + (out_of_windows(y, *x.shape[1:3]) if self.window else y)
        return x + self.mlp(self.norm2(x))


class Hiera(nn.Module):
    """Features of strides 4, 8, 16 and 32."""

    def __init__(self, config):
        super().__init__()
        c = config
        dim = c.trunk_channels[0]
        self.patch_embed = nn.Sequential()
        self.patch_embed.add_module("proj", nn.Conv2d(3, dim, 7, 4, 3))
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, c.trunk_pos_embed, c.trunk_pos_embed))
        self.pos_embed_window = nn.Parameter(
            torch.zeros(1, dim, c.trunk_windows[0], c.trunk_windows[0])
        )
        self.blocks, self.last_blocks = nn.ModuleList(), []
        for stage, n_blocks in enumerate(c.trunk_blocks):
            for i in range(n_blocks):
                starts = stage > 0 and i == 0
                is_global = len(self.blocks) in c.trunk_global_blocks
                # A stage's first block sees the cells, and so the windows, of the one before.
                window = 0 if is_global else c.trunk_windows[stage - starts]
                dim_in, dim = dim, c.trunk_channels[stage]
                self.blocks.append(Block(dim_in, dim, c.trunk_heads << stage, window, starts))
            self.last_blocks.append(len(self.blocks) - 1)

    def position(self, h, w):
        """[1, c, h, w]: a coarse embedding stretched over the grid, one of a window repeated."""
        coarse = F.interpolate(self.pos_embed, size=(h, w), mode="bicubic")
        size = self.pos_embed_window.shape[-1]
        window = self.pos_embed_window.repeat(1, 1, -(-h // size), -(-w // size))
        return coarse + window[..., :h, :w]

    def forward(self, images):
        x = self.patch_embed(images)
        x = (x + self.position(*x.shape[2:])).permute(0, 2, 3, 1)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.last_blocks:
                features.append(x.permute(0, 3, 1, 2))
        return features
