#!/usr/bin/env python3
"""Times the segmenter's graphs on roto, PyTorch, ONNX Runtime and OpenVINO, alternating, and compares the outputs.

  segmenter_parts.py MODEL [MODEL...] --bench build/release/bench/bench_sam2
                     [--threads 2] [--rounds 10] [--runs 5] [--size 1280x720] [--objects 1 8]
                     [--parts frame attention decoder encoder] [--peers pytorch onnxruntime openvino]
                     [--precision fp32|bf16] [--json OUT]

MODEL: a file of roto's, or the name of a published model (sam2.1_hiera_tiny, ...), which gets synthetic weights.
Each round runs every program --runs times in turn, so that whatever else the machine does hits all of them; pauses
let the others' threads go to sleep. PyTorch runs the definition in python/roto/model, eagerly; the others its ONNX
export. All divide the work as roto does: what no object changes is part of the frame's graph. Memory is a window of
as many memories and pointers as the model keeps. In bf16 there is no ONNX Runtime, whose CPU kernels have none.
Needs `pip install numpy torch`, and onnx with onnxruntime and openvino for these peers.
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
import torch
from torch import nn
from torch.nn import functional as F

from alternating import Served, alternate, milliseconds

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from roto.model import Segmenter  # noqa: E402
from roto.model import config as configs  # noqa: E402
from roto.model.layers import image_of, tokens_of  # noqa: E402
from roto.model.position import axial_rotations, rotate, sine_2d  # noqa: E402
from roto.train import export, synthetic  # noqa: E402

PUBLISHED = {c.name: c for c in (configs.HIERA_T, configs.HIERA_S, configs.HIERA_BP, configs.HIERA_L)}


def pointer_tokens(config):
    return config.max_obj_ptrs * config.d_model // config.mem_dim


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

    def random(self, *shape):  # in fp32 always, so that every precision gets the same
        generator = torch.Generator().manual_seed(len(shape) * 7 + shape[-1])
        return torch.empty(*shape).uniform_(-1, 1, generator=generator)


class Frame(Part):
    def __init__(self, *args):
        super().__init__(*args)
        trunk = self.model.image_encoder.trunk
        if hasattr(trunk, "position"):  # a constant, which OpenVINO takes for ever to find out
            with torch.no_grad():
                self.register_buffer("place", trunk.position(self.grid[0] * 4, self.grid[1] * 4))
            trunk.position = lambda h, w: self.place

    def inputs(self):
        return [self.random(1, 3, self.grid[0] * 16, self.grid[1] * 16)]

    def forward(self, image):
        m, d = self.model, self.model.config.d_model
        f = m.encode_image(image)
        first = m.memory_attention.layers[0]
        x = tokens_of(f.s16) + 0.1 * tokens_of(sine_2d(d, *self.grid, image.device)[None]).to(image.dtype)
        x = first.attend_self(x, self.grid)
        q = first.cross_attn_image.q_proj(first.norm2(x))
        return f.s16, f.s4, f.s8, m.memory_encoder.pix_feat_proj(f.s16), x, q


class Attention(Part):
    def inputs(self):
        c, cells = self.model.config, self.grid[0] * self.grid[1]
        tokens = c.num_maskmem * cells + pointer_tokens(c)
        return [self.random(1, cells, c.d_model), self.random(1, cells, c.d_model),
                self.random(self.n, tokens, c.mem_dim), self.random(self.n, tokens, c.mem_dim) * 0.5]

    def forward(self, x, q, memory, positions):
        m, keys = self.model.memory_attention, memory + positions
        for i, layer in enumerate(m.layers):
            if i > 0:
                x = layer.attend_self(x, self.grid)
                q = layer.cross_attn_image.q_proj(layer.norm2(x))
            x = x + rotated_attention(layer.cross_attn_image, q, keys, memory, self.grid,
                                      pointer_tokens(self.model.config))
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
        if c.memory_mask_stride == 1:
            logits = F.interpolate(logits, scale_factor=4, mode="bilinear")
        mask = logits.sigmoid() * c.mask_sigmoid_scale + c.mask_sigmoid_bias
        return (m.out_proj(m.fuser(features + m.mask_downsampler(mask))),)


def to_roto(part, name, arrays):
    """Images channels last; masks stay planes; what roto takes besides is added."""
    planes = (isinstance(part, Decoder) and name == "outputs")
    flat = [a.transpose(0, 2, 3, 1) if a.ndim == 4 and not planes else a for a in arrays]
    if isinstance(part, Attention) and name == "inputs":
        flat.append(np.ones(flat[2].shape[:2], np.float32))
    if isinstance(part, Encoder) and name == "inputs":
        flat.append(np.zeros(len(flat[1]), np.float32))  # none is out of sight
    return np.concatenate([np.ravel(a) for a in flat])


class Roto(Served):
    def __init__(self, args, model, part, name, folder):
        to_roto(part, "inputs", [a.numpy() for a in part.inputs()]).tofile(folder / "input")
        super().__init__([args.bench, model, name, "--size", args.size, "--batch", str(part.n), "--threads",
                          str(args.threads), "--precision", args.precision], folder / "input", folder / "output")


class PyTorch:
    def __init__(self, part, dtype):
        self.part, self.inputs = part.to(dtype), [a.to(dtype) for a in part.inputs()]

    @torch.inference_mode()
    def once(self):
        return self.part(*self.inputs)

    def run(self, n):
        return milliseconds(self.once, n)

    def outputs(self):
        return to_roto(self.part, "outputs", [o.float().numpy() for o in self.once()])


class OnnxRuntime:
    def __init__(self, args, part, model):
        import onnxruntime
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
        import openvino
        self.part = part
        self.request = openvino.Core().compile_model(openvino.Core().read_model(str(model)), "CPU", {
            "INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32" if args.precision == "fp32" else "bf16"}).create_infer_request()
        for i, a in enumerate(part.inputs()):
            self.request.set_input_tensor(i, openvino.Tensor(a.numpy().copy()))

    def run(self, n):
        return milliseconds(self.request.infer, n)

    def outputs(self):
        self.request.infer()
        outputs = self.request.model_outputs
        return to_roto(self.part, "outputs", [self.request.get_tensor(out).data for out in outputs])


def version(package):
    return package.__version__.split("+")[0].split("-")[0]


def programs_of(args, model, part, name, folder):
    """By the name in the table. Files that are mapped have to stay until the end."""
    programs = {"roto": Roto(args, model, part, name, folder)}
    onnx = folder / "part.onnx"
    if set(args.peers) & {"onnxruntime", "openvino"}:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(part, tuple(part.inputs()), str(onnx), opset_version=17, dynamo=False)
    if "onnxruntime" in args.peers and args.precision == "fp32":
        import onnxruntime
        programs["ONNX Runtime " + version(onnxruntime)] = OnnxRuntime(args, part, onnx)
    if "openvino" in args.peers:
        import openvino
        programs["OpenVINO " + version(openvino)] = OpenVino(args, part, onnx)
    if "pytorch" in args.peers:  # last: it changes the part's precision
        dtype = torch.float32 if args.precision == "fp32" else torch.bfloat16
        programs["PyTorch " + version(torch)] = PyTorch(part, dtype)
    return programs


def measure(args, path, part, name, folder):
    reference = PyTorch(part, torch.float32).outputs().astype(np.float64)
    programs = programs_of(args, path, part, name, folder)
    times = alternate(programs, args.rounds, args.runs, args.warm_up, args.pause)
    rows = []
    for key, program in programs.items():
        difference = np.linalg.norm(program.outputs() - reference) / np.linalg.norm(reference)
        rows.append({"model": part.model.config.name, "part": name, "objects": part.n, "program": key,
                     "median_ms": round(float(np.median(times[key])), 3), "min_ms": round(min(times[key]), 3),
                     "difference": float(f"{difference:.1e}")})
        print("{model} {part:10s} {objects} objects  {program:24s} median {median_ms:8.3f} ms  least {min_ms:8.3f} ms  "
              "difference {difference:.1e}".format(**rows[-1]), flush=True)
    return rows


def open_model(name, folder):
    """The model, and the file that roto reads."""
    if name not in PUBLISHED:
        return export.load(name).eval(), name
    path = folder / (name + ".safetensors")
    state = synthetic.synthetic_state(Segmenter(PUBLISHED[name]).state_dict())
    export.save(state, PUBLISHED[name], path)
    return export.load(path).eval(), path


PARTS = {"frame": Frame, "attention": Attention, "decoder": Decoder, "encoder": Encoder}


def measure_model(args, name):
    rows = []
    with tempfile.TemporaryDirectory() as files:
        model, path = open_model(name, pathlib.Path(files))
        w, h = model.config.input_size(*(int(v) for v in args.size.split("x")))
        for part in args.parts:
            for n in (1,) if part == "frame" else args.objects:
                with tempfile.TemporaryDirectory() as folder:
                    graph = PARTS[part](model, (h // 16, w // 16), n).eval()
                    rows += measure(args, path, graph, part, pathlib.Path(folder))
                    model.float()
    return rows, (w, h)


def whole_frame(rows, model):
    """What roto takes for a frame with one object beside each part's best peer, as a sentence."""
    mine, best = {}, {}
    for row in rows:
        if row["model"] == model and row["objects"] == 1:
            to = mine if row["program"] == "roto" else best
            to[row["part"]] = min(row["min_ms"], to.get(row["part"], row["min_ms"]))
    if set(mine) != set(PARTS) or set(best) != set(PARTS):
        return ""
    ratios = ", ".join(f"{part} {best[part] / mine[part]:.2f}" for part in PARTS)
    total, others = sum(mine.values()), sum(best.values())
    return (f" {model}, least times of the best peer of each part over roto's: {ratios}; "
            f"whole frame {others:.0f} ms over {total:.0f} ms, {others / total:.2f}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--bench", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.02, metavar="SECONDS")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", nargs="+", choices=("pytorch", "onnxruntime", "openvino"),
                        default=["pytorch", "onnxruntime", "openvino"])
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--device", default="AMD EPYC, {} threads, AVX2", help="what the table calls it")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for name in args.models:
        more, (w, h) = measure_model(args, name)
        rows += more
    if args.json:
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
        args.json.write_text(json.dumps({
            "title": f"The segmenter's graphs at {w} x {h} in {args.precision}: roto and others, alternating",
            "date": time.strftime("%Y-%m-%d"),
            "commit": commit.stdout.strip(),
            "device": args.device.format(args.threads),
            "command": "bench/peers/" + " ".join([pathlib.Path(sys.argv[0]).name] + sys.argv[1:]),
            "note": "difference: relative L2 of all outputs to PyTorch's in fp32." + "".join(
                whole_frame(rows, model) for model in dict.fromkeys(row["model"] for row in rows)),
            "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
