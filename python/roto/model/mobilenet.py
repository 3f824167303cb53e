"""MobileNetV2 (Sandler et al. 2018), width 1, batch norm folded into the convolutions."""

from torch import nn
from torch.nn import functional as F

# (expansion, channels, blocks, stride of the first block)
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
OUTPUT_BLOCKS = (2, 5, 12, 16)  # the last blocks at strides 4, 8, 16 and 32


class InvertedResidual(nn.Module):
    """1x1 up, 3x3 depthwise, 1x1 down; ReLU6 after the first two."""

    def __init__(self, channels, out_channels, stride, expansion):
        super().__init__()
        hidden = channels * expansion
        self.expand = nn.Conv2d(channels, hidden, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden)
        self.project = nn.Conv2d(hidden, out_channels, 1)
        self.residual = stride == 1 and channels == out_channels

    def forward(self, x):
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """Features of strides 4, 8, 16 and 32.

    Strided convolutions pad one cell on every side. TensorFlow pads only after the last cell; the
    features are the same functions sampled one phase earlier, so its weights serve unchanged.
    """

    channels = (24, 32, 96, 320)

    def __init__(self, config=None):
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1)
        blocks, channels = [], STEM_CHANNELS
        for expansion, out_channels, n, stride in STAGES:
            for i in range(n):
                block_stride = stride if i == 0 else 1
                blocks.append(InvertedResidual(channels, out_channels, block_stride, expansion))
                channels = out_channels
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        x = F.relu6(self.stem(x), inplace=True)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in OUTPUT_BLOCKS:
                features.append(x)
        return features
