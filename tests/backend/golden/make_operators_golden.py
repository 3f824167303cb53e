#!/usr/bin/env python3
"""Writes operators.json beside this script: what PyTorch and ONNX Runtime make of small tensors.

Usage: make_operators_golden.py            (needs numpy, torch, onnx and onnxruntime)

Everything is computed in double precision, except nearest resizing, which only copies. Inputs are
not stored: values() here and values_fill() in tests/backend/values.h make the same ones.
"""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F

cases = []


def values(shape, seed, scale=1.0):
    """Numbers in [-scale, scale) from a counter, by MurmurHash3's finaliser."""
    h = (np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64) + seed * 0x9E3779B9) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h ^= h >> np.uint64(shift)
        h = h * factor & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    x = ((h >> np.uint64(8)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)) * np.float32(scale)
    return torch.from_numpy(x.reshape(shape).astype(np.float64))


class Inputs:
    """Collects the operands of one case in the order of graph.h."""

    def __init__(self):
        self.specs = []

    def random(self, *shape, scale=1.0):
        seed = len(cases) * 16 + len(self.specs) + 1
        self.specs.append({"shape": list(shape), "seed": seed, "scale": scale})
        return values(shape, seed, scale)

    def data(self, tensor):
        rounded = tensor.to(torch.float32)
        self.specs.append({"shape": list(tensor.shape), "data": [float(f"{v:.9g}") for v in rounded.flatten().tolist()]})
        return rounded.double()

    def none(self):
        self.specs.append(None)


def add(name, op, attr, inputs, out):
    out = out.detach().double().contiguous()
    cases.append({
        "name": name, "op": op, "attr": attr, "in": inputs.specs,
        "out": {"shape": list(out.shape), "data": [float(f"{v:.10g}") for v in out.flatten().tolist()]},
    })


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def nchw(x):
    return x.permute(0, 3, 1, 2)


ACTIVATIONS = {
    "identity": lambda x: x, "relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.125), "silu": F.silu,
    "sigmoid": torch.sigmoid, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hard_swish": F.hardswish, "hard_sigmoid": lambda x: torch.clamp(0.25 * x + 0.5, 0, 1), "tanh": torch.tanh,
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "abs": torch.abs, "neg": torch.neg,
    "sin": torch.sin, "cos": torch.cos, "clamp": lambda x: torch.clamp(x, -0.5, 0.75),
}
ALPHA_BETA = {"leaky_relu": (0.125, 0), "hard_sigmoid": (0.25, 0.5), "clamp": (-0.5, 0.75)}


def with_epilogue(attr, acc, residual):
    act = ACTIVATIONS[attr.get("act", "identity")]
    attr["alpha"], attr["beta"] = ALPHA_BETA.get(attr.get("act"), (0, 0))
    if attr.get("residual") == "before":
        return act(acc + residual)
    return act(acc) + residual if attr.get("residual") == "after" else act(acc)


def conv2d(name, x, w, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1, bias=True, **attr):
    i = Inputs()
    xs, ws = i.random(*x), i.random(*w)
    bs = i.random(w[0]) if bias else i.none()
    top, left, bottom, right = pad
    acc = nhwc(F.conv2d(F.pad(nchw(xs), (left, right, top, bottom)), ws.permute(0, 3, 1, 2), bs, stride, 0, dilation,
                        groups))
    residual = i.random(*acc.shape) if "residual" in attr else None
    attr |= {"stride_h": stride[0], "stride_w": stride[1], "pad_top": top, "pad_left": left, "pad_bottom": bottom,
             "pad_right": right, "dilation_h": dilation[0], "dilation_w": dilation[1], "groups": groups}
    add(name, "conv2d", attr, i, with_epilogue(attr, acc, residual))


conv2d("plain 3x3", (1, 5, 6, 3), (4, 3, 3, 3))
conv2d("1x1 without bias", (2, 3, 2, 5), (3, 1, 1, 5), bias=False)
conv2d("strided, uneven padding", (1, 7, 8, 2), (3, 3, 2, 2), stride=(2, 3), pad=(1, 0, 2, 1))
conv2d("dilated in two groups", (2, 8, 9, 4), (6, 3, 3, 2), pad=(2, 1, 2, 1), dilation=(2, 1), groups=2)
conv2d("depthwise with SiLU", (1, 5, 5, 4), (4, 5, 3, 1), pad=(2, 1, 2, 1), groups=4, act="silu")
conv2d("depthwise multiplier 2", (1, 4, 4, 3), (6, 3, 3, 1), pad=(1, 1, 1, 1), groups=3)
conv2d("ReLU of a sum", (1, 4, 5, 3), (2, 1, 1, 3), act="relu", residual="before")
conv2d("sum after leaky ReLU", (1, 4, 5, 3), (2, 3, 3, 3), pad=(1, 1, 1, 1), act="leaky_relu", residual="after")


