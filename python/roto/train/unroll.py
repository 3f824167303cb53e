"""A batch of clips through the model, frame after frame, with prompts and losses.

Shapes are static and no value decides what is computed, so a CUDA graph can hold all of it. Prompts
are dealt by position: the first half of the clips get masks, then boxes, then clicks. In the last
two groups every object also gets a correction on the first frame (which only even objects keep) and
odd objects one on a later frame.
"""

import dataclasses

import torch
from torch import Tensor

from roto.model.prompt_encoder import BOX_TOP_LEFT
from roto.model.segmenter import MASK_PROMPT_LOGIT, Features, Output

from . import losses
from .losses import Target
from .prompts import click_inside, click_on_error, noisy_box

AUXILIARY = 0.3
LOGIT_LIMIT = 32.0  # of masks fed back as prompts, as published


@dataclasses.dataclass
class Batch:
    """Inputs of one step. Objects are clip-major; n = clips x targets."""

    images: Tensor  # [t, clips, 3, h, w] normalised
    masks: Tensor  # [t, n, h, w] bool
    weight: Tensor  # [n]
    times: Tensor  # [n, t] frame numbers
    first_age: Tensor  # [n] how much longer ago the first frame claims to be
    teach: Tensor  # [t, n] 1 where the memory gets the true mask instead of the predicted
    noise: Tensor  # [4, n, h / 4, w / 4] in 0..1
    box_noise: Tensor  # [n, 4] in -1..1

    def tensors(self):
        return [getattr(self, f.name) for f in dataclasses.fields(self)]


