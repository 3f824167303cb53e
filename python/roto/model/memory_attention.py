"""Memory attention: the current frame's features read the object's memories."""

import math

from torch import nn
from torch.nn import functional as F

from .attention import RoPEAttention
from .layers import image_of, tokens_of
from .position import sine_2d


class MemoryAttentionLayer(nn.Module):
    """Self-attention, cross-attention to the memory, MLP; each after a norm and around a skip."""

    def __init__(self, config):
        super().__init__()
        dim, heads, theta = config.d_model, config.memory_attention_heads, config.rope_theta
        self.self_attn = RoPEAttention(dim, heads, theta)
        self.cross_attn_image = RoPEAttention(dim, heads, theta, kv_dim=config.mem_dim)
        self.linear1 = nn.Linear(dim, config.memory_attention_ffn)
        self.linear2 = nn.Linear(config.memory_attention_ffn, dim)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.latents = {}
        if config.perceiver_layers:
            side = math.isqrt(config.perceiver_latents_2d)
            self.latents = {"key_grid": (side, side), "n_free": config.perceiver_latents}

    def attend_self(self, x, grid):
        y = self.norm1(x)
        return x + self.self_attn(y, y, y, grid)

    def attend_memory(self, x, memory, memory_pos, grid, n_pointer_tokens):
        q = self.norm2(x)
        return x + self.cross_attn_image(
            q, memory + memory_pos, memory, grid, n_pointer_tokens, **self.latents
        )

    def feed_forward(self, x):
        return x + self.linear2(F.relu(self.linear1(self.norm3(x))))


class MemoryAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(
            MemoryAttentionLayer(config) for _ in range(config.memory_attention_layers)
        )
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, s16, memory, memory_pos, n_pointer_tokens):
        """s16 [frames, d, h, w]; memory and memory_pos [objects, tokens, mem_dim], spatial memories
        first, pointers last; objects is a multiple of frames, and those of a frame stand together.
        Returns [objects, d, h, w]."""
        n, d, h, w = s16.shape
        x = tokens_of(s16) + 0.1 * tokens_of(sine_2d(d, h, w, s16.device)[None])
        for i, layer in enumerate(self.layers):
            x = layer.attend_self(x, (h, w))
            if i == 0:  # up to here nothing depends on the object
                x = x.repeat_interleave(memory.shape[0] // n, dim=0)
            x = layer.attend_memory(x, memory, memory_pos, (h, w), n_pointer_tokens)
            x = layer.feed_forward(x)
        return image_of(self.norm(x), h, w)
