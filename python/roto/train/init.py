"""Initial values: a pretrained trunk, and memory attention that starts as feature matching.

Only values are special. Memories carry, next to the mask, a projection of the frame's features;
queries and keys start as two views of that same projection. So attention is from the first step a
space-time memory reader (Oh et al. 2019): a pixel looks where the frame looked alike.
"""

import torch
from torch import nn

from .tflite import convolutions

MATCH_CHANNELS = 48  # of mem_dim: features; the rest carry the mask
MASK_SHARE = 32  # of the memory encoder's d_model channels: the mask's
MATCH_GAIN = 1.7


def load_trunk(trunk, path):
    """MobileNetV2's weights from a TensorFlow Lite file (its first 52 convolutions)."""
    ours = [m for m in trunk.modules() if isinstance(m, nn.Conv2d)]
    theirs = convolutions(path)
    for i, conv in enumerate(ours):
        depthwise, weight, bias = theirs[i]
        if depthwise != (conv.groups > 1) or weight.shape != conv.weight.shape:
            raise ValueError(f"{path}: convolution {i} is {weight.shape}, not {conv.weight.shape}")
        conv.weight.data.copy_(torch.from_numpy(weight))
        conv.bias.data.copy_(torch.from_numpy(bias))


@torch.no_grad()
def calibrate_neck(encoder, images):
    """Scales the neck so that its features have unit variance on these images, level by level."""
    features = encoder.trunk(images)
    shares = [1.0, 1.0, 0.5, 0.5]  # stride 16 is the sum of two levels
    for level, x, share in zip(reversed(encoder.neck.convs), features, shares):
        conv = level.conv
        y = conv(x)
        mean, std = y.mean((0, 2, 3)), y.std((0, 2, 3)).clamp(min=1e-4)
        gain = share**0.5 / std
        conv.bias.copy_((conv.bias - mean) * gain)
        conv.weight.mul_(gain[:, None, None, None])


@torch.no_grad()
def start_as_matching(model, generator):
    c = model.config
    d, m = c.d_model, c.mem_dim
    features, masks = d - MASK_SHARE, m - MATCH_CHANNELS

    def orthonormal(rows, columns):
        q = torch.linalg.qr(torch.randn(columns, rows, generator=generator))[0]
        return q.t()

    encoder = model.memory_encoder
    view = orthonormal(features, d)
    encoder.pix_feat_proj.weight.zero_()
    encoder.pix_feat_proj.weight[:features] = view[:, :, None, None]
    encoder.pix_feat_proj.bias.zero_()
    last = encoder.mask_downsampler.encoder[-1]
    last.weight[:features] = 0
    last.bias[:features] = 0
    last.weight[features:] *= 3.0
    for block in encoder.fuser.layers:
        block.gamma.fill_(0.05)
    shrink = orthonormal(MATCH_CHANNELS, features)
    out = encoder.out_proj
    out.weight.zero_()
    out.bias.zero_()
    out.weight[:MATCH_CHANNELS, :features] = shrink[:, :, None, None]
    out.weight[MATCH_CHANNELS:, features:] = orthonormal(masks, MASK_SHARE)[:, :, None, None]
    project = shrink @ view  # a frame's features as its memories carry them

    # Pairs of channels turn with the place at rates that fall from pair to pair, x's in the first
    # half and y's in the second. The slowest carry the match, so that places matter little.
    half, quarter = d // 2, MATCH_CHANNELS // 2
    channels = torch.cat((torch.arange(half - quarter, half), torch.arange(d - quarter, d)))
    for layer in model.memory_attention.layers:
        attention = layer.cross_attn_image
        for projection in (attention.q_proj, attention.k_proj):
            projection.weight.mul_(0.1)
            projection.bias.zero_()
        mix = orthonormal(MATCH_CHANNELS, MATCH_CHANNELS)
        attention.q_proj.weight[channels] += MATCH_GAIN * (mix @ project)
        attention.k_proj.weight[channels, :MATCH_CHANNELS] += MATCH_GAIN * mix
        attention.v_proj.weight[:, :MATCH_CHANNELS].mul_(0.5)


def initialise(model, trunk_path, images, seed):
    """images [n, 3, h, w], normalised: a few to set the neck's scale by."""
    generator = torch.Generator().manual_seed(seed)
    if trunk_path:
        load_trunk(model.image_encoder.trunk, trunk_path)
    calibrate_neck(model.image_encoder, images)
    start_as_matching(model, generator)
