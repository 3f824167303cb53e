#!/usr/bin/env python3
"""Computes, from shapes alone, the arithmetic and the least memory traffic of each part of SAM 2.1 at
1024 px, and the time that a GPU needs for it at best. Nothing here is measured.

Usage: roofline.py          a Markdown table, as in docs/cuda.md

Traffic counts each weight and each tensor between kernels once per kernel that reads or writes it, as
the CUDA backend stores them: bfloat16 where only products read a tensor, the residual stream in fp32.
"""

# Dense bf16 products with fp32 sums, TFLOP/s, and memory, TB/s. H200: seen there with PyTorch on random
# data (8192^3, and a copy); RTX 4090: NVIDIA's Ada whitepaper.
GPUS = {"H200": (790, 4.3), "RTX 4090": (165, 1.0)}

# Hiera (Ryali et al. 2023) as SAM 2.1 configures it: width, heads, blocks a stage, global blocks,
# windows a stage.
HIERA = {
    "T": (96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7)),
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


def row(name, cost):
    cells = [name, f"{cost.flop * 1e-9:.0f}", f"{cost.byte * 1e-6:.0f}"]
    for tflops, tbytes in GPUS.values():
        compute, memory = cost.flop / tflops * 1e-9, cost.byte / tbytes * 1e-9
        cells.append(f"{max(compute, memory):.2f} ({'compute' if compute > memory else 'memory'})")
    return "| " + " | ".join(cells) + " |"


def main():
    print("| part | GFLOP | MB | " + " | ".join(f"{gpu}, ms" for gpu in GPUS) + " |")
    print("| --- | --- | --- |" + " --- |" * len(GPUS))
    for name in HIERA:
        print(row(f"image encoder {name}", hiera(name)))
    once = self_attention()
    once.linear(N, D, D)
    print(row("memory attention, once a frame", once))
    print(row("memory attention, an object", memory_attention()))
    print(row("&nbsp; of it: one cross-attention, 4096 x 28736, 256 and 64 wide", cross_attention()))
    print(row("&nbsp; of it: one self-attention", self_attention()))
    print(row("&nbsp; of it: one feed-forward", feed_forward()))
    print(row("mask decoder, an object", mask_decoder()))
    print(row("memory encoder, an object", memory_encoder()))
    for name in HIERA:
        total = hiera(name)
        for part in (once, memory_attention(), mask_decoder(), memory_encoder()):
            total.add(part)
        print(row(f"**a frame with one object, {name}**", total))


if __name__ == "__main__":
    main()
