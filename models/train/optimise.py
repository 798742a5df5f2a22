"""What every model here is trained with: AdamW, a warm-up and a cosine, clipped gradients, averaged weights."""

import copy
import math

import torch
from torch import nn


class Optimiser:
    """One `step(loss)` after another, `total` in all; `averaged` is the model to keep.

    The average is exponential: `average` is how much of it a step leaves, less in the first steps, where the weights
    are still far from where they will be.
    """

    def __init__(self, model, total, *, lr=2e-3, weight_decay=1e-2, warmup=200, average=0.999, clip=1.0):
        self.model, self.averaged = model, copy.deepcopy(model)
        self.total, self.lr, self.warmup, self.average, self.clip = total, lr, warmup, average, clip
        self.adam = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=weight_decay)
        self.steps = 0

    def step(self, loss):
        for group in self.adam.param_groups:
            progress = max(0.0, self.steps - self.warmup) / max(1, self.total - self.warmup)
            warm = min(1.0, (self.steps + 1) / self.warmup)
            group["lr"] = self.lr * warm * (0.5 + 0.5 * math.cos(math.pi * progress))
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.adam.step()
        self.steps += 1
        keep = min(self.average, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for kept, new in zip(self.averaged.parameters(), self.model.parameters()):
                kept.lerp_(new, 1 - keep)

    def state_dict(self):
        """Everything that going on later needs."""
        return {"model": self.model.state_dict(), "averaged": self.averaged.state_dict(), "step": self.steps,
                "optimiser": self.adam.state_dict()}

    def load_state_dict(self, saved):
        self.model.load_state_dict(saved["model"])
        self.averaged.load_state_dict(saved["averaged"])
        self.adam.load_state_dict(saved["optimiser"])
        self.steps = saved["step"]


def detach(state):
    """The state of an LSTM (a pair), GRU or RNN, cut from what made it; None stays None."""
    if state is None:
        return None
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
