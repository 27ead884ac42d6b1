"""Losses that leave out a growing share of what fits worst."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.batch import Batch
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.base import Loss
from recbench.samplers import Sampler, Triplets
from recbench.settings import at_least


class Truncated(Loss):
    """Base of the truncated losses: counts steps, from which follows the share that is left out."""

    steps: Tensor

    def __init__(self, info: Info, drop: float, gradual: int, negatives: int) -> None:
        super().__init__(info)
        if not 0 <= drop < 1:
            raise UsageError(f"loss.drop={drop}: expected a number in [0, 1)")
        at_least("loss.gradual", gradual, 1)
        at_least("loss.negatives", negatives, 1)
        self.drop, self.gradual = drop, gradual
        self.sampler: Sampler = Triplets(negatives)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def share(self) -> Tensor:
        """Return the share that this step leaves out: linear from 0 at the first step to `drop` at step `gradual`."""
        return self.drop * (self.steps.double() / max(self.gradual - 1, 1)).clamp(max=1)

    def kept(self, value: Tensor, suspect: Tensor, counts: Tensor, of: Tensor) -> Tensor:
        """Return which of the entries that count stay; all arguments but `of` have one shape.

        Of `of` entries, floor((1 - share) * of) stay: those with the largest values among the suspects go, and
        nothing else does.
        """
        gone = of - ((1 - self.share()) * of).floor()
        key = value.detach().float().masked_fill(~suspect, -torch.inf).flatten()
        rank = key.argsort(descending=True).argsort().view_as(suspect)
        return counts & ~(suspect & (rank < gone))

    def step(self, backbone: Backbone, batch: Batch, optimizer: Optimizer) -> Tensor:
        """Make one update and count it."""
        loss = super().step(backbone, batch, optimizer)
        self.steps += 1
        return loss
