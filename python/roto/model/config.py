"""What distinguishes one model of the SAM 2 family from another."""

import dataclasses
import json
import math

HIERA_FIELDS = [
    "trunk_blocks",
    "trunk_heads",
    "trunk_windows",
    "trunk_global_blocks",
    "trunk_pos_embed",
]
PERCEIVER_FIELDS = ["perceiver_layers", "perceiver_latents", "perceiver_latents_2d"]


@dataclasses.dataclass(frozen=True)
class Config:
    name: str = "roto-s"
    family: str = "sam2"

    # Input: either square, or width and height are multiples of `image_multiple` with about
    # `image_pixels` pixels.
    image_size: int = 0
    image_pixels: int = 512 * 288
    image_multiple: int = 32
    image_mean: tuple = (0.5, 0.5, 0.5)
    image_std: tuple = (0.5, 0.5, 0.5)

    # Image encoder. Trunk channels are listed from stride 4 to stride 32.
    trunk: str = "mobilenet_v2"
    trunk_channels: tuple = (24, 32, 96, 320)
    # Of "hiera" alone: blocks, heads of the first stage, windows, blocks that attend to the whole
    # picture, and the side of the position embedding.
    trunk_blocks: tuple = ()
    trunk_heads: int = 0
    trunk_windows: tuple = ()
    trunk_global_blocks: tuple = ()
    trunk_pos_embed: int = 0
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
    perceiver_layers: int = 0  # EdgeTAM condenses memories to latents
    perceiver_latents: int = 0
    perceiver_latents_2d: int = 0
    no_obj_embed_spatial: bool = True  # the memory of an object out of sight is marked
    mask_sigmoid_scale: float = 20.0
    mask_sigmoid_bias: float = -10.0

    # Memory bank: `num_maskmem` spatial memories and up to `max_obj_ptrs` object pointers a frame.
    num_maskmem: int = 5
    memory_temporal_stride: int = 5
    max_obj_ptrs: int = 16
    pointer_time: bool = True  # memory attention is told the age of pointers
    memory_bf16: bool = False  # memories are rounded to bfloat16

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

    def input_size(self, width, height):
        """The model's (width, height) for a video of this size: square, or the video's aspect and
        our pixel count."""
        if self.image_size:
            return self.image_size, self.image_size
        scale = math.sqrt(self.image_pixels / (width * height))
        m = self.image_multiple
        return tuple(max(1, math.floor(x * scale / m + 0.5)) * m for x in (width, height))

    def to_json(self):
        fields = dataclasses.asdict(self)
        unused = ["image_pixels", "image_multiple"] if self.image_size else ["image_size"]
        if self.trunk != "hiera":
            unused += HIERA_FIELDS
        if not self.perceiver_layers:
            unused += PERCEIVER_FIELDS
        for key in unused:
            del fields[key]
        return json.dumps(fields, indent=1)

    @classmethod
    def from_json(cls, text):
        fields = json.loads(text)
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(fields) - known)
        if unknown:
            raise ValueError(f"unknown config fields: {', '.join(unknown)}")
        if fields.get("image_size"):
            fields |= {"image_pixels": 0, "image_multiple": 0}
        for key, value in fields.items():
            if isinstance(value, list):
                fields[key] = tuple(value)
        return cls(**fields)


ROTO_S = Config()


def hiera(name, channels, heads, blocks, global_blocks, windows=(8, 4, 14, 7), pos_embed=7):
    """A published SAM 2.1 model; SAM 2 has neither `no_obj_embed_spatial` nor `pointer_time`."""
    return Config(
        name=name,
        image_size=1024,
        image_pixels=0,
        image_multiple=0,
        image_mean=(0.485, 0.456, 0.406),
        image_std=(0.229, 0.224, 0.225),
        trunk="hiera",
        trunk_channels=tuple(channels << i for i in range(4)),
        trunk_blocks=blocks,
        trunk_heads=heads,
        trunk_windows=windows,
        trunk_global_blocks=global_blocks,
        trunk_pos_embed=pos_embed,
        d_model=256,
        memory_attention_layers=4,
        memory_attention_ffn=2048,
        memory_mask_stride=1,
        num_maskmem=7,
        memory_temporal_stride=1,
        memory_bf16=True,
        decoder_heads=8,
        decoder_mlp=2048,
    )


HIERA_T = hiera("sam2.1_hiera_tiny", 96, 1, (1, 2, 7, 2), (5, 7, 9))
HIERA_S = hiera("sam2.1_hiera_small", 96, 1, (1, 2, 11, 2), (7, 10, 13))
HIERA_BP = hiera("sam2.1_hiera_base_plus", 112, 2, (2, 3, 16, 3), (12, 16, 20), pos_embed=14)
HIERA_L = hiera("sam2.1_hiera_large", 144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8))

EDGETAM = dataclasses.replace(
    HIERA_T,
    name="edgetam",
    trunk="repvit_m1",
    trunk_channels=(48, 96, 192, 384),
    trunk_blocks=(),
    trunk_heads=0,
    trunk_windows=(),
    trunk_global_blocks=(),
    trunk_pos_embed=0,
    memory_attention_layers=2,
    perceiver_layers=2,
    perceiver_latents=256,
    perceiver_latents_2d=256,
    no_obj_embed_spatial=False,
    pointer_time=False,
)
