#!/usr/bin/env python3
"""Writes docs/roofline.md: the arithmetic and the least memory traffic of each part of SAM 2.1 at 1024 px,
from shapes alone, the time that a GPU needs for it at best, and what script/bench-gpu measured.

Usage: roofline.py [--check]      --check fails when docs/roofline.md is not what would be written

Traffic counts each weight and each tensor between kernels once per kernel that reads or writes it, as
the CUDA backend stores them: bfloat16 where only products read a tensor, the residual stream in fp32.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Dense bf16 products with fp32 sums, TFLOP/s, and memory, TB/s (NVIDIA's Ada whitepaper).
ADA = 165, 1.0

# Hiera (Ryali et al. 2023) as SAM 2.1 configures it: width, heads, blocks a stage, global blocks,
# windows a stage.
HIERA = {
    "T": (96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7)),
    "S": (96, 1, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7)),
    "B+": (112, 2, (2, 3, 16, 3), (12, 16, 20), (8, 4, 14, 7)),
    "L": (144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
}
GRID, BF16, FP32 = 256, 2, 4  # patches of 4 px


class Cost:
    def __init__(self):
        self.flop = self.byte = 0

    def linear(self, rows, k, n, read=BF16, write=BF16):
        self.flop += 2 * rows * k * n
        self.byte += rows * k * read + k * n * BF16 + rows * n * write

    def attention(self, queries, keys, dk, dv, windows=1):
        """Per window: `queries` against `keys`, all heads together."""
        self.flop += 2 * windows * queries * keys * (dk + dv)
        self.byte += windows * BF16 * (queries * (dk + dv) + keys * (dk + dv))

    def norm(self, rows, c):
        self.byte += rows * c * (FP32 + BF16)

    def residual(self, rows, c):  # the sum is read and written beside a product's own traffic
        self.byte += rows * c * FP32

    def add(self, other, times=1):
        self.flop += other.flop * times
        self.byte += other.byte * times


def hiera(name):
    width, _, stages, global_blocks, windows = HIERA[name]
    cost, index, grid, dim = Cost(), 0, GRID, width
    cost.linear(grid * grid, 3 * 49, dim, write=FP32)  # 7x7 patches of RGB
    for stage, n_blocks in enumerate(stages):
        for block in range(n_blocks):
            pools = stage > 0 and block == 0
            tokens, d_in = grid * grid, dim
            d_out = dim * 2 if pools else dim
            # The block that pools still works on the windows of the stage before.
            window = windows[stage - 1] if pools else windows[stage]
            window = 0 if index in global_blocks else window
            n = -(-grid // window) ** 2 if window else 1
            keys = window * window if window else tokens
            queries = keys // 4 if pools else keys
            cost.norm(tokens, d_in)
            cost.linear(tokens, d_in, 3 * d_out)
            if pools:
                cost.linear(tokens, d_in, d_out, write=FP32)  # the short cut
                grid //= 2
            cost.attention(queries, keys, d_out, d_out, n)
            tokens = grid * grid
            cost.linear(tokens, d_out, d_out, write=FP32)
            cost.residual(tokens, d_out)
            cost.norm(tokens, d_out)
            cost.linear(tokens, d_out, 4 * d_out)
            cost.linear(tokens, 4 * d_out, d_out, write=FP32)
            cost.residual(tokens, d_out)
            dim = d_out
            index += 1
    for level, c in enumerate(width << s for s in range(4)):  # neck: 1x1 convolutions
        side = GRID >> level
        cost.linear(side * side, c, 256, read=FP32, write=FP32)
    cost.linear(GRID * GRID, 256, 32, read=FP32, write=FP32)
    cost.linear((GRID // 2) ** 2, 256, 64, read=FP32, write=FP32)
    return cost


N, D, MEM, KEYS, FFN = 4096, 256, 64, 7 * 4096 + 64, 2048


def self_attention():
    cost = Cost()
    cost.norm(N, D)
    for _ in range(2):
        cost.linear(N, D, D)
    cost.attention(N, N, D, D)
    cost.linear(N, D, D, write=FP32)
    cost.residual(N, D)
    return cost


def cross_attention():
    cost = Cost()
    cost.norm(N, D)
    cost.linear(N, D, D)
    cost.linear(KEYS, MEM, D)
    cost.attention(N, KEYS, D, MEM)
    cost.linear(N, MEM, D, write=FP32)
    cost.residual(N, D)
    return cost


def feed_forward():
    cost = Cost()
    cost.norm(N, D)
    cost.linear(N, D, FFN)
    cost.linear(N, FFN, D, write=FP32)
    cost.residual(N, D)
    return cost


def memory_attention():
    """Of an object; the first layer's self-attention is done once a frame."""
    cost = Cost()
    cost.add(self_attention(), 3)
    cost.add(cross_attention(), 4)
    cost.add(feed_forward(), 4)
    return cost


