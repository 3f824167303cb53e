"""What distinguishes one model of the SAM 2 family from another."""

import dataclasses
import json
import math


@dataclasses.dataclass(frozen=True)
class Config:
    name: str = "roto-s"
    family: str = "sam2"

    # Input: width and height are multiples of `image_multiple` with about `image_pixels` pixels.
    image_pixels: int = 448 * 256
    image_multiple: int = 32
    image_mean: tuple = (0.5, 0.5, 0.5)
    image_std: tuple = (0.5, 0.5, 0.5)

    # Image encoder. Trunk channels are listed from stride 4 to stride 32.
    trunk: str = "mobilenet_v2"
    trunk_channels: tuple = (24, 32, 96, 320)
    d_model: int = 128

    # Memory attention
    memory_attention_layers: int = 2
    memory_attention_heads: int = 1
    memory_attention_ffn: int = 512
    rope_theta: float = 10000.0

    # Memory encoder. It reads masks at `memory_mask_stride`, and halves them up to stride 16.
    mem_dim: int = 64
    memory_mask_stride: int = 4
    memory_fuser_layers: int = 2
    mask_sigmoid_scale: float = 20.0
    mask_sigmoid_bias: float = -10.0

    # Memory bank: `num_maskmem` spatial memories and up to `max_obj_ptrs` object pointers a frame.
    num_maskmem: int = 5
    memory_temporal_stride: int = 5
    max_obj_ptrs: int = 16

    # Prompt encoder and mask decoder
    mask_in_channels: int = 16
    decoder_layers: int = 2
    decoder_heads: int = 4
    decoder_mlp: int = 512
    decoder_downsample: int = 2
    num_multimask: int = 3
    iou_head_layers: int = 3
    iou_head_hidden: int = 256
    stability_delta: float = 0.05
    stability_threshold: float = 0.98

    def image_size(self, width, height):
        """The model's (width, height) for a video of this size: its aspect, our pixel count."""
        scale = math.sqrt(self.image_pixels / (width * height))
        m = self.image_multiple
        return tuple(max(1, math.floor(x * scale / m + 0.5)) * m for x in (width, height))

    def to_json(self):
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text):
        fields = json.loads(text)
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(fields) - known)
        if unknown:
            raise ValueError(f"unknown config fields: {', '.join(unknown)}")
        for key, value in fields.items():
            if isinstance(value, list):
                fields[key] = tuple(value)
        return cls(**fields)


ROTO_S = Config()
