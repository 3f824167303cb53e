#!/usr/bin/env python3
"""Writes a segmenter of the size of SAM 2.1's or EdgeTAM with random weights, for timing: times do not
depend on weights.

Usage: random_sam2.py OUT.safetensors [OUT.safetensors ...] [--model B+ ...] [--synthetic] [--size PX]

--synthetic: weights as in the tests' golden files, whose masks are of a sensible size and whose objects
go out of sight and come back, for tracks. --size: of the model's square input. Needs PyTorch.
"""
import argparse
import dataclasses
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from roto.model import Segmenter, config  # noqa: E402
from roto.train.export import save  # noqa: E402
from roto.train.scenario import score_line  # noqa: E402
from roto.train.synthetic import synthetic_state  # noqa: E402


def main():
    models = {"T": config.HIERA_T, "S": config.HIERA_S, "B+": config.HIERA_BP, "L": config.HIERA_L,
              "EdgeTAM": config.EDGETAM}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="+")
    parser.add_argument("--model", nargs="+", choices=models, default=["B+"])
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--size", type=int, default=1024)
    args = parser.parse_args()
    if len(args.out) != len(args.model):
        parser.error("a file for each model")
    for out, name in zip(args.out, args.model):
        torch.manual_seed(1)
        model = dataclasses.replace(models[name], image_size=args.size)
        state = Segmenter(model).state_dict()
        save(synthetic_state(state, score_line(model.name)) if args.synthetic else state, model, out)


if __name__ == "__main__":
    main()
