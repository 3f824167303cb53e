"""The image encoder: a trunk, and a feature pyramid that ends at stride 16."""

from torch import nn
from torch.nn import functional as F

from .hiera import Hiera
from .mobilenet import MobileNetV2
from .repvit import RepVit

TRUNKS = {"hiera": Hiera, "mobilenet_v2": MobileNetV2, "repvit_m1": RepVit}


class FpnNeck(nn.Module):
    """1x1 laterals to d_model; only stride 16 also receives the level above, doubled by nearest
    neighbour. `convs` is ordered from the lowest resolution up, as in published checkpoints."""

    def __init__(self, trunk_channels, d_model):
        super().__init__()
        self.convs = nn.ModuleList(nn.Sequential() for _ in trunk_channels)
        for level, channels in zip(self.convs, reversed(trunk_channels)):
            level.add_module("conv", nn.Conv2d(channels, d_model, 1))

    def forward(self, features):
        s4, s8, s16, s32 = (conv(x) for conv, x in zip(reversed(self.convs), features))
        return s4, s8, s16 + F.interpolate(s32, scale_factor=2.0, mode="nearest")


class ImageEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.trunk not in TRUNKS:
            raise ValueError(f"trunk {config.trunk!r}: known are {', '.join(TRUNKS)}")
        self.trunk = TRUNKS[config.trunk](config)
        self.neck = FpnNeck(config.trunk_channels, config.d_model)

    def forward(self, images):
        return self.neck(self.trunk(images))
