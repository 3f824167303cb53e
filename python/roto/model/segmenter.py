"""One frame's computation: encode the image, recall, decode, remember (Ravi et al. 2024).

Nothing here holds state over time; tracker.py does. A batch is `frames x objects a frame`: image
features have one row a frame, everything about objects has the objects of a frame side by side.
"""

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .image_encoder import ImageEncoder
from .layers import MLP, tokens_of
from .mask_decoder import MaskDecoder
from .memory_attention import MemoryAttention
from .memory_encoder import MemoryEncoder
from .position import sine_1d, sine_2d
from .perceiver import SpatialPerceiver
from .prompt_encoder import PADDING, PromptEncoder

NO_OBJECT_LOGIT = -1024.0  # every pixel of the mask of an object that is out of sight
MASK_PROMPT_LOGIT = 10.0  # a mask prompt's pixels become +-this


@dataclasses.dataclass
class Features:
    """Image features at strides 4, 8 (as the mask decoder wants them) and 16."""

    s4: Tensor
    s8: Tensor
    s16: Tensor


@dataclasses.dataclass
class Memory:
    """What an object keeps of one frame. `time` counts frames; tensors have one row an object."""

    time: int
    features: Tensor  # [n, mem_dim, h, w], or a perceiver's latents [n, tokens, mem_dim]
    pointer: Tensor  # [n, d_model]


@dataclasses.dataclass
class Output:
    """The decoder's answer: every candidate, and the chosen one."""

    candidates: Tensor  # [n, 1 or 3, H/4, W/4] mask logits
    ious: Tensor  # [n, 1 or 3] predicted
    score: Tensor  # [n, 1] logit of the object being in sight
    logits: Tensor  # [n, 1, H/4, W/4] the candidate of the best predicted IoU
    pointer: Tensor  # [n, d_model]


