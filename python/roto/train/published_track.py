"""A track made by the published video predictor, with every choice that it makes on the way."""

import dataclasses
import tempfile

import numpy as np
import torch
from PIL import Image
from sam2.utils import misc
from scipy import ndimage

from .graphs import samples
from .scenario import (
    BOX,
    DIRECTION,
    DO,
    FRAME,
    LABEL,
    OBJECT,
    POINT,
    Do,
    picture,
    rectangle_mask,
)

MAP_SAMPLES, HOLE_PX = 64, 8

# What a remembered frame is used for, in one number.
SPATIAL_PROMPTED, SPATIAL, POINTER_PROMPTED, POINTER = 1, 2, 4, 8

# Choices besides the index of a mask: a mask prompt, and what was chosen earlier.
NO_CHOICE, EARLIER = -1, -2


def connected_components(masks):
    """In place of the published CUDA code: labels and areas of 8-connected regions."""
    labels, areas = (np.zeros(masks.shape, np.int32) for _ in range(2))
    for i, mask in enumerate(masks[:, 0].numpy()):
        labels[i, 0], n = ndimage.label(mask, np.ones((3, 3)))
        areas[i, 0] = np.bincount(labels[i, 0].ravel(), minlength=n + 1)[labels[i, 0]]
    return torch.from_numpy(labels), torch.from_numpy(areas)


misc.get_connected_components = connected_components


class Asked(dict):
    """A copy that notes what it was asked for, and whether it had that."""

    def __init__(self, *args):
        super().__init__(*args)
        self.log = []

    def get(self, key, default=None):
        self.log.append((key, key in self))
        return super().get(key, default)