def conv_transpose2d(name, x, w, stride=(2, 2), pad=(0, 0), extra=(0, 0), bias=True, **attr):
    i = Inputs()
    xs, ws = i.random(*x), i.random(*w)
    bs = i.random(w[0]) if bias else i.none()
    acc = nhwc(F.conv_transpose2d(nchw(xs), ws.permute(3, 0, 1, 2), bs, stride, pad, extra))
    residual = i.random(*acc.shape) if "residual" in attr else None
    attr |= {"stride_h": stride[0], "stride_w": stride[1], "pad_top": pad[0], "pad_left": pad[1],
             "pad_bottom": pad[0], "pad_right": pad[1], "extra_h": extra[0], "extra_w": extra[1]}
    add(name, "conv_transpose2d", attr, i, with_epilogue(attr, acc, residual))


conv_transpose2d("2x2 stride 2", (1, 3, 4, 3), (2, 2, 2, 3))
conv_transpose2d("overlapping, padded, extra row", (2, 3, 3, 2), (3, 3, 4, 2), stride=(2, 3), pad=(1, 2), extra=(1, 2))
conv_transpose2d("stride 1", (1, 4, 3, 2), (2, 3, 3, 2), stride=(1, 1), pad=(1, 1), bias=False)
conv_transpose2d("GELU of a sum", (1, 2, 3, 2), (3, 2, 2, 2), act="gelu", residual="before")
conv_transpose2d("gaps between strides", (1, 2, 2, 2), (2, 1, 2, 2), stride=(3, 3), extra=(2, 0))


def linear(name, x, n, bias=True, **attr):
    i = Inputs()
    xs, ws = i.random(*x), i.random(n, x[-1])
    bs = i.random(n) if bias else i.none()
    acc = F.linear(xs, ws, bs)
    residual = i.random(*acc.shape) if "residual" in attr else None
    add(name, "linear", attr, i, with_epilogue(attr, acc, residual))


linear("vector", (5,), 3)
linear("tokens, GELU", (2, 4, 6), 5, act="gelu")
linear("no bias, sum after tanh GELU", (2, 3, 4), 4, bias=False, act="gelu_tanh", residual="after")


def matmul(name, a, b, transpose_b=False, scale=1.0):
    i = Inputs()
    x, y = i.random(*a), i.random(*b)
    add(name, "matmul", {"transpose_b": int(transpose_b), "scale": scale}, i,
        scale * torch.matmul(x, y.transpose(-1, -2) if transpose_b else y))


matmul("plain", (3, 4), (4, 5))
matmul("transposed and scaled", (2, 3, 4), (2, 5, 4), True, 0.5)
matmul("both sides broadcast", (2, 1, 3, 4), (3, 4, 2))
matmul("a batch of one each way", (1, 3, 2, 4), (2, 1, 5, 4), True, 2.0)


def rope_table(rows, pairs, seed):
    angle = values((rows, pairs), seed, 3.0)
    return torch.stack([angle.cos(), angle.sin()], -1)


def rotate(x, table):
    """x [b, heads, tokens, d], table [tokens, d / 2, 2]"""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * torch.view_as_complex(table.contiguous())).flatten(-2)


