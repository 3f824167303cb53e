#!/usr/bin/env python3
"""Times the official code of SAM 2.1 or EdgeTAM on this GPU as its own benchmark runs it: bfloat16 by
autocast, random weights, frames already resized and normalised on the GPU, masks left on the GPU, no
filling of holes. A JSON object a line: whole frames of a stream, and with --parts the parts of a frame.

Usage: sam2_official.py --sam2-source DIR [--models B+ T] [--objects 1 5 16] [--frames 24] [--parts]
                        [--predictors new legacy compiled] [--compile-mode MODE]

DIR holds the package `sam2` of https://github.com/facebookresearch/sam2 (of EdgeTAM for --models
EdgeTAM). hydra and iopath, which only its loaders use, need not be installed; EdgeTAM needs timm.
The new predictor computes each object by itself, the legacy one all objects together; compiled is the
new one optimised for whole videos (vos_optimized=True), which takes minutes to start: fewer with
--compile-mode reduce-overhead, which has CUDA graphs and compiled kernels but does not try them out.
"""
import time

PROCESS_START = time.perf_counter()

import argparse  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import pathlib  # noqa: E402
import re  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import types  # noqa: E402

import torch  # noqa: E402
import yaml  # noqa: E402

CONFIGS = {
    "T": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "S": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "B+": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "L": "configs/sam2.1/sam2.1_hiera_l.yaml",
    "EdgeTAM": "configs/edgetam.yaml",
}

# What build_sam2_video_predictor adds to a configuration by itself.
PREDICTOR = {
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
    "binarize_mask_from_pts_for_mem_enc": True,
    "fill_hole_area": 0,
}

# Modules and classes of predictors, and what names them in results.
PREDICTORS = {
    "new": ("sam2_video_predictor", "SAM2VideoPredictor", "eager"),
    "legacy": ("sam2_video_predictor_legacy", "SAM2VideoPredictor", "eager, objects together"),
    "compiled": ("sam2_video_predictor", "SAM2VideoPredictorVOS", "compiled"),
}

# Methods of the model, and the part of a frame that each computes.
PARTS = {
    "forward_image": "image encoder",
    "_prepare_memory_conditioned_features": "memory attention",
    "_forward_sam_heads": "mask decoder",
    "_encode_new_memory": "memory encoder",
}

# Memories and pointers are as many as they get from here on. A whole track comes before the timed one.
WARM_FRAMES = 17


def open_package(source):
    """The package without its __init__, which wants hydra."""
    package = types.ModuleType("sam2")
    package.__path__ = [str(pathlib.Path(source) / "sam2")]
    sys.modules["sam2"] = package
    paths = types.ModuleType("iopath.common.file_io")
    paths.g_pathmgr = None
    sys.modules.setdefault("iopath.common.file_io", paths)
    if (pathlib.Path(source) / "sam2" / "modeling/backbones/timm.py").exists():
        trunk = importlib.import_module("sam2.modeling.backbones.timm")
        create = trunk.create_model
        trunk.create_model = lambda *args, **kwargs: create(*args, **(kwargs | {"pretrained": False}))


def instantiate(node):
    """What hydra's function of this name makes of a configuration."""
    if isinstance(node, list):
        return [instantiate(n) for n in node]
    if not isinstance(node, dict):
        # PyYAML takes 1e-6 for a word.
        return float(node) if isinstance(node, str) and re.fullmatch(r"-?[\d.]+e-?\d+", node) else node
    arguments = {key: instantiate(value) for key, value in node.items() if key != "_target_"}
    if "_target_" not in node:
        return arguments
    module, name = node["_target_"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(**arguments)


def make_predictor(source, name, predictor, mode=None):
    config = yaml.safe_load((pathlib.Path(source) / "sam2" / CONFIGS[name]).read_text())["model"]
    module, kind, _ = PREDICTORS[predictor]
    config |= PREDICTOR | {"_target_": f"sam2.{module}.{kind}", "compile_image_encoder": predictor == "compiled"}
    if mode:
        compile_as_told = torch.compile
        torch.compile = lambda *a, **options: compile_as_told(*a, **(options | {"mode": mode}))
    torch.manual_seed(1)
    model = instantiate(config).eval().cuda()
    code = sys.modules[f"sam2.{module}"]
    code.tqdm = lambda frames, **_: frames
    return model, code


class Frames:
    """Four pictures over and over."""

    def __init__(self, n, size):
        self.n, self.pictures = n, torch.randn(4, 3, size, size, device="cuda")

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.pictures[i % 4]


def start(model, code, n_objects, n_frames):
    """Prompts objects on the first frame; yields after each frame."""
    size = model.image_size
    frames = Frames(n_frames, size)
    code.load_video_frames = lambda **_: (frames, size, size)
    state = model.init_state("")
    for i in range(n_objects):
        x = size * (i + 1) / (n_objects + 1)
        model.add_new_points_or_box(state, 0, i + 1, points=[[x, size / 2]], labels=[1])
    torch.cuda.synchronize()
    return model.propagate_in_video(state)


def frame_times(frames):
    times = []
    while True:
        torch.cuda.synchronize()
        begin = time.perf_counter()
        if next(frames, None) is None:
            return times
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) * 1e3)