class Watch:
    """What the published model chose the last time that it ran."""

    def __init__(self, engine):
        self.model, self.config = engine.model, engine.config
        self.masks = self.choice = self.iou = None
        self.memories, self.tokens = {}, None
        decoder = self.model.sam_mask_decoder
        self.predict, self.forward = decoder.predict_masks, decoder.forward
        self.recall = self.model._prepare_memory_conditioned_features
        decoder.predict_masks, decoder.forward = self.watched_predict, self.watched_forward
        self.model._prepare_memory_conditioned_features = self.watched_recall
        self.model.memory_attention.register_forward_pre_hook(self.count, with_kwargs=True)

    def watched_predict(self, *args, **kwargs):
        out = self.predict(*args, **kwargs)
        self.masks = out[0]
        return out

    def watched_forward(self, *args, **kwargs):
        out = self.forward(*args, **kwargs)
        best = int(out[1][0].argmax())
        same = [torch.equal(out[0][0, best], mask) for mask in self.masks[0]]
        self.choice, self.iou = same.index(True), float(out[1][0, best])
        return out

    def count(self, _module, _args, kwargs):
        self.tokens = kwargs["memory"].shape[0], kwargs["num_obj_ptr_tokens"]

    def watched_recall(self, *, frame_idx, is_init_cond_frame, output_dict, **kwargs):
        """Which frames are used: {frame: sum of uses}."""
        self.memories = {}
        if is_init_cond_frame:
            return self.recall(
                frame_idx=frame_idx,
                is_init_cond_frame=True,
                output_dict=output_dict,
                **kwargs,
            )
        asked = Asked(output_dict["non_cond_frame_outputs"])
        out = self.recall(
            frame_idx=frame_idx,
            is_init_cond_frame=False,
            output_dict=output_dict | {"non_cond_frame_outputs": asked},
            **kwargs,
        )
        sign = -1 if kwargs["track_in_reverse"] else 1
        n_spatial = self.config.num_maskmem - 1
        uses = [(t, SPATIAL_PROMPTED) for t in output_dict["cond_frame_outputs"]]
        uses += [(t, SPATIAL) for t, had in asked.log[:n_spatial] if had]
        uses += [
            (t, POINTER_PROMPTED)
            for t in output_dict["cond_frame_outputs"]
            if sign * (frame_idx - t) >= 0
        ]
        uses += [(t, POINTER) for t, had in asked.log[n_spatial:] if had]
        for t, use in uses:
            self.memories[t] = self.memories.get(t, 0) + use
        self.check(uses)
        return out

    def check(self, uses):
        """Memory attention got as many tokens as that makes."""
        c = self.config
        latents = c.perceiver_latents + c.perceiver_latents_2d
        n_pointers = sum(use >= POINTER_PROMPTED for _, use in uses)
        pointer_tokens = n_pointers * c.d_model // c.mem_dim
        spatial_tokens = (len(uses) - n_pointers) * (latents or (c.image_size // 16) ** 2)
        assert self.tokens == (spatial_tokens + pointer_tokens, pointer_tokens), self.tokens


@dataclasses.dataclass
class Seen:
    """What was found for an object on a frame."""

    choice: int = NO_CHOICE
    iou: float = 1.0
    memories: dict = dataclasses.field(default_factory=dict)


class Track:
    """In SAM 2 all objects share an inference state; in EdgeTAM, which takes no object after tracking
    has begun, each has its own."""

    def __init__(self, engine, steps, n_samples):
        self.predictor, self.config = engine.model, engine.config
        self.side = engine.config.image_size
        self.steps, self.shared = steps, not engine.config.perceiver_layers
        self.predictor.fill_hole_area = HOLE_PX
        self.watch = Watch(engine)
        self.n_frames = int(max(s[FRAME] for s in steps)) + 1
        self.n_samples = min((self.side // 4) ** 2, n_samples)
        self.states, self.spare_states, self.waiting, self.seen = {}, [], {}, {}
        self.rows, self.logits, self.memories, self.maps, self.areas = [], [], [], [], []
        self.run_single = self.predictor._run_single_frame_inference

    # -- the published predictor

    def new_state(self):
        if self.spare_states:
            return self.spare_states.pop()
        with tempfile.TemporaryDirectory() as folder:
            for t in range(self.n_frames):  # PNG bytes: nothing is lost
                image = Image.fromarray(picture(self.side, t))
                image.save(f"{folder}/{t:05d}.jpg", format="png")
            state = self.predictor.init_state(folder)
        # Ages of pointers are measured as in any video of 16 frames or more.
        state["num_frames"] = max(self.n_frames, self.config.max_obj_ptrs)
        return state

    def state_of(self, obj):
        if obj not in self.states:
            others = list(self.states.values())
            self.states[obj] = others[0] if self.shared and others else self.new_state()
        return self.states[obj]

    def outputs(self, obj, kind="output_dict_per_obj"):
        state = self.states[obj]
        return state[kind][state["obj_id_to_idx"][obj]]

    def watched_single(self, **arguments):
        out, masks = self.run_single(**arguments)
        state = arguments["inference_state"]
        per_object = state["output_dict_per_obj"].items()
        index = next((i for i, d in per_object if d is arguments["output_dict"]), 0)
        obj = state["obj_idx_to_id"][index]
        seen = Seen(self.watch.choice, self.watch.iou, self.watch.memories)
        if arguments["mask_inputs"] is not None:
            seen = Seen()
        self.seen[obj, arguments["frame_idx"]] = seen
        return out, masks

    # -- steps

    def prompt(self, step):
        p, t, obj, do = self.predictor, int(step[FRAME]), int(step[OBJECT]), step[DO]
        state = self.state_of(obj)
        box = [x * self.side for x in step[BOX]]
        point = [[x * self.side for x in step[POINT]]]
        if do == Do.MASK:
            p.add_new_mask(state, t, obj, rectangle_mask(self.side, step[BOX]))
        elif do == Do.BOX:
            p.add_new_points_or_box(state, t, obj, box=box)
        elif do == Do.BOX_AND_POINT:
            p.add_new_points_or_box(state, t, obj, points=point, labels=[step[LABEL]], box=box)
        else:
            p.add_new_points_or_box(
                state, t, obj, points=point, labels=[step[LABEL]], clear_old_points=False
            )

    def answer_of(self, obj, t):
        answers = self.outputs(obj, "temp_output_dict_per_obj")
        return answers["cond_frame_outputs"].get(t) or answers["non_cond_frame_outputs"][t]

    def come(self, i, step):
        """A frame: prompts that wait for it, then all objects, or none but those."""
        t, reverse = int(step[FRAME]), step[DIRECTION] < 0
        prompts = self.waiting.pop(t, [])
        for prompt in prompts:
            self.prompt(prompt)
        prompted = sorted({int(prompt[OBJECT]) for prompt in prompts})
        if step[DO] == Do.VISIT:
            for obj in prompted:
                self.keep(i, obj, t, self.answer_of(obj, t))
            return
        fresh = {obj: self.seen.pop((obj, t), None) for obj in self.states}
        fresh = {obj: seen for obj, seen in fresh.items() if obj in prompted}
        for state in {id(s): s for s in self.states.values()}.values():
            list(self.predictor.propagate_in_video(state, t, 0, reverse))
        masks = []
        for obj in sorted(self.states):
            outputs = self.outputs(obj)
            out = outputs["cond_frame_outputs"].get(t) or outputs["non_cond_frame_outputs"][t]
            if obj in fresh:
                self.seen[obj, t] = fresh[obj]
            self.keep(i, obj, t, out)
            masks.append(out["pred_masks"])
        self.keep_map(torch.cat(masks))

    def run(self):
        self.predictor._run_single_frame_inference = self.watched_single
        current = -1
        for i, step in enumerate(self.steps):
            obj, t = int(step[OBJECT]), int(step[FRAME])
            if step[DO] in (Do.FRAME, Do.VISIT):
                self.come(i, step)
                current = t
            elif step[DO] == Do.REMOVE:
                state = self.states.pop(obj)
                if self.shared:
                    self.predictor.remove_object(state, obj)
            elif step[DO] == Do.RESET:
                for state in {id(s): s for s in self.states.values()}.values():
                    self.predictor.reset_state(state)
                    self.spare_states.append(state)
                self.states, self.seen, current = {}, {}, -1
            elif t == current:
                self.prompt(step)
                self.keep(i, obj, t, self.answer_of(obj, t))
            else:
                self.waiting.setdefault(t, []).append(step)
        self.predictor._run_single_frame_inference = self.run_single
        return {
            "track.steps": np.array(self.steps, np.float32),
            "track.rows": np.array(self.rows, np.float32),
            "track.logits": np.stack(self.logits),
            "track.memories": np.stack(self.memories),
            "track.maps": np.stack(self.maps),
        }

    # -- what is kept

    def keep(self, i, obj, t, out):
        seen = self.seen.get((obj, t)) or Seen(EARLIER, float("nan"))
        mask = out["pred_masks"][0, 0].numpy()
        memories = np.zeros(self.n_frames, np.float32)
        for frame, use in seen.memories.items():
            memories[frame] = use
        self.rows.append((i, obj, seen.choice, seen.iou, float(out["object_score_logits"])))
        self.logits.append(samples(mask, self.n_samples))
        self.memories.append(memories)
        self.areas.append((obj, t, (mask > 0).mean()))

    def keep_map(self, masks):
        """Whose pixels are, after the published constraint that masks do not overlap: 0 for nobody,
        1 for the first object, ...; -1 where it is a matter of rounding."""
        rounding = 1e-1 if self.config.memory_bf16 else 1e-2  # of logits, whose sizes are 10 and more
        self.predictor.non_overlap_masks = True
        size = {"device": "cpu", "video_height": self.side, "video_width": self.side}
        _, whole = self.predictor._get_orig_video_res_output(size, masks)
        self.predictor.non_overlap_masks = False
        best, owner = whole[:, 0].max(0)
        owner = torch.where(best > 0, owner + 1, 0)
        unsure = ((whole[:, 0] > 0).sum(0) > 1) | (best.abs() < rounding)
        if len(masks) > 1:
            enlarged = torch.nn.functional.interpolate(
                masks, size=(self.side, self.side), mode="bilinear", align_corners=False
            )
            first, second = enlarged[:, 0].topk(2, 0).values
            unsure |= (first - second < rounding) & (first > -rounding)
        owner = torch.where(unsure, -1, owner)
        self.maps.append(samples(owner.numpy().astype(np.float32), MAP_SAMPLES))

    def notes(self, scenario):
        return {
            "track.scenario": scenario,
            "track.keep_frames": str(self.n_frames if scenario == "offline" else 0),
            "track.max_hole_px": str(HOLE_PX),
        }

    def report(self):
        for obj in sorted({row[1] for row in self.rows}):
            mine = [i for i, row in enumerate(self.rows) if row[1] == obj]
            rows = [self.rows[i] for i in mine]
            print(f"  object {obj}")
            print("    frames ", " ".join(f"{self.areas[i][1]:4d}" for i in mine))
            print("    areas  ", " ".join(f"{100 * self.areas[i][2]:4.0f}" for i in mine))
            print("    scores ", " ".join(f"{row[4]:4.1f}" for row in rows))
            print("    choices", " ".join(f"{row[2]:4d}" for row in rows))
        print(f"  nearest score to 0: {min(abs(row[4]) for row in self.rows):.3f}")