def split(x, heads):
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def attention(name, b, lq, lk, heads, dk, dv, scale=None, rope_q=False, rope_k=0, rope_keys=0, valid=None, shared=False):
    """rope_k is the number of rows of the keys' table, valid a list of masks per batch."""
    i = Inputs()
    kb = 1 if shared else b
    scale = dk ** -0.5 if scale is None else scale
    q, k, v = i.random(b, lq, heads * dk, scale=2), i.random(kb, lk, heads * dk, scale=2), i.random(kb, lk, heads * dv)
    tq = i.data(rope_table(lq, dk // 2, 901)) if rope_q else i.none()
    tk = i.data(rope_table(rope_k, dk // 2, 902)) if rope_k else i.none()
    mask = i.data(torch.tensor(valid, dtype=torch.float64)) if valid else i.none()
    q, k, v = split(q, heads), split(k, heads).expand(b, -1, -1, -1), split(v, heads).expand(b, -1, -1, -1)
    if tq is not None:
        q = rotate(q, tq)
    if tk is not None:
        repeated = tk[torch.arange(rope_keys) % rope_k]
        k = torch.cat([rotate(k[:, :, :rope_keys], repeated), k[:, :, rope_keys:]], 2)
    allowed = None if mask is None else (mask != 0)[:, None, None, :]
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, scale=scale)
    attr = {"heads": heads, "scale": scale, "rope_keys": rope_keys}
    add(name, "attention", attr, i, out.transpose(1, 2).flatten(2))


attention("one head", 1, 3, 5, 1, 4, 4)
attention("heads, narrow values, shared keys", 2, 4, 6, 2, 6, 2, scale=0.3, shared=True)
attention("mask of each batch", 2, 3, 5, 2, 4, 4, valid=[[1, 0, 1, 1, 0], [0, 0, 0, 1, 0]])
attention("one mask for all", 2, 3, 4, 1, 4, 4, valid=[[0, 1, 1, 0]])
attention("rotary, repeated rows, unrotated rest", 2, 4, 10, 2, 8, 4, rope_q=True, rope_k=4, rope_keys=8,
          valid=[[1, 1, 1, 1, 0, 1, 1, 1, 1, 0]])
attention("rotated keys only", 1, 3, 4, 1, 4, 6, rope_k=4, rope_keys=4)


def partition(x, h, w, wh, ww, fill):
    """[b, h * w, c] to [b * windows, wh * ww, c]; cells outside the grid hold `fill`."""
    b, _, c = x.shape
    rows, columns = -(-h // wh), -(-w // ww)
    padded = fill.expand(b, rows * wh, columns * ww, c).clone()
    padded[:, :h, :w] = x.reshape(b, h, w, c)
    return padded.reshape(b, rows, wh, columns, ww, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, wh * ww, c)


def unpartition(x, b, h, w, wh, ww):
    rows, columns = -(-h // wh), -(-w // ww)
    x = x.reshape(b, rows, columns, wh, ww, -1).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(b, rows * wh, columns * ww, -1)[:, :h, :w].reshape(b, h * w, -1)


def windowed(name, b, grid, window, heads, dk, dv, q_grid=None, q_window=None, padded=False, valid=None, rope=False):
    """SAM 2's Hiera: window_partition, attention per window, window_unpartition."""
    i = Inputs()
    (h, w), (qh, qw), (qwh, qww) = grid, q_grid or grid, q_window or window
    q, k, v = (i.random(b, qh * qw, heads * dk, scale=2), i.random(b, h * w, heads * dk, scale=2),
               i.random(b, h * w, heads * dv))
    tq = i.data(rope_table(qh * qw, dk // 2, 903)) if rope else i.none()
    tk = i.data(rope_table(h * w, dk // 2, 904)) if rope else i.none()
    mask = i.data(torch.tensor(valid, dtype=torch.float64)) if valid else i.none()
    pad_k = i.random(heads * dk) if padded else i.none()
    pad_v = i.random(heads * dv) if padded else i.none()
    zero = torch.zeros(1, dtype=torch.float64)
    if rope:
        q, k = (rotate(split(t, heads), table).transpose(1, 2).flatten(2) for t, table in ((q, tq), (k, tk)))
    allowed = torch.ones(b, h * w, 1, dtype=torch.float64) if mask is None else mask[:, :, None].expand(b, -1, -1)
    allowed = partition(allowed, h, w, *window, zero + (1 if padded else 0))[:, None, None, :, 0] != 0
    out = F.scaled_dot_product_attention(
        split(partition(q, qh, qw, qwh, qww, zero), heads),
        split(partition(k, h, w, *window, pad_k if padded else zero), heads),
        split(partition(v, h, w, *window, pad_v if padded else zero), heads), attn_mask=allowed, scale=0.4)
    attr = {"heads": heads, "scale": 0.4, "rope_keys": h * w if rope else 0, "grid_h": h, "grid_w": w,
            "window_h": window[0], "window_w": window[1]}
    if q_grid:
        attr |= {"q_grid_h": qh, "q_grid_w": qw, "q_window_h": qwh, "q_window_w": qww}
    add(name, "attention", attr, i, unpartition(out.transpose(1, 2).flatten(2), b, qh, qw, qwh, qww))


windowed("windows", 2, (4, 6), (2, 3), 2, 4, 2)
windowed("windows past the grid take no part", 1, (5, 4), (3, 3), 1, 4, 4)
windowed("windows past the grid with padding keys", 2, (5, 4), (3, 3), 2, 2, 4, padded=True)
windowed("pooled queries", 1, (4, 8), (4, 4), 2, 4, 4, q_grid=(2, 4), q_window=(2, 2))
windowed("pooled queries with padding keys", 2, (6, 10), (4, 4), 1, 4, 2, q_grid=(3, 5), q_window=(2, 2), padded=True)
windowed("rotary and mask in windows", 1, (3, 4), (2, 2), 2, 4, 2, rope=True, padded=True,
         valid=[[1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0]])


def layer_norm(name, shape, epsilon, gamma=True, beta=True, scale=1.0):
    i = Inputs()
    x = i.random(*shape, scale=scale)
    g = i.random(shape[-1]) if gamma else i.none()
    b = i.random(shape[-1]) if beta else i.none()
    add(name, "layer_norm", {"epsilon": epsilon}, i, F.layer_norm(x, (shape[-1],), g, b, epsilon))


layer_norm("tokens", (2, 3, 7), 1e-6)
layer_norm("bare, epsilon matters", (3, 5), 0.1, gamma=False, beta=False, scale=0.25)
layer_norm("image, no shift", (1, 2, 2, 8), 1e-5, beta=False, scale=50)

for axis, shape in ((1, (2, 5)), (0, (4, 3)), (1, (2, 3, 4))):
    i = Inputs()
    add(f"axis {axis} of {len(shape)}", "softmax", {"axis": axis}, i, torch.softmax(i.random(*shape, scale=20), axis))

for kind, function in ACTIVATIONS.items():
    i = Inputs()
    x = i.random(4, 6, scale=5)
    if kind in ("log", "sqrt"):
        i = Inputs()
        x = i.data(x.abs() + 0.01)
    alpha, beta = ALPHA_BETA.get(kind, (0, 0))
    add(kind, "unary", {"kind": kind, "alpha": alpha, "beta": beta}, i, function(x))

BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "max": torch.maximum,
          "min": torch.minimum, "pow": torch.pow}
SHAPES = {"add": ((2, 3, 4), (2, 3, 4)), "sub": ((2, 3, 4), (4,)), "mul": ((2, 1, 4), (3, 1)), "div": ((), (2, 3)),
          "max": ((1, 3), (2, 1)), "min": ((2, 2, 3), (1, 2, 1)), "pow": ((2, 3), ())}
for kind, function in BINARY.items():
    i = Inputs()
    a, b = i.random(*SHAPES[kind][0]), i.random(*SHAPES[kind][1])
    if kind == "pow":
        i = Inputs()
        a, b = i.data(a.abs() + 0.1), i.data(b * 3)
    add(kind, "binary", {"kind": kind}, i, function(a, b))


def pool2d(name, kind, x, kernel, stride, pad=(0, 0), ceil_mode=False, count_padding=False):
    i = Inputs()
    xs = nchw(i.random(*x))
    if kind == "max":
        out = F.max_pool2d(xs, kernel, stride, pad, ceil_mode=ceil_mode)
    else:
        out = F.avg_pool2d(xs, kernel, stride, pad, ceil_mode, count_padding)
    attr = {"kind": kind, "kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": stride[0], "stride_w": stride[1],
            "pad_top": pad[0], "pad_left": pad[1], "pad_bottom": pad[0], "pad_right": pad[1],
            "ceil_mode": int(ceil_mode), "count_padding": int(count_padding)}
    add(name, "pool2d", attr, i, nhwc(out))


pool2d("2x2", "max", (1, 4, 6, 2), (2, 2), (2, 2))
pool2d("5x5 same", "max", (1, 6, 5, 2), (5, 5), (1, 1), (2, 2))
pool2d("last window dropped", "max", (1, 5, 5, 2), (2, 2), (2, 2))
pool2d("last window kept", "max", (1, 5, 6, 2), (2, 3), (2, 2), ceil_mode=True)
pool2d("last window would start in the padding", "max", (1, 5, 5, 1), (2, 2), (2, 2), (1, 1), ceil_mode=True)
pool2d("padding left out", "average", (1, 5, 4, 2), (3, 3), (2, 1), (1, 1))
pool2d("padding counted", "average", (1, 5, 4, 2), (3, 3), (2, 1), (1, 1), count_padding=True)
pool2d("ceil, padding left out", "average", (1, 6, 6, 2), (3, 3), (2, 2), (1, 1), ceil_mode=True)
pool2d("ceil, padding counted but not beyond it", "average", (1, 6, 7, 2), (3, 4), (2, 3), (1, 1), ceil_mode=True,
       count_padding=True)
pool2d("stride beyond the kernel, ceil", "average", (1, 7, 8, 1), (2, 2), (3, 4), ceil_mode=True)


def nearest_by_onnx(x, out_hw, coords):
    shape = onnx.helper.make_tensor_value_info
    mode = {"asymmetric": "asymmetric", "half_pixel": "half_pixel", "align_corners": "align_corners"}[coords]
    rounding = "floor" if coords == "asymmetric" else "round_prefer_floor"
    node = onnx.helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest",
                                 coordinate_transformation_mode=mode, nearest_mode=rounding)
    sizes = onnx.helper.make_tensor("sizes", onnx.TensorProto.INT64, [4], [*x.shape[:2], *out_hw])
    graph = onnx.helper.make_graph([node], "g", [shape("x", 1, list(x.shape))], [shape("y", 1, None)], [sizes])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"x": x.float().numpy()})[0])


def resize2d(kind, coords, x, out_hw, antialias=False):
    i = Inputs()
    xs = nchw(i.random(*x))
    if kind == "nearest":
        out = nearest_by_onnx(xs, out_hw, coords)
    else:
        out = F.interpolate(xs, out_hw, mode=kind, align_corners=coords == "align_corners", antialias=antialias)
    attr = {"kind": kind, "coords": coords, "antialias": int(antialias), "out_h": out_hw[0], "out_w": out_hw[1]}
    name = f"{kind} {coords}{' antialias' if antialias else ''} {x[1]}x{x[2]} to {out_hw[0]}x{out_hw[1]}"
    add(name, "resize2d", attr, i, nhwc(out))


for coords in ("asymmetric", "half_pixel", "align_corners"):
    resize2d("nearest", coords, (1, 3, 4, 2), (6, 8))
    resize2d("nearest", coords, (1, 8, 9, 1), (4, 3))
    resize2d("nearest", coords, (1, 5, 4, 1), (7, 3))
for kind in ("bilinear", "bicubic"):
    for coords in ("half_pixel", "align_corners"):
        resize2d(kind, coords, (2, 3, 4, 2), (6, 16))
        resize2d(kind, coords, (1, 7, 6, 1), (3, 4))
        resize2d(kind, coords, (1, 4, 5, 1), (1, 7))
    resize2d(kind, "half_pixel", (1, 12, 11, 2), (5, 3), antialias=True)
    resize2d(kind, "half_pixel", (1, 4, 9, 1), (7, 4), antialias=True)  # one axis grows
    resize2d(kind, "half_pixel", (1, 3, 2, 1), (3, 1), antialias=True)

REDUCE = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}
for kind, function in REDUCE.items():
    for axes in ((2,), (0, 1), (1, 2)):
        i = Inputs()
        x = i.random(2, 3, 4)
        add(f"{kind} over {axes}", "reduce", {"kind": kind, "axes": sum(1 << a for a in axes)}, i,
            function(x, axes, keepdim=True))

for axis in (0, 1, 2):
    i = Inputs()
    shapes = [[2, 3, 4] for _ in range(3)]
    for n, shape in enumerate(shapes):
        shape[axis] = n + 1
    add(f"three along axis {axis}", "concat", {"axis": axis}, i, torch.cat([i.random(*s) for s in shapes], axis))

i = Inputs()
add("every second from one on", "slice", {"start": [0, 1, 3], "step": [1, 2, 1], "size": [2, 2, 1]}, i,
    i.random(2, 5, 4)[0:2, 1:5:2, 3:4])
i = Inputs()
add("uneven with a value", "pad", {"before": [0, 1, 2], "after": [1, 0, 3], "value": -2.5}, i,
    F.pad(i.random(2, 2, 3), (2, 3, 1, 0, 0, 1), value=-2.5))
for perm in ((0, 2, 1), (2, 0, 1), (0, 3, 1, 2)):
    i = Inputs()
    add(f"perm {perm}", "transpose", {"perm": perm}, i, i.random(*(2, 3, 4, 5)[:len(perm)]).permute(perm))
i = Inputs()
add("3 dimensions to 2", "reshape", {"shape": [6, 4]}, i, i.random(2, 3, 4).reshape(6, 4))

path = pathlib.Path(__file__).with_name("operators.json")
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")
