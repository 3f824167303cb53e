"""The training loop: compose, step, log, save; stops and resumes at any step."""

import dataclasses
import json
import os
import time

import torch

from roto.model import ROTO_S, Config, Segmenter

from . import schedule
from .compose import compose
from .export import load
from .init import initialise
from .motion import Random
from .step import Learner
from .unroll import make_batch


@dataclasses.dataclass
class Options:
    out: str
    plan: str = "full"
    steps: int = 0  # progress by steps; or, if 0,
    seconds: float = 0.0  # by the clock, counted over all runs
    rate: float = 6e-4
    seed: int = 1
    trunk: str = ""  # a TensorFlow Lite file
    device: str = "cpu"
    # Weights (averaged.pt or an exported file) to go on from when there is no checkpoint, and
    start: str = ""
    start_progress: float = 0.0  # the progress they stand for
    log_every: int = 50
    save_every_s: float = 60.0
    stop_at: int = 0  # leave early, as if interrupted


class Loop:
    def __init__(self, bank, options, config: Config = ROTO_S):
        torch.manual_seed(options.seed)
        if options.device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.benchmark_limit = 3  # trying all takes longer than it saves
        self.options, self.config = options, config
        self.bank = bank.to(options.device)
        self.plan = schedule.PLANS[options.plan]
        self.step, self.elapsed, self.stage = 0, 0.0, -1
        self.started_at = -schedule.START_STEPS  # the step at which the optimiser was new
        self.history = []
        self.learner = Learner(self._new_model(), options.device)
        self.checkpoint = os.path.join(options.out, "checkpoint.pt")
        os.makedirs(options.out, exist_ok=True)
        if os.path.exists(self.checkpoint):
            self._load()
        elif options.start:
            self._start()

    def _new_model(self):
        model = Segmenter(self.config)
        shape = dataclasses.replace(self.plan[0].shapes[0], clips=8, frames=1, targets=1)
        shape.real_clips = 2
        clips = compose(self.bank, shape, Random(self.options.device, self.options.seed))
        images = model.normalise(clips.frames.flatten(0, 1)).cpu()
        initialise(model, self.options.trunk, images, self.options.seed)
        return model

    def new_averaged_model(self):
        model = Segmenter(self.config).to(self.options.device)
        model.load_state_dict(self.learner.averaged_state())
        return model.eval()

    def progress(self):
        o = self.options
        return self.step / o.steps if o.steps else self.elapsed / o.seconds

    def batch(self):
        """What step number `step` trains on depends on the seed and that number alone."""
        stage = self.plan[self.stage]
        shape = stage.shapes[self.step % len(stage.shapes)]
        rng = Random(self.options.device, self.options.seed * 1_000_003 + self.step)
        with torch.no_grad():
            clips = compose(self.bank, shape, rng)
            return make_batch(self.learner.model, clips, rng, schedule.teaching(self.progress()))

    def run(self):
        """Trains to the end; returns the mean losses of each log line."""
        o = self.options
        began, saved = time.monotonic() - self.elapsed, time.monotonic()
        while self.progress() < 1 and not (o.stop_at and self.step >= o.stop_at):
            stage = schedule.stage_at(self.plan, self.progress())
            if stage != self.stage:
                self.learner.drop_graphs()
                self.stage = stage
            rate = schedule.learning_rate(self.progress(), o.rate)
            rate *= schedule.after_start(self.step - self.started_at)
            self.learner.set_rate(rate, rate * schedule.TRUNK_SHARE)
            self.learner.step(self.batch())
            self.step += 1
            # A device lags behind, by less than its queue holds and never past a line of the log.
            self.elapsed = time.monotonic() - began
            if self.step % o.log_every == 0:
                self._log(rate)
                if time.monotonic() - saved > o.save_every_s:
                    self.save()
                    saved = time.monotonic()
        self.save()
        return self.history

    def _log(self, rate):
        loss, iou, seen, norm, skipped = self.learner.sums.tolist()
        self.learner.sums.zero_()
        n = self.options.log_every
        self.history.append(loss / n)
        line = {
            "step": self.step,
            "progress": round(self.progress(), 4),
            "loss": round(loss / n, 5),
            "iou": round(iou / max(seen, 1), 4),
            "norm": round(norm / n, 3),
            "skipped": int(skipped),
            "rate": round(rate, 7),
            "seconds": round(self.elapsed, 1),
        }
        print(json.dumps(line), flush=True)

    # ---- checkpoints ------------------------------------------------------------------------

    def save(self):
        state = {
            "learner": self.learner.state_dict(),
            "step": self.step,
            "started_at": self.started_at,
            "elapsed": self.elapsed,
            "history": self.history,
            "sums": self.learner.sums,
            "config": self.config.to_json(),
        }
        torch.save(state, self.checkpoint + ".part")
        os.replace(self.checkpoint + ".part", self.checkpoint)
        torch.save(self.learner.averaged_state(), os.path.join(self.options.out, "averaged.pt"))

    def _start(self):
        """Goes on from weights alone: the optimiser and the averages begin anew."""
        o = self.options
        if o.start.endswith(".safetensors"):
            state = load(o.start).state_dict()
        else:
            state = torch.load(o.start, map_location=o.device, weights_only=True)
        self.learner.model.load_state_dict(state)
        for mine, p in zip(self.learner.averages, self.learner.parameters):
            mine.copy_(p.detach())
        self.step, self.elapsed = int(o.start_progress * o.steps), o.start_progress * o.seconds
        self.started_at = self.step

    def _load(self):
        state = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        self.learner.load_state_dict(state["learner"])
        self.learner.sums.copy_(state["sums"])
        self.step, self.elapsed, self.history = state["step"], state["elapsed"], state["history"]
        self.started_at = state["started_at"]
        print(f"resumed at step {self.step}", flush=True)
