"""python -m roto.train: trains, or with --smoke checks in two minutes on a CPU that training works.

python -m roto.train PACK.zip OUT --seconds 1300 --device cuda --trunk MOBILENET.tflite
python -m roto.train --smoke
"""

import argparse
import dataclasses
import sys

import torch

from . import bank
from .evaluate import evaluate_packed
from .loop import Loop, Options


def train(args):
    options = Options(
        out=args.out,
        plan=args.plan,
        steps=args.steps,
        seconds=args.seconds,
        rate=args.rate,
        seed=args.seed,
        trunk=args.trunk,
        device=args.device,
        start=args.start,
        start_progress=args.start_progress,
    )
    sequences = bank.held_out(args.pack)  # now: the pack may be gone when training ends
    loop = Loop(bank.load(args.pack), options)
    loop.run()
    if sequences:
        evaluate_packed(loop.new_averaged_model(), sequences, args.device)
    print("finished", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pack", nargs="?", help="the archive that roto.train.pack wrote")
    parser.add_argument("out", nargs="?", help="folder of checkpoint.pt and averaged.pt")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--steps", type=int, default=0, help="train so many steps, or")
    parser.add_argument("--seconds", type=float, default=1300, help="so long, over all runs")
    defaults = {f.name: f.default for f in dataclasses.fields(Options)}
    parser.add_argument("--plan", choices=("full", "smoke"), default=defaults["plan"])
    parser.add_argument("--rate", type=float, default=defaults["rate"])
    parser.add_argument("--seed", type=int, default=defaults["seed"])
    parser.add_argument("--trunk", default="", help="MobileNetV2 as a TensorFlow Lite file")
    parser.add_argument(
        "--start",
        default="",
        help="weights (averaged.pt or .safetensors) to go on from, without their optimiser",
    )
    parser.add_argument(
        "--start-progress", type=float, default=0.0, help="the progress that they stand for"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    if args.smoke:
        from .smoke import smoke

        sys.exit(smoke())
    if not args.pack or not args.out:
        parser.error("PACK and OUT are needed")
    train(args)


if __name__ == "__main__":
    main()
