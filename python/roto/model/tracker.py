"""Streaming: objects that were prompted once are carried from frame to frame."""

import torch

from .segmenter import Memory


class Tracker:
    """Tracks a batch of objects that are all prompted on the same frames.

    Memory is constant: prompted frames (the first and the latest others, num_prompted in all),
    every `memory_temporal_stride`-th frame and the last one, and the latest pointers.
    """

    def __init__(self, segmenter, num_prompted=1):
        self.model = segmenter
        self.num_prompted = num_prompted
        self.prompted, self.recent = {}, {}
        self.time = -1

    @torch.no_grad()
    def step(self, image, points=None, labels=None, mask=None):
        """image [1, 3, h, w], normalised. Prompts are as in Segmenter.decode (points in pixels of
        this image) and accept_mask. Returns the Output of this frame."""
        model = self.model
        self.time += 1
        features = model.encode_image(image)
        prompted = points is not None or mask is not None
        if mask is not None:
            out = model.accept_mask(features, mask)
        elif prompted or self.prompted:
            out = model.decode(features, self._condition(features, points), points, labels)
        else:
            raise ValueError("nothing was prompted yet")
        self._remember(features, out, prompted, mask)
        return out

    def _condition(self, features, points):
        model = self.model
        if not self.prompted:
            return model.without_memory(features.s16).repeat_interleave(points.shape[0], dim=0)
        spatial, pointers, ages = [], [], []
        for memory in self.prompted.values():
            spatial.append(model.spatial_memory(memory.features, model.config.num_maskmem))
            pointers.append(memory.pointer)
            ages.append(self.time - memory.time)
        for rank, time in self._recent_times():
            if time in self.recent:
                spatial.append(model.spatial_memory(self.recent[time].features, rank))
        for age in range(1, model.config.max_obj_ptrs):
            if self.time - age in self.recent:
                pointers.append(self.recent[self.time - age].pointer)
                ages.append(age)
        ages = torch.tensor(ages, dtype=torch.float32, device=features.s16.device)
        pointers = model.pointer_memory(torch.stack(pointers, dim=1), ages)
        return model.recall(features.s16, spatial, [pointers])

    def _recent_times(self):
        """(rank, time), oldest first: the last frame has rank 1; ranks 2 and up are the last frames
        before it whose time is a multiple of the stride."""
        stride = self.model.config.memory_temporal_stride
        aligned = (self.time - 2) // stride * stride
        for rank in range(self.model.config.num_maskmem - 1, 0, -1):
            yield rank, self.time - 1 if rank == 1 else aligned - (rank - 2) * stride

    def _remember(self, features, out, prompted, mask):
        model = self.model
        encoded = model.encode_memory(features.s16, out.logits, out.score, prompted, mask)
        memory = Memory(self.time, encoded, out.pointer)
        if prompted:
            self.prompted[self.time] = memory
            if len(self.prompted) > self.num_prompted:
                del self.prompted[sorted(self.prompted)[1 if self.num_prompted > 1 else 0]]
        else:
            self.recent[self.time] = memory
        keep = max(
            model.config.max_obj_ptrs,
            model.config.memory_temporal_stride * model.config.num_maskmem,
        )
        self.recent.pop(self.time - keep, None)
