"""The memory encoder: a frame's features and an object's mask become a spatial memory."""

import torch
from torch import nn
from torch.nn import functional as F

from .layers import LayerNorm2d


class MaskDownSampler(nn.Module):
    """3x3 convolutions of stride 2, each with four times the channels, down to stride 16."""

    def __init__(self, config):
        super().__init__()
        self.encoder = nn.Sequential()
        stride, channels = config.memory_mask_stride, 1
        while stride < 16:
            self.encoder.append(nn.Conv2d(channels, channels * 4, 3, 2, 1))
            self.encoder.append(LayerNorm2d(channels * 4))
            self.encoder.append(nn.GELU())
            stride, channels = stride * 2, channels * 4
        self.encoder.append(nn.Conv2d(channels, config.d_model, 1))

    def forward(self, mask):
        return self.encoder(mask)


class CXBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022)."""

    def __init__(self, dim, layer_scale=1e-6):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale))

    def forward(self, x):
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    def __init__(self, dim, n_layers):
        super().__init__()
        self.layers = nn.ModuleList(CXBlock(dim) for _ in range(n_layers))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.mask_downsampler = MaskDownSampler(config)
        self.pix_feat_proj = nn.Conv2d(config.d_model, config.d_model, 1)
        self.fuser = Fuser(config.d_model, config.memory_fuser_layers)
        self.out_proj = nn.Conv2d(config.d_model, config.mem_dim, 1)

    def forward(self, s16, mask):
        """s16 [frames, d, h, w], mask [objects, 1, H, W] at memory_mask_stride, scaled as the
        segmenter scales it. Returns [objects, mem_dim, h, w]."""
        pixels = self.pix_feat_proj(s16).repeat_interleave(mask.shape[0] // s16.shape[0], dim=0)
        return self.out_proj(self.fuser(pixels + self.mask_downsampler(mask)))