def mask_decoder():
    cost, tokens, half, heads_d = Cost(), 9, 128, 256
    for _ in range(2):
        for rows in (tokens, N):  # tokens to image and back: projections of both sides
            cost.linear(rows, D, half)
            cost.linear(N if rows == tokens else tokens, D, half)
            cost.linear(N if rows == tokens else tokens, D, half)
            cost.linear(rows, half, D, write=FP32)
        cost.attention(tokens, N, half, half)
        cost.attention(N, tokens, half, half)
        cost.linear(tokens, D, FFN)
        cost.linear(tokens, FFN, D)
        cost.attention(tokens, tokens, heads_d, heads_d)
    cost.linear(N, D, half)
    cost.linear(N, D, half)
    cost.attention(tokens, N, half, half)
    cost.linear(N, D, 4 * 64, write=FP32)           # 2x2 transposed convolutions
    cost.linear(4 * N, 64, 4 * 32, write=FP32)
    cost.byte += 2 * 4 * N * 64 * FP32 + 2 * 16 * N * 32 * FP32  # high-resolution features, activations
    cost.linear(16 * N, 32, 4, read=FP32, write=FP32)
    return cost


def memory_encoder():
    cost, side, c = Cost(), 1024, 1
    for out in (4, 16, 64, 256):
        side //= 2
        cost.linear(side * side, 9 * c, out, write=FP32)
        cost.norm(side * side, out)
        c = out
    cost.linear(N, D, D)
    cost.linear(N, D, D, write=FP32)
    for _ in range(2):  # ConvNeXt blocks (Liu et al. 2022)
        cost.flop += 2 * N * D * 49
        cost.byte += N * D * 2 * FP32
        cost.norm(N, D)
        cost.linear(N, D, 4 * D)
        cost.linear(N, 4 * D, D, write=FP32)
        cost.residual(N, D)
    cost.linear(N, D, MEM)
    return cost


HEAD = """# The roof and the floor of each part

Made by `bench/roofline.py`; do not edit.

GFLOP and MB are the arithmetic and the least traffic of each part of SAM 2.1 at 1024 px, from shapes alone. Traffic
counts tensors between kernels as if no cache kept them; the official code's padding of windows is left out of the
arithmetic. Floors are what both take at best: the larger of arithmetic and traffic at the rates that were measured
beside the times ({device}: {tflops:.0f} TFLOP/s of bf16 products, {tbytes:.2f} TB/s of copies; commit {commit}), and on
an RTX 4090 at NVIDIA's numbers ({ada[0]} TFLOP/s dense with fp32 sums, {ada[1]} TB/s). Measured: the part's graph
without its traffic with the host, and for frames the wall clock from a decoded frame to masks on the host. Share: the
floor over that. The estimate for an RTX 4090 is **computed**, from the kernels that it would run (`mma.sync`), timed on
the same GPU as everything else: each at the share of the roof that it reaches there ([results](results.md) says how).
Memory attention's first self-attention does not depend on the object and is part of the frame's graph.

"""


