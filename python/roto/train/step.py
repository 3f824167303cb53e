"""One optimisation step; on a GPU captured once for each shape and replayed."""

import torch
from torch import nn

from .unroll import Batch, Unroll

WEIGHT_DECAY = 0.05
CLIP_NORM = 1.0
EMA_DECAY = 0.999
BETAS = (0.9, 0.98)


class Learner:
    """The model, its auxiliary head, the optimiser and the averaged weights."""

    def __init__(self, model, device):
        self.model = model.to(device).train()
        self.device = torch.device(device)
        self.on_gpu = self.device.type == "cuda"
        self.coarse_head = CoarseHead(model.config.d_model).to(device)
        if self.on_gpu:
            self.model.to(memory_format=torch.channels_last)
        self.parameters = [*self.model.parameters(), *self.coarse_head.parameters()]
        self.averages = [p.detach().clone() for p in self.parameters]
        self.updates = torch.zeros((), device=device)
        self.rates = [torch.zeros((), device=device) for _ in range(3)]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": params, "lr": rate, "weight_decay": decay}
                for params, rate, decay in zip(
                    self._groups(), self.rates, (WEIGHT_DECAY, WEIGHT_DECAY, 0.0)
                )
            ],
            betas=BETAS,
            fused=self.on_gpu,
            capturable=self.on_gpu,
        )
        # Sums for the log: loss, IoU, objects in sight, gradient norm, steps skipped.
        self.sums = torch.zeros(5, device=device)
        self.graphs, self.pool = {}, None

    def _groups(self):
        """Trunk, other weights, other parameters (which do not decay)."""
        trunk, weights, rest = [], [], list(self.coarse_head.parameters())
        for name, p in self.model.named_parameters():
            if "image_encoder.trunk" in name:
                trunk.append(p)
            elif p.dim() > 1 and name.endswith(".weight") and "embed" not in name:
                weights.append(p)
            else:
                rest.append(p)
        return trunk, weights, rest

    def set_rate(self, rate, trunk_rate):
        for tensor, value in zip(self.rates, (trunk_rate, rate, rate)):
            tensor.fill_(value)

    def step(self, batch):
        if not self.on_gpu:
            self._compute(batch)
            return
        key = tuple(x.shape for x in batch.tensors())
        if key not in self.graphs:
            self.graphs[key] = self._capture(batch)
        graph, inputs = self.graphs[key]
        for static, value in zip(inputs.tensors(), batch.tensors()):
            static.copy_(value)
        graph.replay()

    def _capture(self, batch):
        inputs = Batch(*(x.clone(memory_format=torch.preserve_format) for x in batch.tensors()))
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # real steps: they also warm up what capture may not run
            for _ in range(2):
                self._compute(inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph, pool=self.pool):
            self._compute(inputs)
        self.pool = self.pool or graph.pool()
        return graph, inputs

    def drop_graphs(self):
        """Before shapes that will not come back."""
        self.graphs.clear()
        self.pool = None
        self.optimiser.zero_grad(set_to_none=True)
        if self.on_gpu:
            torch.cuda.empty_cache()

    def _compute(self, batch):
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_gpu):
            loss, iou, seen = Unroll(self.model, batch, self.coarse_head).run()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        bad = (~torch.isfinite(norm)).float()
        if self.on_gpu:
            self.optimiser.found_inf = bad  # a fused optimiser then leaves all as it is
            self.optimiser.step()
        elif not bad:
            self.optimiser.step()
        with torch.no_grad():
            self.updates += 1
            decay = ((1 + self.updates) / (10 + self.updates)).clamp(max=EMA_DECAY)
            # Not _foreach_lerp_: it reads its weight on the host, which a capture forbids.
            steps = torch._foreach_sub([p.detach() for p in self.parameters], self.averages)
            torch._foreach_mul_(steps, 1 - decay)
            torch._foreach_add_(self.averages, steps)
            row = torch.stack((loss.detach(), iou.detach(), seen, norm, bad))
            self.sums += row.nan_to_num(0.0, 0.0, 0.0)

    def averaged_state(self):
        """The model's state with averaged parameters."""
        state = {k: v.clone() for k, v in self.model.state_dict().items()}
        for (name, _), average in zip(self.model.named_parameters(), self.averages):
            state[name] = average.clone()
        return state

    def state_dict(self):
        return {
            "model": self.model.state_dict(),
            "coarse_head": self.coarse_head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averages": self.averages,
            "updates": self.updates,
        }

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])
        self.coarse_head.load_state_dict(state["coarse_head"])
        rates = [g["lr"] for g in self.optimiser.param_groups]
        self.optimiser.load_state_dict(state["optimiser"])
        for group, rate in zip(self.optimiser.param_groups, rates):
            group["lr"] = rate  # the tensors that set_rate writes to
        for mine, saved in zip(self.averages, state["averages"]):
            mine.copy_(saved)
        self.updates.copy_(state["updates"])


class CoarseHead(nn.Module):
    """Masks at stride 16 straight from the features that memory attention made: training only."""

    def __init__(self, d):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(d, d // 2, 1), nn.ReLU(), nn.Conv2d(d // 2, 1, 1))

    def forward(self, conditioned):
        return self.layers(conditioned)[:, 0]
