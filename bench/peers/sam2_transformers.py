#!/usr/bin/env python3
"""Times SAM 2.1 as Hugging Face's transformers runs it on this GPU, with random weights: the image encoder,
memory attention and whole frames of a stream. A JSON object a line.

Usage: sam2_transformers.py [--model B+] [--objects 1 5] [--size 1024] [--frames 40] [--device cuda]

Needs `pip install torch transformers`. No weights are downloaded: times do not depend on them.
"""
import argparse
import json
import statistics
import time

import torch
import transformers
from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

# Widths and depths as SAM 2.1's configs have them.
HIERA = {
    "T": dict(hidden_size=96, heads=1, blocks=[1, 2, 7, 2], global_blocks=[5, 7, 9], background=[7, 7]),
    "B+": dict(hidden_size=112, heads=2, blocks=[2, 3, 16, 3], global_blocks=[12, 16, 20], background=[14, 14]),
    "L": dict(hidden_size=144, heads=2, blocks=[2, 6, 36, 4], global_blocks=[23, 33, 43], background=[7, 7]),
}


def make_model(name, size, device, dtype):
    h = HIERA[name]
    dims = [h["hidden_size"] << s for s in range(4)]
    backbone = Sam2HieraDetConfig(
        hidden_size=dims[0], num_attention_heads=h["heads"], image_size=[size, size],
        blocks_per_stage=h["blocks"], embed_dim_per_stage=dims,
        num_attention_heads_per_stage=[h["heads"] << s for s in range(4)],
        window_positional_embedding_background_size=h["background"], global_attention_blocks=h["global_blocks"])
    grid = size // 16
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=dims[::-1],
        backbone_feature_sizes=[[4 * grid, 4 * grid], [2 * grid, 2 * grid], [grid, grid]])
    config = Sam2VideoConfig(
        vision_config=vision, image_size=size, memory_attention_rope_feat_sizes=[grid, grid],
        prompt_encoder_config={"image_size": size})
    return Sam2VideoModel(config).eval().to(device, dtype)


def median_ms(run, synchronize, n):
    for _ in range(3):
        run()
    times = []
    for _ in range(n):
        synchronize()
        start = time.perf_counter()
        run()
        synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def stream_ms(model, size, n_objects, n_frames, device, dtype, synchronize):
    """Milliseconds of each frame of a stream, once the memory is full."""
    session = Sam2VideoInferenceSession(
        video_height=size, video_width=size, inference_device=device, inference_state_device=device,
        video_storage_device=device, dtype=dtype)
    frames = [torch.randn(1, 3, size, size, device=device, dtype=dtype) for _ in range(4)]
    session.add_new_frame(frames[0], 0)
    for i in range(n_objects):
        index = session.obj_id_to_idx(i + 1)
        point = torch.tensor([[[[size * (i + 1) / (n_objects + 1), size / 2]]]], device=device, dtype=dtype)
        session.add_point_inputs(index, 0, {
            "point_coords": point, "point_labels": torch.ones(1, 1, 1, device=device, dtype=torch.int32)})
    session.obj_with_new_inputs = list(session.obj_ids)
    model(session, frame_idx=0)
    times = []
    for f in range(1, n_frames):
        synchronize()
        start = time.perf_counter()
        model(session, frame=frames[f % 4], frame_idx=f)
        synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return times[min(16, len(times) // 2):]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=HIERA, default="B+")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    on_gpu = args.device.startswith("cuda")
    dtype = torch.bfloat16 if on_gpu else torch.float32
    synchronize = torch.cuda.synchronize if on_gpu else lambda: None
    about = {"peer": f"transformers {transformers.__version__}, PyTorch {torch.__version__}", "model": args.model,
             "size": args.size, "precision": str(dtype).split(".")[1],
             "device": torch.cuda.get_device_name() if on_gpu else args.device}

    def report(part, objects, ms, **more):
        print(json.dumps({**about, "part": part, "objects": objects, "median_ms": round(ms, 4), **more}), flush=True)

    runs = 30 if on_gpu else 2
    with torch.inference_mode():
        model = make_model(args.model, args.size, args.device, dtype)
        pixels = torch.randn(1, 3, args.size, args.size, device=args.device, dtype=dtype)
        report("image encoder", 1, median_ms(lambda: model.get_image_features(pixels), synchronize, runs))

        tokens, pointers = (args.size // 16) ** 2, 64
        keys = 7 * tokens + pointers

        def random(*shape):
            return torch.randn(*shape, device=args.device, dtype=dtype)

        features, position = random(tokens, 1, 256), random(tokens, 1, 256)
        memory, where = random(keys, 1, 64), random(keys, 1, 64)
        report("memory attention", 1,
               median_ms(lambda: model.memory_attention(features, memory, position, where, pointers),
                         synchronize, runs))
        if on_gpu:
            q, k, v = random(1, 1, tokens, 256), random(1, 1, keys, 256), random(1, 1, keys, 256)
            attend = torch.nn.functional.scaled_dot_product_attention
            ms = median_ms(lambda: attend(q, k, v), synchronize, runs)
            report("cross-attention kernel, values of 256", 1, ms,
                   tflops=round(4 * tokens * keys * 256 / ms * 1e-9, 1))
        for n in args.objects:
            times = sorted(stream_ms(model, args.size, n, args.frames, args.device, dtype, synchronize))
            report("whole frame", n, statistics.median(times), p99_ms=round(times[-1], 4))


if __name__ == "__main__":
    main()
