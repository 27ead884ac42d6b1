"""Losses that leave out a growing share of what fits worst."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.data.dataset import Info
from recbench.losses.base import Loss
from recbench.samplers import Triplets


class TruncatedLoss(Loss):
    """Base of the truncated losses: counts steps, from which follows the share that is left out."""

    searched = ("drop=0.02..0.4",)
    steps: Tensor

    def __init__(self, info: Info, drop: float, gradual: int, negatives: int) -> None:
        super().__init__(info, Triplets(negatives))
        self.drop, self.gradual = drop, gradual
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def dropped_share(self) -> Tensor:
        """Return the share that this step leaves out: linear from 0 at the first step to `drop` at step `gradual`."""
        return self.drop * (self.steps.double() / max(self.gradual - 1, 1)).clamp(max=1)

    def remaining(self, loss: Tensor, droppable: Tensor, counts: Tensor, total: Tensor) -> Tensor:
        """Return which of the slots that count stay; all arguments but the number `total` have one shape.

        Of `total` slots, floor((1 - share) * total) stay: those with the largest losses among the droppable go, and
        nothing else does.
        """
        dropped = total - ((1 - self.dropped_share()) * total).floor()
        key = loss.detach().float().masked_fill(~droppable, -torch.inf).flatten()
        rank = key.argsort(descending=True).argsort().view_as(droppable)
        return counts & ~(droppable & (rank < dropped))

    def after_step(self, backbone: Backbone) -> None:
        """Count the step."""
        self.steps += 1
