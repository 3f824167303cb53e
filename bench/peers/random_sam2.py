#!/usr/bin/env python3
"""Writes a segmenter of the size of SAM 2.1's or EdgeTAM with random weights, for timing: times do not
depend on weights.

Usage: random_sam2.py OUT.safetensors [--model B+]

Needs PyTorch.
"""
import argparse
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from roto.model import Segmenter, config  # noqa: E402
from roto.train.export import save  # noqa: E402


def main():
    models = {"T": config.HIERA_T, "S": config.HIERA_S, "B+": config.HIERA_BP, "L": config.HIERA_L,
              "EdgeTAM": config.EDGETAM}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--model", choices=models, default="B+")
    args = parser.parse_args()
    torch.manual_seed(1)
    save(Segmenter(models[args.model]).state_dict(), models[args.model], args.out)


if __name__ == "__main__":
    main()