def make_batch(model, clips, rng, teach):
    t, _, k, h, w = clips.masks.shape
    n = clips.masks.shape[1] * k
    images = model.normalise(clips.frames.flatten(0, 1)).unflatten(0, clips.frames.shape[:2])
    long_ago = rng.chance(0.4, n) * (rng.uniform(n) * 120).round()
    return Batch(
        images=images,
        masks=clips.masks.flatten(1, 2),
        weight=clips.weight.flatten(),
        times=clips.times.repeat_interleave(k, dim=0),
        first_age=long_ago,
        teach=(rng.uniform(t, n) < teach).float(),
        noise=rng.uniform(4, n, h // 4, w // 4),
        box_noise=rng.uniform(n, 4, low=-1, high=1),
    )


def groups(clips):
    """Slices of clips: masks, boxes, clicks."""
    half, quarter = clips // 2, max(1, clips // 4)
    return slice(0, half), slice(half, half + quarter), slice(half + quarter, clips)


class Unroll:
    def __init__(self, model, batch, coarse_head):
        self.model, self.batch, self.coarse_head = model, batch, coarse_head
        self.t, self.clips = batch.images.shape[:2]
        self.n = batch.masks.shape[1]
        self.k = self.n // self.clips
        self.total, self.iou, self.seen = 0.0, 0.0, 0.0
        self.correct_at = self.t // 2

    def run(self):
        """The loss, and sums for the log: IoU over objects in sight, and how many these were."""
        b = self.batch
        features = self.model.encode_image(b.images.flatten(0, 1))
        self.all = Features(
            *(getattr(features, s).unflatten(0, (self.t, -1)) for s in ("s4", "s8", "s16"))
        )
        quarter = torch.nn.functional.avg_pool2d(b.masks.flatten(0, 1).float()[:, None], 4)
        self.coarse_masks = (quarter > 0.5).unflatten(0, (self.t, self.n))[:, :, 0]
        self.targets = [Target.of(b.masks[t], b.weight) for t in range(self.t)]
        self.memories, self.pointers = [], []
        self.remember(0, self.first_frame())
        for t in range(1, self.t):
            self.remember(t, self.later_frame(t))
        return self.total / (self.n * self.t), self.iou, self.seen

    # ---- frames -------------------------------------------------------------------------------

    def features(self, t, clips=slice(None)):
        return Features(self.all.s4[t, clips], self.all.s8[t, clips], self.all.s16[t, clips])

    def objects(self, clips):
        return slice(clips.start * self.k, clips.stop * self.k)

    def first_frame(self):
        model, b = self.model, self.batch
        outs = []
        by_mask, by_box, by_click = groups(self.clips)
        rows = self.objects(by_mask)
        outs.append(model.accept_mask(self.features(0, by_mask), b.masks[0, rows][:, None]))
        for clips in (by_box, by_click):
            rows = self.objects(clips)
            features = self.features(0, clips)
            conditioned = model.without_memory(features.s16).repeat_interleave(self.k, dim=0)
            points, labels = self.first_prompt(clips is by_box, rows)
            out = model.decode(features, conditioned, points, labels)
            self.score(0, out, rows)
            fixed = self.correct(0, features, conditioned, out, rows, points, labels)
            even = torch.arange(fixed.logits.shape[0], device=points.device) % self.k % 2 == 0
            outs.append(_choose(even, fixed, out))
        return _joined(outs)

    def first_prompt(self, box, rows):
        b = self.batch
        if box:
            points = noisy_box(b.masks[0, rows], b.box_noise[rows])
            labels = BOX_TOP_LEFT + torch.arange(2, device=points.device)
            return points, labels.expand(points.shape[0], 2)
        points = click_inside(b.masks[0, rows], _fine(b.noise[0, rows], 4))
        return points, torch.ones(points.shape[:2], dtype=torch.long, device=points.device)

    def later_frame(self, t):
        features = self.features(t)
        conditioned = self.recall(t, features.s16)
        target = self.targets[t]
        self.total = self.total + AUXILIARY * losses.of_coarse(
            self.coarse_head(conditioned), target
        )
        out = self.model.decode(features, conditioned)
        self.score(t, out, slice(0, self.n))
        if t == self.correct_at:
            out = self.correct_later(t, features, conditioned, out)
        return out

    def correct_later(self, t, features, conditioned, out):
        """Clicks on the errors of the odd objects that were not prompted by a mask."""
        first = groups(self.clips)[1].start
        clips, rows = slice(first, self.clips), slice(first * self.k, self.n)
        some = Features(*(x[clips] for x in (features.s4, features.s8, features.s16)))
        part = _rows(out, rows)
        fixed = self.correct(t, some, conditioned[rows], part, rows)
        odd = torch.arange(part.logits.shape[0], device=conditioned.device) % self.k % 2 == 1
        return _joined([_rows(out, slice(0, rows.start)), _choose(odd, fixed, part)])

    def correct(self, t, features, conditioned, out, rows, points=None, labels=None):
        noise = self.batch.noise[1 if t == 0 else 2, rows]
        predicted = out.logits[:, 0] > 0
        click, label = click_on_error(self.coarse_masks[t, rows], predicted, noise, 4)
        if points is not None:
            click, label = torch.cat((points, click), dim=1), torch.cat((labels, label), dim=1)
        mask = out.logits.detach().clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
        fixed = self.model.decode(features, conditioned, click, label, mask)
        self.score(t, fixed, rows)
        return fixed

    def score(self, t, out, rows):
        target = self.targets[t].rows(rows)
        loss, iou = losses.of_output(out, target)
        self.total, self.iou = self.total + loss, self.iou + iou
        self.seen = self.seen + (target.weight * target.present).sum()

    # ---- memory -------------------------------------------------------------------------------

    def remember(self, t, out):
        truth = (2.0 * self.coarse_masks[t][:, None] - 1) * MASK_PROMPT_LOGIT
        teach = self.batch.teach[t][:, None]
        logits = torch.where(teach[..., None, None] > 0, truth, out.logits)
        present = (2.0 * self.targets[t].present[:, None] - 1) * MASK_PROMPT_LOGIT
        score = torch.where(teach > 0, present, out.score)
        s16 = self.all.s16[t]
        self.memories.append(self.model.encode_memory(s16, logits, score, prompted=False))
        self.pointers.append(out.pointer)

    def recall(self, t, s16):
        model, b = self.model, self.batch
        most = model.config.num_maskmem
        spatial = [model.spatial_memory(self.memories[0], most)]
        for rank in range(min(t - 1, most - 1), 0, -1):
            when = t - rank
            # A corrected frame is a prompted one to the objects that were corrected.
            ranks = self.corrected_rank(rank) if when == self.correct_at else rank
            spatial.append(model.spatial_memory(self.memories[when], ranks))
        ages = b.times[:, t : t + 1] - b.times[:, :t]
        ages = torch.cat((ages[:, :1] + b.first_age[:, None], ages[:, 1:]), dim=1)
        pointers = model.pointer_memory(torch.stack(self.pointers, dim=1), ages)
        return model.recall(s16, spatial, [pointers])

    def corrected_rank(self, rank):
        row = torch.arange(self.n, device=self.batch.masks.device)
        corrected = (row >= groups(self.clips)[1].start * self.k) & (row % self.k % 2 == 1)
        return torch.where(corrected, self.model.config.num_maskmem, rank)


def _fine(noise, stride):
    return noise.repeat_interleave(stride, dim=1).repeat_interleave(stride, dim=2)


def _rows(out, rows):
    return Output(None, None, out.score[rows], out.logits[rows], out.pointer[rows])


def _joined(outs):
    """What a memory is made of; candidates were scored already."""
    join = [torch.cat([getattr(o, f) for o in outs]) for f in ("score", "logits", "pointer")]
    return Output(None, None, *join)


def _choose(first, a, b):
    """Rows of a where `first`, else of b."""
    score = torch.where(first[:, None], a.score, b.score)
    logits = torch.where(first[:, None, None, None], a.logits, b.logits)
    return Output(None, None, score, logits, torch.where(first[:, None], a.pointer, b.pointer))
