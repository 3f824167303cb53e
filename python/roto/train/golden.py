"""Writes what the C tests expect: the PyTorch definition on synthetic weights and inputs.

    python -m roto.train.golden tests/models/golden tests/track/golden

Weights and inputs come from a counter-based generator keyed by name (splitmix64 from the FNV-1a
hash of the name), which tests/support/synthetic.c has too. Graphs are computed in double precision,
so that only the C side's rounding shows.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from ..model import Config, Segmenter
from ..model.layers import tokens_of
from ..model.position import sine_2d

WIDTH, HEIGHT = 128, 96  # the model's input
CONFIG = Config(name="synthetic", image_pixels=WIDTH * HEIGHT)
N_FRAMES = 8

# Factors of weights whose name contains the key, the first that fits: they make masks differ over
# time and between objects, and objects go out of sight and come back.
GAINS = (
    ("pred_obj_score_head.layers.2", 40.0),
    ("iou_prediction_head.layers.2", 2.0),
    ("output_hypernetworks_mlps", 1.4),
    ("cross_attn_token_to_image", 1.5),
    ("cross_attn_image.out_proj", 2.0),
    ("cross_attn_image.v_proj", 2.0),
    ("memory_encoder.out_proj", 2.0),
    ("mask_downsampler", 2.0),
)
OFFSETS = (("pred_obj_score_head.layers.2.bias", 40.0),)
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


def weight(name, shape):
    v = values(name, *shape)
    if name.endswith(".gamma"):
        return np.float32(0.2) + np.float32(0.1) * v
    if len(shape) == 1 and name.endswith(".weight"):
        return np.float32(1) + np.float32(0.1) * v
    if name.endswith(".bias"):
        offset = next((offset for part, offset in OFFSETS if part in name), 0.0)
        return np.float32(0.1) * v + np.float32(offset)
    if any(part in name for part in EMBEDDINGS):
        return v
    fan_in = shape[0] if "output_upscaling" in name else math.prod(shape) // shape[0]
    gain = next((gain for part, gain in GAINS if part in name), 1.0)
    return np.float32(math.sqrt(3 / fan_in) * gain) * v


def synthetic_model(dtype):
    model = Segmenter(CONFIG).eval()
    model.load_state_dict(
        {k: torch.from_numpy(weight(k, tuple(t.shape))) for k, t in model.state_dict().items()}
    )
    return model.to(dtype)


def inputs(name, *shape, scale=1.0):
    return torch.from_numpy(values(name, *shape)).double() * scale


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1)


# ---- graphs -------------------------------------------------------------------------------------


def frame_graph(model, out):
    features = model.encode_image(nchw(inputs("golden.image", 1, HEIGHT, WIDTH, 3, scale=2)))
    out["frame.vision_features"] = nhwc(features.s16)
    out["frame.high_res_s0"] = nhwc(features.s4)
    out["frame.high_res_s1"] = nhwc(features.s8)
    return features


def memory_attention_graph(model, features, out):
    """Object 0 has every memory and 16 pointers; object 1 memories 0 and 3 and 5 pointers."""
    h, w = HEIGHT // 16, WIDTH // 16
    cells, n_spatial = h * w, CONFIG.num_maskmem
    memory = inputs("golden.memory", 2, n_spatial * cells + 32, CONFIG.mem_dim)
    pointer_pos = inputs("golden.pointer_pos", 2, 32, CONFIG.mem_dim, scale=0.5)
    place = tokens_of(sine_2d(CONFIG.mem_dim, h, w, "cpu")[None])
    answers = []
    for i, (slots, n_tokens) in enumerate(((range(n_spatial), 32), ((0, 3), 10))):
        spatial = []
        for slot in slots:
            rank = n_spatial if slot == 0 else n_spatial - slot  # slot 0 is the prompted frame
            tokens = memory[i : i + 1, slot * cells : (slot + 1) * cells]
            spatial.append((tokens, place + model.maskmem_tpos_enc[rank - 1, 0]))
        first = n_spatial * cells
        pointers = memory[i : i + 1, first : first + n_tokens], pointer_pos[i : i + 1, :n_tokens]
        answers.append(model.recall(features.s16, spatial, [pointers]))
    out["memory_attention.out"] = nhwc(torch.cat(answers))


def grid_pe(model, h, w):
    """The decoder's position encoding, in the model's precision."""
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    points = torch.stack((x / w, y / h), -1).double()
    return model.sam_prompt_encoder.pe_layer(points).permute(2, 0, 1)[None]


def decoder_graph(model, out):
    h, w = HEIGHT // 16, WIDTH // 16
    features = nchw(inputs("golden.pix_feat", 3, h, w, CONFIG.d_model))
    s0 = nchw(inputs("golden.s0", 1, 4 * h, 4 * w, CONFIG.d_model // 8))
    s1 = nchw(inputs("golden.s1", 1, 2 * h, 2 * w, CONFIG.d_model // 4))
    prompt = model.sam_prompt_encoder
    mask = inputs("golden.mask", 1, 1, 4 * h, 4 * w, scale=8)
    prompts = (  # points, labels, mask: nothing; two clicks; a box and a mask
        ([[0, 0]], [-1], None),
        ([[20, 30], [90.5, 60]], [1, 0], None),
        ([[10, 12], [100, 80]], [2, 3], mask),
    )
    answers = []
    for i, (points, labels, mask) in enumerate(prompts):
        masks, ious, tokens, score = model.sam_mask_decoder(
            features[i : i + 1],
            grid_pe(model, h, w),
            prompt.sparse(
                torch.tensor([points]).double(), torch.tensor([labels]), (WIDTH, HEIGHT)
            ),
            prompt.no_dense() if mask is None else prompt.dense(mask),
            s0,
            s1,
        )
        answers.append((masks, ious, score, model.obj_ptr_proj(tokens)))
    for name, parts in zip(("masks", "ious", "object_score", "pointers"), zip(*answers)):
        out[f"decoder.{name}"] = torch.cat(parts)


def memory_encoder_graph(model, out):
    h, w = HEIGHT // 16, WIDTH // 16
    features = nchw(inputs("golden.pix_feat", 2, h, w, CONFIG.d_model))
    mask = inputs("golden.memory_mask", 2, 1, 4 * h, 4 * w, scale=10).sigmoid()
    mask = mask * CONFIG.mask_sigmoid_scale + CONFIG.mask_sigmoid_bias
    out["memory_encoder.out"] = tokens_of(model.memory_encoder(features, mask))


# ---- tracks -------------------------------------------------------------------------------------


def frame_image(model, index):
    """A texture of 4 px blocks that moves 2 px a frame to the left."""
    texture = (random_bits("golden.texture", 64 * 64 * 3) >> np.uint64(56)).astype(np.float32)
    texture = texture.reshape(64, 64, 3)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb = texture[y // 4, (x + 2 * index) // 4]
    return model.normalise(nchw(torch.from_numpy(rgb)[None]))


def fill_holes(logits, max_area=8):
    """The official post-processing: small regions of background become just foreground."""
    labels, n = ndimage.label(logits[0, 0].numpy() <= 0, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=n + 1)
    holes = (labels > 0) & (areas[labels] <= max_area)
    return torch.where(torch.from_numpy(holes), 0.1, logits)


class Object:
    """One object as SAM 2's video predictor treats it, with every frame kept."""

    def __init__(self, model):
        self.model = model
        self.prompted, self.tracked = {}, {}  # by frame: (memory, pointer)
        self.logits = None

    def recall(self, frame, features):
        model, c = self.model, CONFIG
        spatial = [model.spatial_memory(m, c.num_maskmem) for m, _ in self.prompted.values()]
        pointers = [(frame - t, p) for t, (_, p) in self.prompted.items() if t <= frame]
        nearest = (frame - 2) // c.memory_temporal_stride * c.memory_temporal_stride
        for rank in range(c.num_maskmem - 1, 0, -1):
            back = nearest - (rank - 2) * c.memory_temporal_stride
            then = frame - 1 if rank == 1 else back
            if then in self.tracked:
                spatial.append(model.spatial_memory(self.tracked[then][0], rank))
        for age in range(1, c.max_obj_ptrs):
            if frame - age in self.tracked:
                pointers.append((age, self.tracked[frame - age][1]))
        ages = torch.tensor([float(age) for age, _ in pointers])
        tokens = model.pointer_memory(torch.stack([p for _, p in pointers], dim=1), ages)
        return model.recall(features.s16, spatial, [tokens])

    def step(self, frame, features, points=None, labels=None, mask=None, corrects=False):
        """Returns (logits, iou, object score, index of the chosen mask)."""
        model = self.model
        prior = None
        if mask is not None:
            answer = model.accept_mask(features, mask)
        else:
            fresh = points is not None and not corrects
            conditioned = (
                model.without_memory(features.s16) if fresh else self.recall(frame, features)
            )
            if corrects:
                prior = self.logits.clamp(-32, 32)
            answer = model.decode(features, conditioned, points, labels, prior)
        choice = -1
        if mask is None:
            three = model.decode(features, conditioned, points, labels, prior, multimask=True)
            best = int(three.ious.argmax())
            single = answer.candidates.shape[1] == 1
            if single and not torch.equal(answer.candidates[:, 0], three.candidates[:, best]):
                choice = 0
            else:
                choice = best + 1
        self.logits = fill_holes(answer.logits)
        given = points is not None or mask is not None
        memory = model.encode_memory(
            features.s16, self.logits if given else answer.logits, answer.score, given, mask
        )
        into = self.prompted if given and not corrects else self.tracked
        into[frame] = memory, answer.pointer
        return self.logits[0, 0], float(answer.ious.max()), float(answer.score), choice


