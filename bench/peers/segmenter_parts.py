#!/usr/bin/env python3
"""Times the segmenter's graphs on roto, PyTorch, ONNX Runtime and OpenVINO, alternating, and compares the outputs.

  segmenter_parts.py MODEL.safetensors --bench build/release/bench/bench_sam2
                     [--threads 2] [--rounds 10] [--runs 5] [--size 1280x720] [--json OUT]

Each round runs every program --runs times in turn, so that whatever else the machine does hits all of them; pauses
let the others' threads go to sleep. PyTorch runs the definition in python/roto/model, eagerly; the others its ONNX
export. All divide the work as roto does: what no object changes is part of the frame's graph.
Needs `pip install numpy torch onnx onnxruntime openvino`.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import openvino
import torch
from torch import nn
from torch.nn import functional as F

from alternating import Served, alternate, milliseconds

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from roto.model.layers import image_of, tokens_of  # noqa: E402
from roto.model.position import axial_rotations, rotate, sine_2d  # noqa: E402
from roto.train.export import load  # noqa: E402

POINTER_TOKENS = 32  # of the window with one prompted frame: 16 pointers of two tokens
SPATIAL = 5  # memories in it


def rotated_attention(a, q, k, v, grid, n_plain):
    """RoPEAttention from its projected queries on."""
    q, k, v = a.split(q), a.split(a.k_proj(k)), a.split(a.v_proj(v))
    cos, sin = axial_rotations(q.shape[-1], *grid, a.theta, q.device)
    n, grids = k.shape[2] - n_plain, (k.shape[2] - n_plain) // q.shape[2]
    turned = rotate(k[:, :, :n], cos.repeat(grids, 1), sin.repeat(grids, 1))
    k = torch.cat((turned, k[:, :, n:]), dim=2)
    return a.merge(F.scaled_dot_product_attention(rotate(q, cos, sin).expand(k.shape[0], -1, -1, -1), k, v))


class Part(nn.Module):
    """One graph: `inputs` as PyTorch wants them, shapes as roto's graph has them after `to_roto`."""

    def __init__(self, model, grid, n_objects):
        super().__init__()
        self.model, self.grid, self.n = model, grid, n_objects

    def random(self, *shape):
        generator = torch.Generator().manual_seed(len(shape) * 7 + shape[-1])
        return torch.empty(*shape).uniform_(-1, 1, generator=generator)


class Frame(Part):
    def inputs(self):
        return [self.random(1, 3, self.grid[0] * 16, self.grid[1] * 16)]

    def forward(self, image):
        m, d = self.model, self.model.config.d_model
        f = m.encode_image(image)
        first = m.memory_attention.layers[0]
        x = tokens_of(f.s16) + 0.1 * tokens_of(sine_2d(d, *self.grid, image.device)[None])
        x = first.attend_self(x, self.grid)
        q = first.cross_attn_image.q_proj(first.norm2(x))
        return f.s16, f.s4, f.s8, m.memory_encoder.pix_feat_proj(f.s16), x, q


class Attention(Part):
    def inputs(self):
        c, cells = self.model.config, self.grid[0] * self.grid[1]
        tokens = SPATIAL * cells + POINTER_TOKENS
        return [self.random(1, cells, c.d_model), self.random(1, cells, c.d_model),
                self.random(self.n, tokens, c.mem_dim), self.random(self.n, tokens, c.mem_dim) * 1.5]

    def forward(self, x, q, memory, keys):
        m = self.model.memory_attention
        for i, layer in enumerate(m.layers):
            if i > 0:
                x = layer.attend_self(x, self.grid)
                q = layer.cross_attn_image.q_proj(layer.norm2(x))
            x = x + rotated_attention(layer.cross_attn_image, q, keys, memory, self.grid, POINTER_TOKENS)
            x = layer.feed_forward(x)
        return (image_of(m.norm(x), *self.grid),)