class Segmenter(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        d, m = config.d_model, config.mem_dim
        self.image_encoder = ImageEncoder(config)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        if config.perceiver_layers:
            self.spatial_perceiver = SpatialPerceiver(config)
        self.sam_prompt_encoder = PromptEncoder(config)
        self.sam_mask_decoder = MaskDecoder(config)
        self.mask_downsample = nn.Conv2d(1, 1, 4, 4)
        self.obj_ptr_proj = MLP(d, d, d, 3)
        if config.pointer_time:
            self.obj_ptr_tpos_proj = nn.Linear(d, m)

        def embedding(*shape):
            return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))

        self.maskmem_tpos_enc = embedding(config.num_maskmem, 1, 1, m)
        self.no_mem_embed = embedding(1, 1, d)
        self.no_mem_pos_enc = embedding(1, 1, d)  # in every published checkpoint, used by none
        self.no_obj_ptr = embedding(1, d)
        if config.no_obj_embed_spatial:
            self.no_obj_embed_spatial = embedding(1, m)

    # ---- image ------------------------------------------------------------------------------

    def normalise(self, images):
        """RGB [n, 3, h, w] in 0..255 as the trunk wants it."""
        mean = images.new_tensor(self.config.image_mean)[:, None, None]
        std = images.new_tensor(self.config.image_std)[:, None, None]
        return (images / 255 - mean) / std

    def encode_image(self, images):
        s4, s8, s16 = self.image_encoder(images)
        decoder = self.sam_mask_decoder
        return Features(decoder.conv_s0(s4), decoder.conv_s1(s8), s16)

    # ---- recall -----------------------------------------------------------------------------

    def without_memory(self, s16):
        """Features of a frame on which the object is prompted and has no past."""
        return s16 + self.no_mem_embed.reshape(1, -1, 1, 1)

    def spatial_memory(self, features, rank):
        """Tokens and their positions, [n, tokens, mem_dim]. rank counts back from the current frame:
        1 is the most recent memory, num_maskmem is reserved for prompted frames. It may be a tensor
        of one rank an object."""
        place = self.memory_places(features.shape[2:], features.device)
        when = self.maskmem_tpos_enc[:, 0]  # [num_maskmem, 1, mem_dim]
        when = when[rank - 1] if isinstance(rank, Tensor) else when[None, rank - 1]
        tokens = features if self.config.perceiver_layers else tokens_of(features)
        return tokens, place + when

    def memory_places(self, grid, device):
        """Where a memory's tokens are, [1, tokens, mem_dim]; global latents have no place."""
        c = self.config
        if not c.perceiver_layers:
            return tokens_of(sine_2d(c.mem_dim, *grid, device)[None])
        side = math.isqrt(c.perceiver_latents_2d)
        local = tokens_of(sine_2d(c.mem_dim, side, side, device)[None])
        return F.pad(local, (0, 0, c.perceiver_latents, 0))

    def pointer_memory(self, pointers, ages):
        """pointers [n, p, d]: each becomes d / mem_dim tokens. ages [p] or [n, p]: how many frames
        ago; ages are measured in units of the longest list, as on an endless stream."""
        parts = self.config.d_model // self.config.mem_dim
        tokens = pointers.unflatten(2, (parts, -1)).flatten(1, 2)
        if not self.config.pointer_time:
            return tokens, torch.zeros_like(tokens)
        pos = sine_1d(ages / (self.config.max_obj_ptrs - 1), self.config.d_model)
        pos = self.obj_ptr_tpos_proj(pos)
        pos = pos.repeat_interleave(parts, dim=-2)
        return tokens, pos.expand_as(tokens) if pos.dim() == 3 else pos[None].expand_as(tokens)

    def recall(self, s16, spatial, pointers):
        """Memory attention over lists of (tokens, positions), spatial memories before pointers."""
        tokens = torch.cat([t for t, _ in spatial + pointers], dim=1)
        pos = torch.cat([p.expand_as(t) for t, p in spatial + pointers], dim=1)
        n_plain = sum(t.shape[1] for t, _ in pointers)
        return self.memory_attention(s16, tokens, pos, n_plain)

    # ---- decode -----------------------------------------------------------------------------

    def decode(self, features, conditioned, points=None, labels=None, mask=None, multimask=None):
        """One answer for each object. conditioned [n, d, h, w] comes from recall or without_memory;
        points and labels as in PromptEncoder.sparse; mask [n, 1, 4h, 4w] logits of an earlier
        answer. Three candidates are asked for if there is at most one point."""
        n, _, h, w = conditioned.shape
        per_frame = n // features.s4.shape[0]
        if points is None:  # a padding point stands for "no prompt"
            points = conditioned.new_zeros(n, 1, 2, dtype=torch.float32)
            labels = torch.full((n, 1), PADDING, device=conditioned.device)
            n_points = 0
        else:
            n_points = points.shape[1]
        if multimask is None:
            multimask = n_points <= 1

        prompt = self.sam_prompt_encoder
        masks, ious, tokens, score = self.sam_mask_decoder(
            conditioned,
            prompt.pe_layer.grid(h, w)[None],
            prompt.sparse(points, labels, (w * 16, h * 16)),
            prompt.no_dense() if mask is None else prompt.dense(mask),
            features.s4.repeat_interleave(per_frame, dim=0),
            features.s8.repeat_interleave(per_frame, dim=0),
        )
        masks, ious, score = masks.float(), ious.float(), score.float()
        if multimask:
            masks, ious, tokens = masks[:, 1:], ious[:, 1:], tokens[:, 1:]
        elif self.training:
            masks, ious, tokens = masks[:, :1], ious[:, :1], tokens[:, :1]
        else:
            masks, ious = self.sam_mask_decoder.single_or_stable(masks, ious)
            tokens = tokens[:, :1]  # the single mask's token even if another mask was chosen

        seen = score > 0
        best = ious.argmax(1)
        rows = torch.arange(n, device=best.device)
        logits = torch.where(seen[..., None, None], masks[rows, best][:, None], NO_OBJECT_LOGIT)
        return Output(masks, ious, score, logits, self.pointer(tokens[rows, best], seen))

    def pointer(self, token, seen):
        """The object pointer of a mask token; a learned constant if the object is not in sight."""
        seen = seen.to(token.dtype)
        return seen * self.obj_ptr_proj(token) + (1 - seen) * self.no_obj_ptr

    def accept_mask(self, features, mask):
        """A mask prompt [n, 1, H, W] of zeros and ones at the model's input size is its own answer;
        the decoder only makes its pointer, from features without memory."""
        mask = mask.float()
        per_frame = mask.shape[0] // features.s16.shape[0]
        s16 = features.s16.repeat_interleave(per_frame, dim=0)
        pointer = self.decode(
            features, s16, mask=self.mask_downsample(mask), multimask=False
        ).pointer
        seen = (mask > 0).flatten(1).any(1, keepdim=True)
        pointer = seen * pointer + ~seen * self.no_obj_ptr
        logits = F.interpolate(
            (2 * mask - 1) * MASK_PROMPT_LOGIT, scale_factor=0.25, mode="bilinear", antialias=True
        )
        score = torch.where(seen, MASK_PROMPT_LOGIT, -MASK_PROMPT_LOGIT)
        return Output(logits, torch.ones_like(score), score, logits, pointer)

    # ---- remember ---------------------------------------------------------------------------

    def encode_memory(self, s16, logits, score, prompted, mask=None):
        """The memory, as in Memory.features, of mask logits [n, 1, H/4, W/4]. Masks of prompted
        frames are what the user saw: binary. Published models read masks at full size, and then a
        mask prompt [n, 1, H, W] as it came."""
        c = self.config
        if c.memory_mask_stride == 1:
            full = F.interpolate(logits, scale_factor=4, mode="bilinear")
            logits = full if mask is None else mask - 0.5
        mask = (logits > 0).to(s16.dtype) if prompted else logits.sigmoid()
        memory = self.memory_encoder(s16, mask * c.mask_sigmoid_scale + c.mask_sigmoid_bias)
        if c.perceiver_layers:
            memory = self.spatial_perceiver(memory)
        if c.no_obj_embed_spatial:
            absent = (score <= 0).to(memory.dtype)[..., None, None]
            memory = memory + absent * self.no_obj_embed_spatial[..., None, None]
        return memory.bfloat16().to(memory.dtype) if c.memory_bf16 else memory
