"""What the losses of several kinds of feedback share."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from recbench.data.dataset import Info
from recbench.losses.base import Loss
from recbench.losses.building_blocks.per_task import per_task
from recbench.numerics import log1mexp
from recbench.settings import Range

StepWeight = Literal["own", "first"]
AtLeastOne = Annotated[float, Range("at least 1", lambda number: number >= 1)]


class MultitaskLoss(Loss):
    """A loss with one tower per feedback, on cosines, whose positives may be weighted.

    Tower c stands for the c-th feedback or, in a `chain`, for the step to it from the one before, so that the c-th
    feedback has probability p_1 p_2 ... p_c. Towers beyond one per feedback only help in training.
    `pos_weight` is one number or one per feedback, from dense to sparse, as in GNOLR (KDD 2025), Table 12: "10,100".
    """

    multitask = True
    min_tasks = 2
    cosine = True
    searched: ClassVar[tuple[str, ...]] = ("pos_weight=1..20",)
    chain: ClassVar[bool] = False
    pos_weight: Tensor  # [T]

    def __init__(self, info: Info, towers: int | None = None, *, pos_weight: str = "1") -> None:
        super().__init__(info, towers=towers)
        self.register_buffer("pos_weight", per_task(pos_weight, info.tasks, "loss.pos_weight"), persistent=False)

    def base_rates(self) -> Tensor:
        """Return the share of train rows at each level or above; in a chain, among those at the level before."""
        rates = torch.tensor(self.info.rates)
        return torch.cat([rates[:1], rates[1:] / rates[:-1]]) if self.chain else rates

    def score(self, logit: Tensor) -> Tensor:
        """Return the logit of each feedback; in a chain, the log of the product of probabilities up to it."""
        own = logit[..., : self.info.tasks]
        return logsigmoid(own).cumsum(-1) if self.chain else own

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return log P(feedback)."""
        score = self.score(logit)
        return score if self.chain else logsigmoid(score)

    def entire_space(self, log_p: Tensor, label: Tensor) -> Tensor:
        """Return the weighted cross-entropies of probabilities given as logarithms, [B, N, T], with `label`."""
        return -(self.pos_weight * label * log_p + (1 - label) * log1mexp(-log_p))

    def step_entropies(self, logit: Tensor, label: Tensor, weight: StepWeight) -> Tensor:
        """Return the cross-entropies of logit and label of steps 2..T, both [B, N, T - 1].

        Positives weigh as those of their `own` feedback, or of the `first`, as GNOLR's code has it.
        """
        pos_weight = self.pos_weight[1:] if weight == "own" else self.pos_weight[:1]
        return binary_cross_entropy_with_logits(logit, label.to(logit), pos_weight=pos_weight, reduction="none")


def inverse_propensity(log_p: Tensor, observed: Tensor, largest: float) -> Tensor:
    """Return observed / P, at most `largest`, without gradient, from log P; all [B, N, T - 1]."""
    return (-log_p.detach()).clamp(max=math.log(largest)).exp() * observed
