#!/usr/bin/env python3
"""Measures what this GPU can do at best: bf16 products (8192 x 8192 x 8192, random data) and copies of
device memory (bytes read and written), with PyTorch. The last line is "GFLOP/s GB/s".

Usage: gpu_roofs.py
"""
import statistics

import torch

from gpu_times import times_ms


def median_seconds(run):
    return statistics.median(times_ms(run, 20)) * 1e-3


def main():
    n = 8192
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)
    flops = 2 * n**3 / median_seconds(lambda: torch.mm(a, b, out=out))
    source = torch.randn(1 << 29, device="cuda")
    target = torch.empty_like(source)
    copied = 2 * source.nbytes / median_seconds(lambda: target.copy_(source))
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    print(f"{flops * 1e-9:.0f} {copied * 1e-9:.0f}")


if __name__ == "__main__":
    main()
