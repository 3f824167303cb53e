"""The graphs of a model on inputs that tests/models/test_sam2_graphs.c makes too."""

import numpy as np
import torch
from torch.nn import functional as F

from ..model import Segmenter
from ..model.layers import tokens_of
from .synthetic import synthetic_state, tensor_list, values

# Samples of an output are its elements 0, SAMPLE_STEP, 2 SAMPLE_STEP, ... modulo its size; the step
# is a prime, so that they are all different.
SAMPLE_STEP, N_SAMPLES = 7919, 4096


def inputs(name, *shape, scale=1.0):
    return torch.from_numpy(values(name, *shape)).double() * scale


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1)


def synthetic_model(config, dtype):
    model = Segmenter(config).eval()
    model.load_state_dict(synthetic_state(model.state_dict()))
    return model.to(dtype)


class Definition:
    """roto.model; parity.py has the published code behind the same functions."""

    def __init__(self, config):
        self.config, self.model = config, synthetic_model(config, torch.float64)

    def frame(self, image):
        """Features at strides 16, 4 and 8."""
        features = self.model.encode_image(image)
        return features.s16, features.s4, features.s8

    def memory_attention(self, s16, memory, positions, n_pointer_tokens):
        return self.model.memory_attention(s16, memory, positions, n_pointer_tokens)

    def decode(self, features, s4, s8, points, labels, mask, image_size):
        """All masks, their IoUs, the object score and the pointers of all masks."""
        model, prompt = self.model, self.model.sam_prompt_encoder
        masks, ious, tokens, score = model.sam_mask_decoder(
            features,
            grid_pe(model, *features.shape[2:]),
            prompt.sparse(points, labels, image_size),
            prompt.no_dense() if mask is None else prompt.dense(mask),
            s4,
            s8,
        )
        return masks, ious, score, model.obj_ptr_proj(tokens)

    def encode_memory(self, features, mask):
        memory = self.model.memory_encoder(features, mask)
        if self.config.perceiver_layers:
            return self.model.spatial_perceiver(memory)
        return tokens_of(memory)

    def memory_places(self, grid):
        return self.model.memory_places(grid, "cpu")


def grid_pe(model, h, w):
    """The decoder's position encoding, in the model's precision."""
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    points = torch.stack((x / w, y / h), -1).double()
    return model.sam_prompt_encoder.pe_layer(points).permute(2, 0, 1)[None]


def memory_attention_graph(engine, s16):
    """Object 0 has every memory and all pointers; object 1 memories 0 and 3 and some pointers."""
    c = engine.config
    place, n_spatial = engine.memory_places(s16.shape[2:]), c.num_maskmem
    cells = place.shape[1]
    all_pointers = c.max_obj_ptrs * c.d_model // c.mem_dim
    memory = inputs("golden.memory", 2, n_spatial * cells + all_pointers, c.mem_dim)
    pointer_pos = inputs("golden.pointer_pos", 2, all_pointers, c.mem_dim, scale=0.5)
    answers = []
    chosen = ((range(n_spatial), all_pointers), ((0, 3), all_pointers // 3))
    for i, (slots, n_tokens) in enumerate(chosen):
        tokens, positions = [], []
        for slot in slots:
            rank = n_spatial if slot == 0 else n_spatial - slot  # slot 0 is the prompted frame
            tokens.append(memory[i : i + 1, slot * cells : (slot + 1) * cells])
            positions.append(place + engine.model.maskmem_tpos_enc[rank - 1, 0])
        first = n_spatial * cells
        tokens.append(memory[i : i + 1, first : first + n_tokens])
        positions.append(pointer_pos[i : i + 1, :n_tokens])
        answers.append(
            engine.memory_attention(s16, torch.cat(tokens, 1), torch.cat(positions, 1), n_tokens)
        )
    return {"memory_attention.out": nhwc(torch.cat(answers))}


def decoder_graph(engine, size):
    d, (width, height) = engine.config.d_model, size
    h, w = height // 16, width // 16
    features = nchw(inputs("golden.pix_feat", 3, h, w, d))
    s4 = nchw(inputs("golden.s0", 1, 4 * h, 4 * w, d // 8))
    s8 = nchw(inputs("golden.s1", 1, 2 * h, 2 * w, d // 4))
    mask = inputs("golden.mask", 1, 1, 4 * h, 4 * w, scale=8)
    prompts = (  # points, labels, mask: nothing; two clicks; a box and a mask
        ([[0, 0]], [-1], None),
        ([[20, 30], [90.5, 60]], [1, 0], None),
        ([[10, 12], [100, 80]], [2, 3], mask),
    )
    answers = []
    for i, (points, labels, mask) in enumerate(prompts):
        points, labels = torch.tensor([points]).double(), torch.tensor([labels])
        answers.append(engine.decode(features[i : i + 1], s4, s8, points, labels, mask, size))
    names = ("masks", "ious", "object_score", "pointers")
    return {f"decoder.{name}": torch.cat(parts) for name, parts in zip(names, zip(*answers))}


def memory_encoder_graph(engine, size):
    c, (width, height) = engine.config, size
    h, w = height // 16, width // 16
    features = nchw(inputs("golden.pix_feat", 2, h, w, c.d_model))
    mask = inputs("golden.memory_mask", 2, 4 * h, 4 * w, 1, scale=10)
    mask = nchw(mask)
    if c.memory_mask_stride == 1:
        mask = F.interpolate(mask, scale_factor=4, mode="bilinear")
    mask = mask.sigmoid() * c.mask_sigmoid_scale + c.mask_sigmoid_bias
    return {"memory_encoder.out": engine.encode_memory(features, mask)}


def graphs(engine, size):
    """Every graph's outputs, laid out as in C."""
    width, height = size
    image = nchw(inputs("golden.image", 1, height, width, 3, scale=2))
    s16, s4, s8 = engine.frame(image)
    out = {"frame.vision_features": s16, "frame.high_res_s0": s4, "frame.high_res_s1": s8}
    out = {name: nhwc(t) for name, t in out.items()}
    out |= memory_attention_graph(engine, s16)
    out |= decoder_graph(engine, size)
    return out | memory_encoder_graph(engine, size)


def samples(t, n=N_SAMPLES):
    """All of a tensor if it has no more than n elements."""
    flat = np.ascontiguousarray(t).ravel()
    return flat if flat.size <= n else flat[np.arange(n, dtype=np.int64) * SAMPLE_STEP % flat.size]


def notes(engine):
    """The metadata that tells C which model this is."""
    return {
        "roto.config": engine.config.to_json(),
        "roto.tensors": tensor_list(
            {k: t for k, t in engine.model.state_dict().items() if "num_batches" not in k},
            getattr(engine, "score_line", None),
        ),
    }
