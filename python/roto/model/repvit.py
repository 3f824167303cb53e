"""RepViT-M1 (Wang et al. 2023), EdgeTAM's trunk, with the names and the unfolded batch norms of its
checkpoint."""

from torch import nn
from torch.nn import functional as F

CHANNELS = (48, 96, 192, 384)
BLOCKS = (2, 2, 14, 2)


class ConvNorm(nn.Module):
    def __init__(self, channels, out_channels, kernel=1, stride=1, groups=1):
        super().__init__()
        padding = kernel // 2
        self.c = nn.Conv2d(
            channels, out_channels, kernel, stride, padding, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return self.bn(self.c(x))


class TokenMixer(nn.Module):
    """Depthwise 3x3, depthwise 1x1 and identity side by side."""

    def __init__(self, dim):
        super().__init__()
        self.conv = ConvNorm(dim, dim, 3, groups=dim)
        self.conv1 = ConvNorm(dim, dim, groups=dim)

    def forward(self, x):
        return self.conv(x) + self.conv1(x) + x


class ChannelMixer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv1 = ConvNorm(dim, 2 * dim)
        self.conv2 = ConvNorm(2 * dim, dim)

    def forward(self, x):
        return x + self.conv2(F.gelu(self.conv1(x)))


class SqueezeExcite(nn.Module):
    def __init__(self, dim):
        super().__init__()
        squeezed = (dim // 4 + 4) // 8 * 8  # to the nearest multiple of 8
        self.fc1 = nn.Conv2d(dim, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, dim, 1)

    def forward(self, x):
        y = F.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * self.fc2(y).sigmoid()


class Block(nn.Module):
    def __init__(self, dim, squeezes):
        super().__init__()
        self.token_mixer = TokenMixer(dim)
        self.se = SqueezeExcite(dim) if squeezes else nn.Identity()
        self.channel_mixer = ChannelMixer(dim)

    def forward(self, x):
        return self.channel_mixer(self.se(self.token_mixer(x)))


class Downsample(nn.Module):
    def __init__(self, dim, out_dim):
        super().__init__()
        self.pre_block = Block(dim, squeezes=False)
        self.spatial_downsample = ConvNorm(dim, dim, 3, 2, groups=dim)
        self.channel_downsample = ConvNorm(dim, out_dim)
        self.ffn = ChannelMixer(out_dim)

    def forward(self, x):
        x = self.spatial_downsample(self.pre_block(x))
        return self.ffn(self.channel_downsample(x))


class Stage(nn.Module):
    def __init__(self, dim, out_dim, n_blocks):
        super().__init__()
        self.downsample = Downsample(dim, out_dim) if dim != out_dim else nn.Identity()
        self.blocks = nn.Sequential(*(Block(out_dim, i % 2 == 0) for i in range(n_blocks)))

    def forward(self, x):
        return self.blocks(self.downsample(x))


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        dim = CHANNELS[0]
        self.stem = nn.Sequential()
        self.stem.add_module("conv1", ConvNorm(3, dim // 2, 3, 2))
        self.stem.add_module("act1", nn.GELU())
        self.stem.add_module("conv2", ConvNorm(dim // 2, dim, 3, 2))
        for i, (out_dim, n_blocks) in enumerate(zip(CHANNELS, BLOCKS, strict=True)):
            self.add_module(f"stages_{i}", Stage(dim, out_dim, n_blocks))
            dim = out_dim

    def forward(self, x):
        x = self.stem(x)
        features = []
        for i in range(len(CHANNELS)):
            x = self.get_submodule(f"stages_{i}")(x)
            features.append(x)
        return features


class RepVit(nn.Module):
    """Features of strides 4, 8, 16 and 32."""

    def __init__(self, config):
        super().__init__()
        self.body = Body()

    def forward(self, images):
        return self.body(images)
