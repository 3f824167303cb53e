"""The mask decoder of SAM 2: tokens and image attend to each other, then tokens paint masks."""

import torch
from torch import nn
from torch.nn import functional as F

from .attention import Attention
from .layers import MLP, LayerNorm2d, image_of, tokens_of


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the image, pass an MLP, then the image attends to them."""

    def __init__(self, config, first):
        super().__init__()
        d, heads, down = config.d_model, config.decoder_heads, config.decoder_downsample
        self.first = first
        self.self_attn = Attention(d, heads)
        self.cross_attn_token_to_image = Attention(d, heads, down)
        self.mlp = MLP(d, config.decoder_mlp, d, 2)
        self.cross_attn_image_to_token = Attention(d, heads, down)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(d) for _ in range(4))

    def forward(self, tokens, image, token_pos, image_pos):
        if self.first:  # the tokens are their own positions still
            tokens = self.norm1(self.self_attn(tokens, tokens, tokens))
        else:
            q = tokens + token_pos
            tokens = self.norm1(tokens + self.self_attn(q, q, tokens))
        keys = image + image_pos
        seen = self.cross_attn_token_to_image(tokens + token_pos, keys, image)
        tokens = self.norm2(tokens + seen)
        tokens = self.norm3(tokens + self.mlp(tokens))
        told = self.cross_attn_image_to_token(keys, tokens + token_pos, tokens)
        return tokens, self.norm4(image + told)


class TwoWayTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(config, first=i == 0) for i in range(config.decoder_layers)
        )
        self.final_attn_token_to_image = Attention(
            config.d_model, config.decoder_heads, config.decoder_downsample
        )
        self.norm_final_attn = nn.LayerNorm(config.d_model)

    def forward(self, tokens, image, image_pos):
        token_pos = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pos, image_pos)
        seen = self.final_attn_token_to_image(tokens + token_pos, image + image_pos, image)
        return self.norm_final_attn(tokens + seen), image


class MaskDecoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, n_masks = config.d_model, config.num_multimask + 1
        self.n_masks = n_masks
        self.delta, self.threshold = config.stability_delta, config.stability_threshold
        self.transformer = TwoWayTransformer(config)
        self.iou_token = nn.Embedding(1, d)
        self.mask_tokens = nn.Embedding(n_masks, d)
        self.obj_score_token = nn.Embedding(1, d)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(d, d // 4, 2, 2),
            LayerNorm2d(d // 4),
            nn.GELU(),
            nn.ConvTranspose2d(d // 4, d // 8, 2, 2),
            nn.GELU(),
        )
        self.conv_s0 = nn.Conv2d(d, d // 8, 1)
        self.conv_s1 = nn.Conv2d(d, d // 4, 1)
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(d, d, d // 8, 3) for _ in range(n_masks))
        self.iou_prediction_head = MLP(d, config.iou_head_hidden, n_masks, config.iou_head_layers)
        self.pred_obj_score_head = MLP(d, d, 1, 3)

    def forward(self, image, image_pos, sparse, dense, s4, s8):
        """image and dense [n or 1, d, h, w]; image_pos [1, d, h, w]; sparse [n, p, d]; s4 and s8 as
        conv_s0 and conv_s1 made them. Returns for all mask tokens (the single mask first)
        logits [n, masks, 4h, 4w], predicted IoUs [n, masks], tokens [n, masks, d], and the object
        score's logit [n, 1]."""
        n, _, h, w = image.shape
        own = torch.cat(
            (self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight)
        )
        tokens = torch.cat((own[None].expand(n, -1, -1), sparse), dim=1)
        tokens, image = self.transformer(tokens, tokens_of(image + dense), tokens_of(image_pos))
        score_token, iou_token, mask_tokens = (
            tokens[:, 0],
            tokens[:, 1],
            tokens[:, 2 : 2 + self.n_masks],
        )

        up1, norm, _, up2, _ = self.output_upscaling
        x = F.gelu(norm(up1(image_of(image, h, w)) + s8))
        x = F.gelu(up2(x) + s4)
        painters = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        masks = (painters @ x.flatten(2)).unflatten(2, x.shape[2:])
        ious = self.iou_prediction_head(iou_token).sigmoid()
        return masks, ious, mask_tokens, self.pred_obj_score_head(score_token)

    def single_or_stable(self, masks, ious):
        """The single mask, unless a small change of threshold changes its area much: then the one
        of the multimasks with the best predicted IoU. [n, 1, H, W] and [n, 1]."""
        inner = (masks[:, 0] > self.delta).flatten(1).sum(1).float()
        outer = (masks[:, 0] > -self.delta).flatten(1).sum(1).float()
        stable = torch.where(outer > 0, inner / outer, 1.0) >= self.threshold
        best = 1 + ious[:, 1:].argmax(1)
        choice = torch.where(stable, 0, best)
        rows = torch.arange(masks.shape[0], device=masks.device)
        return masks[rows, choice][:, None], ious[rows, choice][:, None]
