"""The published code of SAM 2 or EdgeTAM (facebookresearch/sam2, facebookresearch/EdgeTAM) on
synthetic weights: its graphs behind the functions of graphs.Definition, and its video predictor.

    python -m roto.train.published OUT_DIR [--models NAME...] [--size N] [--track FRAMES]

writes a golden file a model with the graphs' outputs in full, with --track one of a track
(published_track.py) or with --image one of answers about a picture (published_image.py); the C tests
take them as arguments. Both projects call their package `sam2`; which one is on the path decides
which models there are. Needs `pillow` and `scipy` too. script/test-parity does all of it.
"""

import argparse
import dataclasses
import importlib
import sys
from pathlib import Path

import sam2
import torch
from sam2 import sam2_video_predictor
from sam2.build_sam import build_sam2_video_predictor

from ..model import config as configs
from ..model.layers import tokens_of
from .graphs import graphs, notes
from .published_image import image_answers
from .published_track import Track
from .scenario import SCENARIOS, score_line
from .synthetic import synthetic_state, write


def without_time(config):
    """The SAM 2 model of a SAM 2.1 one."""
    return dataclasses.replace(
        config,
        name=config.name.replace("2.1", "2"),
        no_obj_embed_spatial=False,
        pointer_time=False,
    )


def published_models():
    """By name: our config and the name of the published configuration."""
    if (Path(sam2.__file__).parent / "configs/edgetam.yaml").exists():
        # Their weights of the trunk alone are not needed, and would be fetched.
        timm_trunk = importlib.import_module("sam2.modeling.backbones.timm")
        create = timm_trunk.create_model
        timm_trunk.create_model = lambda *args, **kwargs: create(
            *args, **(kwargs | {"pretrained": False})
        )
        return {configs.EDGETAM.name: (configs.EDGETAM, "configs/edgetam.yaml")}
    models = {}
    for letter, ours in (
        ("t", configs.HIERA_T),
        ("s", configs.HIERA_S),
        ("b+", configs.HIERA_BP),
        ("l", configs.HIERA_L),
    ):
        models[ours.name] = ours, f"configs/sam2.1/sam2.1_hiera_{letter}.yaml"
        older = without_time(ours)
        models[older.name] = older, f"configs/sam2/sam2_hiera_{letter}.yaml"
    return models


MODELS = published_models()


class WithoutBfloat16:
    """torch for the published video predictor, which rounds memories to bfloat16 when it keeps
    them: a last bit that differs before rounding can differ by a 256th after it."""

    bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


class Published:
    def __init__(self, config, published_name, score_line=None):
        self.config, self.score_line = config, score_line
        changes = [f"++model.image_size={config.image_size}"]
        if config.perceiver_layers:  # this part of the published code takes sizes as configured
            side = config.image_size // 16
            attention = "++model.memory_attention.layer.cross_attention"
            changes.append(f"{attention}.q_sizes=[{side},{side}]")
        self.model = build_sam2_video_predictor(
            published_name, device="cpu", hydra_overrides_extra=changes
        )
        self.model.fill_hole_area = 0
        self.model.load_state_dict(synthetic_state(self.model.state_dict(), score_line))

    def frame(self, image):
        backbone = self.model.forward_image(image.float())
        s4, s8, s16 = backbone["backbone_fpn"]
        return s16, s4, s8

    def memory_attention(self, s16, memory, positions, n_pointer_tokens):
        first = [tokens_of(t).transpose(0, 1) for t in (s16, self.position(s16))]
        memory, positions = (t.float().transpose(0, 1) for t in (memory, positions))
        spatial = {}
        if self.config.perceiver_layers:
            latents = self.config.perceiver_latents + self.config.perceiver_latents_2d
            spatial = {"num_spatial_mem": (memory.shape[0] - n_pointer_tokens) // latents}
        out = self.model.memory_attention(
            curr=[first[0]],
            curr_pos=[first[1]],
            memory=memory,
            memory_pos=positions,
            num_obj_ptr_tokens=n_pointer_tokens,
            **spatial,
        )
        return out.permute(1, 2, 0).unflatten(2, s16.shape[2:])

    def position(self, s16):
        return self.model.image_encoder.neck.position_encoding(s16)

    def decode(self, features, s4, s8, points, labels, mask, _image_size):
        model = self.model
        sparse, dense = model.sam_prompt_encoder(
            points=(points.float(), labels),
            boxes=None,
            masks=None if mask is None else mask.float(),
        )
        masks, ious, tokens, score = model.sam_mask_decoder.predict_masks(
            image_embeddings=features.float(),
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=[s4.float(), s8.float()],
        )
        return masks, ious, score, model.obj_ptr_proj(tokens)

    def memory_places(self, grid):
        return self.condense(torch.zeros(1, self.config.mem_dim, *grid))[1]

    def encode_memory(self, features, mask):
        out = self.model.memory_encoder(features.float(), mask.float(), skip_mask_sigmoid=True)
        # One by one: the published perceiver takes no more.
        return torch.cat([self.condense(m[None])[0] for m in out["vision_features"]])

    def condense(self, memory):
        """A memory's tokens and their places."""
        places = self.model.memory_encoder.position_encoding(memory)
        if self.config.perceiver_layers:
            return self.model.spatial_perceiver(memory, places)
        return tokens_of(memory), tokens_of(places)


@torch.inference_mode()
def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--track", type=int, default=0, metavar="FRAMES")
    parser.add_argument("--image", action="store_true", help="answers about a single picture")
    parser.add_argument("--scenario", default="live", choices=list(SCENARIOS))
    parser.add_argument("--samples", type=int, default=512, help="numbers kept of a mask")
    parser.add_argument(
        "--score", type=float, nargs=2, metavar=("GAIN", "OFFSET"), help="of the object score"
    )
    parser.add_argument("--bf16", action="store_true", help="round memories as published")
    a = parser.parse_args(arguments)
    if not a.bf16:
        sam2_video_predictor.torch = WithoutBfloat16()
    for name in a.models:
        config, published_name = MODELS[name]
        config = dataclasses.replace(config, image_size=a.size, memory_bf16=a.bf16)
        line = (a.score or score_line(name)) if a.track else None
        engine = Published(config, published_name, line)
        if a.image:
            write(a.out / f"{name}.image.safetensors", image_answers(engine), notes(engine))
        elif a.track:
            track = Track(engine, SCENARIOS[a.scenario](a.track), a.samples)
            out, text = track.run(), notes(engine) | track.notes(a.scenario)
            write(a.out / f"{name}.{a.scenario}.safetensors", out, text)
            print(name, a.scenario)
            track.report()
        else:
            write(a.out / f"{name}.safetensors", graphs(engine, (a.size, a.size)), notes(engine))


if __name__ == "__main__":
    main(sys.argv[1:])
