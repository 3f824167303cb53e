"""Synthetic weights and inputs for golden files.

They come from a counter-based generator keyed by name (splitmix64 from the FNV-1a hash of the
name), which tests/support/synthetic.c has too.
"""

import json
import math
import struct

import numpy as np
import torch

# Factors of weights whose name contains the key, the first that fits: they make masks differ over
# time and between objects, and objects go out of sight and come back.
SCORE_LAYER = "pred_obj_score_head.layers.2"
GAINS = (
    (SCORE_LAYER, 40.0),
    ("iou_prediction_head.layers.2", 2.0),
    ("output_hypernetworks_mlps", 1.4),
    ("cross_attn_token_to_image", 1.5),
    ("cross_attn_image.out_proj", 2.0),
    ("cross_attn_image.v_proj", 2.0),
    ("memory_encoder.out_proj", 2.0),
    ("mask_downsampler", 2.0),
)
OFFSETS = ((SCORE_LAYER + ".bias", 40.0),)

# The same for the published models, whose frames without a memory score far from the others.
PUBLISHED_GAINS = (
    (SCORE_LAYER, -40.0),
    ("iou_prediction_head.layers.2", 4.0),
    ("output_hypernetworks_mlps", 1.4),
    ("iou_token", 0.2),
    ("obj_score_token", 0.2),
    ("mask_tokens", 0.3),
    ("not_a_point", 0.2),
    ("cross_attn_token_to_image", 2.0),
    ("cross_attn_image.k_proj", 1.5),
    ("cross_attn_image.out_proj", 3.0),
    ("cross_attn_image.v_proj", 2.0),
    ("memory_encoder.out_proj", 2.0),
    ("mask_downsampler", 2.0),
    ("token_mixer", 0.3),
    ("channel_mixer", 0.5),
)
PUBLISHED_OFFSETS = ((SCORE_LAYER + ".bias", 8.8),)
EMBEDDINGS = (
    "_embed",
    "_token.weight",
    "_tokens.weight",
    "no_obj_ptr",
    "maskmem_tpos_enc",
    "gaussian_matrix",
    "no_mem_pos_enc",
)


def random_bits(name, n):
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def values(name, *shape):
    """In [-1, 1), exact in single precision."""
    bits = random_bits(name, math.prod(shape)) >> np.uint64(40)
    return (bits.astype(np.float64) / 2**23 - 1).astype(np.float32).reshape(shape)


def is_published(state):
    return state["no_obj_ptr"].shape[1] == 256


def line(name, shape, published, score=None):
    """(base, scale): an element of a tensor is base + scale * values(name). score: gain and offset
    of the object scores of a published model instead of the usual."""
    gains, offsets = (PUBLISHED_GAINS, PUBLISHED_OFFSETS) if published else (GAINS, OFFSETS)
    if score:
        gains = ((SCORE_LAYER, score[0]), *gains)
        offsets = ((SCORE_LAYER + ".bias", score[1]),)
    if name.endswith(".gamma"):
        return 0.2, 0.1
    if name.endswith(".running_var"):
        return 1.0, 0.5
    if name.endswith(".running_mean"):
        return 0.0, 0.1
    if len(shape) == 1 and name.endswith(".weight"):
        return 1.0, 0.1
    if name.endswith(".bias"):
        return next((offset for part, offset in offsets if part in name), 0.0), 0.1
    gain = next((gain for part, gain in gains if part in name), 1.0)
    if name.startswith("spatial_perceiver.latents"):
        return 0.0, 1.0
    if any(part in name for part in EMBEDDINGS) and "patch_embed" not in name:
        return 0.0, gain
    fan_in = shape[0] if "output_upscaling" in name else math.prod(shape) // shape[0]
    return 0.0, math.sqrt(3 / fan_in) * gain


def weight(name, shape, published, score=None):
    base, scale = line(name, shape, published, score)
    return np.float32(base) + np.float32(scale) * values(name, *shape)


def synthetic_state(state, score=None):
    """New values for a state_dict."""
    published = is_published(state)
    return {
        k: torch.from_numpy(weight(k, tuple(t.shape), published, score)) if t.dim() else t
        for k, t in state.items()
    }


def tensor_list(state, score=None):
    """What tests/support/synthetic.c makes the same weights from."""
    lines, published = [], is_published(state)
    for name, t in state.items():
        shape = tuple(t.shape)
        base, scale = (np.float32(x) for x in line(name, shape, published, score))
        lines.append(f"{name} {base:.9g} {scale:.9g} {' '.join(map(str, shape))}\n")
    return "".join(lines)


def write(path, tensors, notes=None):
    """A safetensors file; notes are its metadata."""
    header, data = {"__metadata__": notes} if notes else {}, b""
    for name, t in tensors.items():
        array = np.ascontiguousarray(t, dtype="<f4")
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
