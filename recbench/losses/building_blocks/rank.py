"""Where each positive stands among its sampled negatives, and what a rank costs: the parts of CROLoss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers

Kernel = Literal["hinge", "sigmoid", "exp", "softplus"]
WeightKernel = Literal["hinge", "sigmoid", "exp", "softplus", "step"]
Normalise = Literal["paper", "code"]

BLOCK = 1 << 20  # logits at a time: small enough to stay in the caches and in memory that the allocator keeps
STEEPEST = 40.0  # beyond e^40 powers of the rank go on as their tangent, so that float32 and Adam's squares hold them


@dataclass(frozen=True)
class Gaps:
    """By how much the logit of each negative exceeds that of its user's positive."""

    value: Tensor  # [B, N], -inf on slots that are no negatives
    drawn: Tensor  # [B] number of negatives, at least 1


def mean_over_positives(cost: Callable[[Gaps], Tensor], towers: Towers, batch: Batch) -> Tensor:
    """Return the mean of `cost` [B] of the gaps over the users whose slate holds a positive; 0 if none does.

    The logits are those of the first tower. A slate has one positive; where there are more, one counts, and the
    others are no negatives either.
    """
    logit, label = towers.logit[..., 0], batch.label[..., 0]
    mask = torch.ones_like(label, dtype=torch.bool) if batch.mask is None else batch.mask
    size = max(1, BLOCK // logit.shape[1])
    costs, has_positive = [], []
    for own, reached, counts in zip(logit.split(size), label.split(size), mask.split(size), strict=True):
        positive = (reached > 0) & counts
        any_positive, slot = positive.max(1, keepdim=True)
        negative = counts & ~positive
        gap = (own - own.gather(1, slot)).masked_fill_(~negative, -torch.inf)
        costs.append(cost(Gaps(gap, negative.sum(1).clamp(min=1))))
        has_positive.append(any_positive[:, 0])
    counted = torch.cat(has_positive)
    return batch.mean(torch.cat(costs), counted).to(logit.dtype)


def log_rank(kernel: WeightKernel, gaps: Gaps, margin: float) -> Tensor:
    """Return log(1 + sum of kernel(gap) over the negatives), [B] in float64.

    Tang et al., CIKM 2022, equation 15 and section 4.1, https://arxiv.org/abs/2208.02971: hinge (x + margin)_+,
    sigmoid, exp, softplus, and the unit step of equation 6, which is 1 from 0 on and has no gradient.
    """
    gap = gaps.value
    if kernel == "exp":
        top = gap.detach().amax(1, keepdim=True).clamp(min=0)
        others = (gap - top).exp().sum(1).double()
        return (others + (-top[:, 0]).double().exp()).log() + top[:, 0]
    if kernel == "hinge":
        value = (gap + margin).relu()
    elif kernel == "sigmoid":
        value = gap.sigmoid()
    elif kernel == "softplus":
        value = softplus(gap)
    else:
        value = (gap >= 0).to(gap.dtype)
    return value.sum(1).double().log1p()


@dataclass(frozen=True)
class PowerWeight:
    """How much each rank x in [1, items + 1] matters: density x^-alpha / Z, which integrates to 1.

    Tang et al., CIKM 2022, equations 12 and 13, https://arxiv.org/abs/2208.02971, for alpha >= 0. `code` leaves out
    the constant factors that the authors' code leaves out: all is multiplied by log(items + 1), and the scale of a
    sampled rank (equation 24) is 1 for alpha 0 and 1. Values then differ from the code's by constants at most.
    """

    alpha: float
    items: int
    normalise: Normalise = "paper"

    @property
    def unit(self) -> float:
        """What costs are multiplied by."""
        return math.log(self.items + 1) if self.normalise == "code" else 1.0

    def log_scale(self, gaps: Gaps) -> Tensor | float:
        """Return the log [B] of items over negatives drawn, by which a rank among those is scaled (equation 24)."""
        if self.normalise == "code" and self.alpha in (0, 1):
            return 0.0
        return (self.items / gaps.drawn.double()).clamp(min=1).log()

    def area(self, log_rank: Tensor) -> Tensor:
        """Return the integral of the density from 1 to ranks [B] given by their logs."""
        whole, power = math.log(self.items + 1), 1 - self.alpha
        if power == 0:
            return log_rank / whole
        return tangent(torch.expm1, power * log_rank) / math.expm1(power * whole)

    def log_density(self, log_rank: Tensor) -> Tensor:
        """Return the log of the density at ranks [B] given by their logs."""
        whole, power = math.log(self.items + 1), 1 - self.alpha
        norm = whole if power == 0 else math.expm1(power * whole) / power
        return -self.alpha * log_rank - math.log(norm)


def tangent(power: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return exp or expm1, given as `power`, of x [B], continued as its tangent from x = 40 on."""
    return power(x.clamp(max=STEEPEST)) + math.exp(STEEPEST) * (x - STEEPEST).relu()
