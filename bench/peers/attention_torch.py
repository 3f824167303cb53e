#!/usr/bin/env python3
"""Times PyTorch's attention kernels on this GPU, at the sizes that `checkops --bench --op attention` has
and a few fuller ones, with bf16 random data: FlashAttention 2 and cuDNN. A JSON object a line.

Usage: attention_torch.py
"""
import json
import statistics

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from gpu_times import times_ms

# Name, batch, heads, width of a head, queries, keys. Values of memory attention are 256 wide here: PyTorch
# takes no others, and the official code projects its 64 to 256 first.
ROWS = [
    ("memory 4096 x 28736 d 256", 1, 1, 256, 4096, 28736),
    ("memory 4096 x 28736 d 256, 4 objects", 4, 1, 256, 4096, 28736),
    ("memory self 4096 d 256", 1, 1, 256, 4096, 4096),
    ("Hiera global 4096, 4 heads of 96", 1, 4, 96, 4096, 4096),
    ("16 heads of 128, 4096", 1, 16, 128, 4096, 4096),
    ("16 heads of 64, 4096", 1, 16, 64, 4096, 4096),
]


def main():
    about = {"peer": f"PyTorch {torch.__version__}", "device": torch.cuda.get_device_name(), "precision": "bf16"}
    for name, batch, heads, width, queries, keys in ROWS:
        q, k, v = (torch.randn(batch, heads, n, width, device="cuda", dtype=torch.bfloat16)
                   for n in (queries, keys, keys))
        for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
            try:
                with sdpa_kernel(backend):
                    times = times_ms(lambda: scaled_dot_product_attention(q, k, v), 60)
            except RuntimeError as error:  # not every installation has both
                print(json.dumps({**about, "row": name, "kernel": backend.name, "error": str(error)[:200]}), flush=True)
                continue
            flops = 4 * batch * heads * queries * keys * width
            print(json.dumps({**about, "row": name, "kernel": backend.name, "min_ms": round(min(times), 4),
                              "median_ms": round(statistics.median(times), 4),
                              "tflops": round(flops / statistics.median(times) * 1e-9)}), flush=True)


if __name__ == "__main__":
    main()