def rectangle(x0, y0, x1, y1):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., y0:y1, x0:x1] = 1
    return mask


def prompts_of_track():
    """By object and frame."""
    click = {"points": torch.tensor([[[40.0, 40.0]]]), "labels": torch.tensor([[1]])}
    box = {"points": torch.tensor([[[60.0, 20.0], [110.0, 70.0]]]), "labels": torch.tensor([[2, 3]])}
    return [{0: click}, {0: box}, {0: {"mask": rectangle(20, 50, 60, 80)}}]


def prompts_of_edit():
    """Object 2 comes at frame 3; object 0 is corrected at frame 4 with a click on the background."""
    first, second, third = prompts_of_track()
    wrong = {"points": torch.tensor([[[44.0, 60.0]]]), "labels": torch.tensor([[0]])}
    first[4] = {**wrong, "corrects": True}
    return [first, second, {3: third[0]}]


def track(model, prompts, removed=None):
    """removed: {object: the first frame without it}."""
    n = len(prompts)
    logits = np.zeros((N_FRAMES, n, HEIGHT // 4, WIDTH // 4), np.float32)
    iou, score, choice = (np.zeros((N_FRAMES, n), np.float32) for _ in range(3))
    objects = [Object(model) for _ in prompts]
    for frame in range(N_FRAMES):
        features = model.encode_image(frame_image(model, frame))
        for i, (tracked, given) in enumerate(zip(objects, prompts)):
            if frame < min(given) or frame >= (removed or {}).get(i, N_FRAMES):
                continue
            prompt = given.get(frame, {})
            if prompt.get("corrects"):
                tracked.step(frame, features)
            answer = tracked.step(frame, features, **prompt)
            logits[frame, i], iou[frame, i], score[frame, i], choice[frame, i] = answer
    return {
        "track.logits": logits,
        "track.iou": iou,
        "track.object_score": score,
        "track.choice": choice,
    }


# ---- files --------------------------------------------------------------------------------------


def write(path, tensors):
    header, data = {}, b""
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


def report(name, result):
    area = (result["track.logits"] > 0).mean((2, 3))
    print(f"{name}: areas in % by object and frame")
    for i in range(area.shape[1]):
        print("  ", " ".join(f"{100 * a:3.0f}" for a in area[:, i]), end="   scores ")
        print(" ".join(f"{s:5.1f}" for s in result["track.object_score"][:, i]), end="   choices ")
        print(" ".join(f"{int(c)}" for c in result["track.choice"][:, i]))


@torch.no_grad()
def main(models_dir, track_dir):
    out = {}
    model = synthetic_model(torch.float64)
    features = frame_graph(model, out)
    memory_attention_graph(model, features, out)
    decoder_graph(model, out)
    memory_encoder_graph(model, out)
    write(Path(models_dir) / "sam2_graphs.safetensors", out)

    model = synthetic_model(torch.float32)
    for name, prompts, removed in (
        ("sam2_track", prompts_of_track(), None),
        ("sam2_track_edit", prompts_of_edit(), {1: 6}),
    ):
        result = track(model, prompts, removed)
        report(name, result)
        write(Path(track_dir) / f"{name}.safetensors", result)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