def part_times(model, run):
    """Milliseconds a frame between the first and the last kernel of each part."""
    spans, methods = {part: [] for part in PARTS.values()}, {}

    def timed(method, part):
        def call(*args, **kwargs):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            out = method(*args, **kwargs)
            end.record()
            spans[part].append((begin, end))
            return out
        return call

    for name, part in PARTS.items():
        methods[name] = getattr(model, name)
        setattr(model, name, timed(methods[name], part))
    run()
    torch.cuda.synchronize()
    for name, method in methods.items():
        setattr(model, name, method)
    return {part: [a.elapsed_time(b) for a, b in pairs] for part, pairs in spans.items()}


def summary(times):
    times = sorted(times)
    return {"median_ms": round(statistics.median(times), 3), "p99_ms": round(times[(len(times) * 99 - 1) // 100], 3)}


def process_mb():
    """What is taken of the GPU's memory; nobody else is there."""
    free, total = torch.cuda.mem_get_info()
    return round((total - free) / 2**20)


def measure(name, predictor, args, report):
    begin = time.perf_counter()
    model, code = make_predictor(args.sam2_source, name, predictor, args.compile_mode)
    n_frames = WARM_FRAMES + args.frames
    for n in args.objects:
        torch.cuda.empty_cache()
        frames = start(model, code, n, n_frames)
        next(frames)
        torch.cuda.synchronize()
        first_s = args.import_s + time.perf_counter() - begin
        warm_s = sum(frame_times(frames)) * 1e-3
        times = frame_times(start(model, code, n, n_frames))
        report(part="whole frame", objects=n, **summary(times[WARM_FRAMES:]),
               gpu_mb=process_mb(), first_mask_s=round(first_s, 2),
               warm_s=round(warm_s, 2))
        if args.parts and n == 1:
            parts = part_times(model, lambda: list(start(model, code, n, n_frames)))
            for part, spans in parts.items():
                report(part=part, objects=n, **summary(spans[1 - args.frames:]))
        begin = time.perf_counter()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sam2-source", required=True)
    parser.add_argument("--models", nargs="+", choices=CONFIGS, default=["B+"])
    parser.add_argument("--objects", type=int, nargs="+", default=[1])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--predictors", nargs="+", choices=PREDICTORS, default=["new"])
    parser.add_argument("--compile-mode")
    parser.add_argument("--parts", action="store_true")
    args = parser.parse_args()
    open_package(args.sam2_source)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    project = "EdgeTAM" if "EdgeTAM" in args.models else "sam2"
    about = {"device": torch.cuda.get_device_name(), "precision": "bf16"}
    args.import_s = time.perf_counter() - PROCESS_START
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        for name in args.models:
            for predictor in args.predictors:
                kind = PREDICTORS[predictor][2]
                kind += f" ({args.compile_mode})" if predictor == "compiled" and args.compile_mode else ""
                peer = f"facebookresearch/{project}, {kind}, PyTorch {torch.__version__}"
                measure(name, predictor, args, lambda **row: print(json.dumps(
                    {"peer": peer, "model": name} | about | row), flush=True))
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