def load(name):
    path = ROOT / "bench" / "results" / f"{name}.json"
    data = json.loads(path.read_text()) if path.exists() else {"rows": [], "note": ""}
    return data, {(r["model"], r["part"], r["objects"]): r for r in data["rows"]}


def floor(cost, rates):
    """Milliseconds, and what they go to."""
    compute, memory = cost.flop / rates[0] * 1e-9, cost.byte / rates[1] * 1e-9
    return max(compute, memory), "compute" if compute > memory else "memory"


def row(title, cost, rates, measured_ms=None, ada_ms=None):
    least, why = floor(cost, rates)
    ada_least, ada_why = floor(cost, ADA)
    cells = [title, f"{cost.flop * 1e-9:.0f}", f"{cost.byte * 1e-6:.0f}", f"{least:.3f} ({why})",
             f"{measured_ms:.3f}" if measured_ms else "", f"{least / measured_ms:.0%}" if measured_ms else "",
             f"{ada_least:.2f} ({ada_why})", f"{ada_ms:.2f}" if ada_ms else ""]
    return "| " + " | ".join(cells) + " |"


def page():
    data, measured = load("cuda_segmenter")
    mma = load("cuda_mma")[1]
    rates = [float(x) for x in re.search(r"reach ([\d.]+) TFLOP/s .* ([\d.]+) TB/s", data["note"]).groups()]
    lines = ["| part | GFLOP | MB | floor, ms | measured, ms | share | RTX 4090: floor, ms | estimate, ms |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]

    of_objects = "B+" if ("B+", "memory attention", 1) in measured else "T"  # which do not depend on the encoder

    def add(title, cost, model, part):
        ours = measured.get((model, part, 1))
        lines.append(row(title, cost, rates, ours and ours["gflop"] / ours["tflops"],
                         mma.get((model, part, 1), {}).get("rtx4090_ms")))

    for name in HIERA:
        add(f"frame graph {name}", once_a_frame(name), name, "image encoder")
    add("memory attention, an object", memory_attention(), of_objects, "memory attention")
    lines.append(row("&nbsp; of it: one cross-attention, 4096 x 28736, 256 and 64 wide", cross_attention(), rates))
    lines.append(row("&nbsp; of it: one self-attention", self_attention(), rates))
    lines.append(row("&nbsp; of it: one feed-forward", feed_forward(), rates))
    add("mask decoder, an object", mask_decoder(), of_objects, "mask decoder")
    add("memory encoder, an object", memory_encoder(), of_objects, "memory encoder")
    for name, objects in [(name, 1) for name in HIERA] + [("B+", 5), ("B+", 16)]:
        parts = ("image encoder", "memory attention", "mask decoder", "memory encoder")
        ada = [mma.get((name, part, 1), {}).get("rtx4090_ms") for part in parts]
        ada = ada[0] + objects * sum(ada[1:]) if all(ada) else None
        title = f"**a frame, {name}, {objects} object{'s' * (objects > 1)}**"
        lines.append(row(title, whole_frame(name, objects), rates,
                         measured.get((name, "whole frame", objects), {}).get("median_ms"), ada))
    head = HEAD.format(device=data["device"], commit=data["commit"], tflops=rates[0], tbytes=rates[1], ada=ADA)
    return head + "\n".join(lines) + "\n"


def once_a_frame(name):
    cost = hiera(name)
    cost.add(self_attention())
    cost.linear(N, D, D)
    return cost


def whole_frame(name, objects):
    cost = once_a_frame(name)
    for part in (memory_attention(), mask_decoder(), memory_encoder()):
        cost.add(part, objects)
    return cost


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    target, text = ROOT / "docs" / "roofline.md", page()
    if sys.argv[1:] and (not target.exists() or target.read_text() != text):
        sys.exit("docs/roofline.md is not what bench/roofline.py makes of bench/results")
    if not sys.argv[1:]:
        target.write_text(text)


if __name__ == "__main__":
    main()
