"""The published code of SAM 2 or EdgeTAM (facebookresearch/sam2, facebookresearch/EdgeTAM) on
synthetic weights: its graphs behind the functions of graphs.Definition, and its video predictor.

    python -m roto.train.published OUT_DIR [--models NAME...] [--size N] [--track FRAMES]

writes a golden file a model with the graphs' outputs in full, and with --track one of a track; the
C tests take both as arguments. Both projects call their package `sam2`; which one is on the path
decides which models there are. Needs `pillow` too. script/test-parity does all of it.
"""

import argparse
import dataclasses
import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
import sam2
import torch
from PIL import Image
from sam2 import sam2_video_predictor
from sam2.build_sam import build_sam2_video_predictor

from ..model import config as configs
from ..model.layers import tokens_of
from .graphs import graphs, notes, samples
from .scenario import OBJECTS, SCENARIO, picture, rectangle_mask
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
    def __init__(self, config, published_name):
        self.config = config
        changes = [f"++model.image_size={config.image_size}"]
        if config.perceiver_layers:  # this part of the published code takes sizes as configured
            side = config.image_size // 16
            attention = "++model.memory_attention.layer.cross_attention"
            changes.append(f"{attention}.q_sizes=[{side},{side}]")
        self.model = build_sam2_video_predictor(
            published_name, device="cpu", hydra_overrides_extra=changes
        )
        self.model.fill_hole_area = 0
        self.model.load_state_dict(synthetic_state(self.model.state_dict()))

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


# ---- tracks -------------------------------------------------------------------------------------


class Watch:
    """Keeps which mask was chosen the last time that the published decoder ran."""

    def __init__(self, model):
        self.masks = self.choice = self.iou = None
        decoder = model.sam_mask_decoder
        predict, forward = decoder.predict_masks, decoder.forward

        def watched_predict(*args, **kwargs):
            out = predict(*args, **kwargs)
            self.masks = out[0]
            return out

        def watched_forward(*args, **kwargs):
            out = forward(*args, **kwargs)
            best = int(out[1][0].argmax())
            same = [torch.equal(out[0][0, best], mask) for mask in self.masks[0]]
            self.choice, self.iou = same.index(True), float(out[1][0, best])
            return out

        decoder.predict_masks, decoder.forward = watched_predict, watched_forward


class Track:
    """Each object has an inference state of its own, so that one may come late in EdgeTAM too."""

    def __init__(self, engine, n_frames):
        self.predictor, self.side = engine.model, engine.config.image_size
        self.watch = Watch(engine.model)
        self.n_frames, self.max_pointers = n_frames, engine.config.max_obj_ptrs
        n = (self.side // 4) ** 2
        self.n_samples = min(n, 512)
        self.logits = np.zeros((n_frames, OBJECTS, self.n_samples), np.float32)
        self.iou, self.score, self.choice = (
            np.zeros((n_frames, OBJECTS), np.float32) for _ in range(3)
        )
        self.area = np.zeros((n_frames, OBJECTS))

    def keep(self, frame, index, out, choice, iou):
        mask = out["pred_masks"][0, 0].numpy()
        self.logits[frame, index] = samples(mask, self.n_samples)
        self.score[frame, index] = float(out["object_score_logits"])
        self.choice[frame, index], self.iou[frame, index] = choice, iou
        self.area[frame, index] = (mask > 0).mean()

    def prompt(self, state, frame, index, what):
        p = self.predictor
        if what[0] == "mask":
            p.add_new_mask(state, frame, index + 1, rectangle_mask(self.side, what[1]))
        elif what[0] == "box":
            box = [x * self.side for x in what[1]]
            p.add_new_points_or_box(state, frame, index + 1, box=box)
        else:
            point = [[x * self.side for x in what[1]]]
            p.add_new_points_or_box(state, frame, index + 1, points=point, labels=[what[2]])
        answers = state["temp_output_dict_per_obj"][0]
        out = answers["cond_frame_outputs"].get(frame) or answers["non_cond_frame_outputs"][frame]
        is_mask = what[0] == "mask"
        choice, iou = (-1, 1.0) if is_mask else (self.watch.choice, self.watch.iou)
        self.keep(frame, index, out, choice, iou)

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            for t in range(self.n_frames):  # PNG bytes: nothing is lost
                image = Image.fromarray(picture(self.side, t))
                image.save(f"{folder}/{t:05d}.jpg", format="png")
            states = [self.predictor.init_state(folder) for _ in range(OBJECTS)]
        for state in states:  # ages of pointers are measured as in any video of 16 frames or more
            state["num_frames"] = max(self.n_frames, self.max_pointers)
        step = self.predictor._run_single_frame_inference
        for index, state in enumerate(states):

            def watched_step(*, index=index, **arguments):
                out, masks = step(**arguments)
                if arguments["run_mem_encoder"]:
                    frame = arguments["frame_idx"]
                    self.keep(frame, index, out, self.watch.choice, self.watch.iou)
                return out, masks

            self.predictor._run_single_frame_inference = watched_step
            self.run_object(index, state)
        self.predictor._run_single_frame_inference = step
        return {
            "track.logits": self.logits,
            "track.iou": self.iou,
            "track.object_score": self.score,
            "track.choice": self.choice,
        }

    def run_object(self, index, state):
        is_there = False
        for t in range(self.n_frames):
            for i, what in SCENARIO["before"].get(t, ()):
                if i == index:
                    self.prompt(state, t, index, what)
                    is_there = True
            if is_there:
                list(self.predictor.propagate_in_video(state, t, 0))
            for i, what in SCENARIO["after"].get(t, ()):
                if i == index:
                    self.prompt(state, t, index, what)

    def report(self):
        for i in range(OBJECTS):
            print("  areas", " ".join(f"{100 * a:3.0f}" for a in self.area[:, i]))
            print("  scores", " ".join(f"{s:5.1f}" for s in self.score[:, i]))
            print("  choices", " ".join(f"{int(c)}" for c in self.choice[:, i]))


@torch.inference_mode()
def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--track", type=int, default=0, metavar="FRAMES")
    parser.add_argument("--bf16", action="store_true", help="round memories as published")
    a = parser.parse_args(arguments)
    if not a.bf16:
        sam2_video_predictor.torch = WithoutBfloat16()
    for name in a.models:
        config, published_name = MODELS[name]
        config = dataclasses.replace(config, image_size=a.size, memory_bf16=a.bf16)
        engine = Published(config, published_name)
        if a.track:
            track = Track(engine, a.track)
            write(a.out / f"{name}.track.safetensors", track.run(), notes(engine))
            print(name)
            track.report()
        else:
            write(a.out / f"{name}.safetensors", graphs(engine, (a.size, a.size)), notes(engine))


if __name__ == "__main__":
    main(sys.argv[1:])
