"""The prompt encoder of SAM (Kirillov et al. 2023): points, boxes and masks as embeddings."""

import torch
from torch import nn

from .layers import LayerNorm2d
from .position import RandomFourier

# Labels of points. A box is its two corners, given before any clicks.
PADDING, BACKGROUND, FOREGROUND, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = -1, 0, 1, 2, 3


class PromptEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, c = config.d_model, config.mask_in_channels
        self.pe_layer = RandomFourier(d)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, d) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, d)
        self.no_mask_embed = nn.Embedding(1, d)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, c // 4, 2, 2),
            LayerNorm2d(c // 4),
            nn.GELU(),
            nn.Conv2d(c // 4, c, 2, 2),
            LayerNorm2d(c),
            nn.GELU(),
            nn.Conv2d(c, d, 1),
        )

    def sparse(self, points, labels, image_size):
        """points [n, p, (x, y)] in pixels of the model's input, whose (width, height) is
        image_size; labels [n, p]. One padding point is always appended: [n, p + 1, d]."""
        n = points.shape[0]
        points = torch.cat((points + 0.5, points.new_zeros(n, 1, 2)), dim=1)
        labels = torch.cat((labels, labels.new_full((n, 1), PADDING)), dim=1)
        width, height = image_size
        position = self.pe_layer(torch.stack((points[..., 0] / width, points[..., 1] / height), -1))
        # Row label + 1: a padding point has no position, only its own embedding.
        kinds = torch.cat(
            [self.not_a_point_embed.weight] + [e.weight for e in self.point_embeddings]
        )
        return torch.where((labels == PADDING)[..., None], 0.0, position) + kinds[labels + 1]

    def dense(self, mask):
        """Mask logits [n, 1, 4h, 4w] at stride 4 -> [n, d, h, w]."""
        return self.mask_downscaling(mask)

    def no_dense(self):
        """[1, d, 1, 1], what stands for the absence of a mask."""
        return self.no_mask_embed.weight[:, :, None, None]