class Decoder(Part):
    def __init__(self, *args):
        super().__init__(*args)
        h, w = self.grid
        prompt = self.model.sam_prompt_encoder
        with torch.no_grad():
            points, labels = torch.zeros(1, 1, 2), torch.full((1, 1), -1)
            self.register_buffer("sparse", prompt.sparse(points, labels, (w * 16, h * 16)))
            self.register_buffer("place", prompt.pe_layer.grid(h, w)[None])
            self.register_buffer("dense", prompt.no_dense())

    def inputs(self):
        (h, w), d = self.grid, self.model.config.d_model
        return [self.random(self.n, d, h, w), self.random(1, d // 8, 4 * h, 4 * w), self.random(1, d // 4, 2 * h, 2 * w)]

    def forward(self, features, s4, s8):
        masks, ious, tokens, score = self.model.sam_mask_decoder(
            features, self.place, self.sparse.expand(self.n, -1, -1), self.dense, s4, s8)
        return masks, ious, score, self.model.obj_ptr_proj(tokens)


class Encoder(Part):
    def inputs(self):
        (h, w), d = self.grid, self.model.config.d_model
        return [self.random(1, d, h, w), self.random(self.n, 1, 4 * h, 4 * w) * 10]

    def forward(self, features, logits):
        c, m = self.model.config, self.model.memory_encoder
        mask = logits.sigmoid() * c.mask_sigmoid_scale + c.mask_sigmoid_bias
        return (m.out_proj(m.fuser(features + m.mask_downsampler(mask))),)


def to_roto(part, name, arrays):
    """Images channels last; masks stay planes; what roto takes besides is added."""
    planes = (isinstance(part, Decoder) and name == "outputs")
    flat = [a.transpose(0, 2, 3, 1) if a.ndim == 4 and not planes else a for a in arrays]
    if isinstance(part, Attention) and name == "inputs":
        flat.append(np.ones(flat[2].shape[:2], np.float32))
    return np.concatenate([np.ravel(a) for a in flat])


def served(args, part, name, folder):
    to_roto(part, "inputs", [a.numpy() for a in part.inputs()]).tofile(folder / "input")
    return Served([args.bench, args.model, name, "--size", args.size, "--batch", str(part.n), "--threads",
                   str(args.threads)], folder / "input", folder / "output")


class PyTorch:
    def __init__(self, args, part):
        self.part, self.inputs = part, part.inputs()

    @torch.inference_mode()
    def once(self):
        return self.part(*self.inputs)

    def run(self, n):
        return milliseconds(self.once, n)

    def outputs(self):
        return to_roto(self.part, "outputs", [o.numpy() for o in self.once()])


class OnnxRuntime:
    def __init__(self, args, part, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        options.inter_op_num_threads = 1
        self.part = part
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.feed = {i.name: a.numpy() for i, a in zip(self.session.get_inputs(), part.inputs())}

    def run(self, n):
        return milliseconds(lambda: self.session.run(None, self.feed), n)

    def outputs(self):
        return to_roto(self.part, "outputs", self.session.run(None, self.feed))


class OpenVino:
    def __init__(self, args, part, model):
        self.part = part
        self.request = openvino.Core().compile_model(openvino.Core().read_model(str(model)), "CPU", {
            "INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
        for i, a in enumerate(part.inputs()):
            self.request.set_input_tensor(i, openvino.Tensor(a.numpy().copy()))

    def run(self, n):
        return milliseconds(self.request.infer, n)

    def outputs(self):
        self.request.infer()
        outputs = self.request.model_outputs
        return to_roto(self.part, "outputs", [self.request.get_tensor(out).data for out in outputs])


def measure(args, part, name, folder):
    onnx = folder / "part.onnx"
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(part, tuple(part.inputs()), str(onnx), opset_version=17, dynamo=False)
    programs = {
        "roto": served(args, part, name, folder),
        "PyTorch " + torch.__version__.split("+")[0]: PyTorch(args, part),
        "ONNX Runtime " + onnxruntime.__version__: OnnxRuntime(args, part, onnx),
        "OpenVINO " + openvino.__version__.split("-")[0]: OpenVino(args, part, onnx),
    }
    times = alternate(programs, args.rounds, args.runs, 2, 0.02)
    outputs = {key: program.outputs().astype(np.float64) for key, program in programs.items()}
    reference = list(outputs.values())[1]
    rows = []
    for key in programs:
        difference = np.linalg.norm(outputs[key] - reference) / np.linalg.norm(reference)
        rows.append({"part": name, "objects": part.n, "program": key,
                     "median_ms": round(float(np.median(times[key])), 3), "min_ms": round(min(times[key]), 3),
                     "difference": float(f"{difference:.1e}")})
        print("{part:10s} {objects} objects  {program:24s} median {median_ms:8.3f} ms  least {min_ms:8.3f} ms  "
              "difference {difference:.1e}".format(**rows[-1]), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--bench", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load(args.model).eval()
    w, h = model.config.input_size(*(int(v) for v in args.size.split("x")))
    grid = (h // 16, w // 16)
    rows = []
    for name, kind, counts in (("frame", Frame, (1,)), ("attention", Attention, (1, 8)),
                               ("decoder", Decoder, (1, 8)), ("encoder", Encoder, (1, 8))):
        for n in counts:
            with tempfile.TemporaryDirectory() as folder:
                rows += measure(args, kind(model, grid, n).eval(), name, pathlib.Path(folder))
    if args.json:
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
        args.json.write_text(json.dumps({
            "title": f"The segmenter's graphs at {w} x {h}: roto and others, alternating",
            "date": time.strftime("%Y-%m-%d"),
            "commit": commit.stdout.strip(),
            "device": f"AMD EPYC, {args.threads} threads, AVX2",
            "command": "bench/peers/" + " ".join([pathlib.Path(sys.argv[0]).name] + sys.argv[1:]),
            "note": "difference: relative L2 of all outputs to PyTorch's.",
            "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
