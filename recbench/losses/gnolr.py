"""Generalised neural ordinal logistic regression."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Logit, Loss
from recbench.numerics import log1mexp


@LOSSES.add("gnolr")
class GNOLR(Loss):
    """Ordinal regression on nested embeddings: P(level >= c) = sigmoid(sum over j <= c of scale * cos_j - a_c).

    GNOLR (KDD 2025), sections 3.1-3.4, summed over its T subtasks; `loss.scale` is the paper's gamma and
    a_c = log((1 - pi_c) / pi_c) comes from train rates. With one feedback it is BCE on `scale * cos - a`.
    Where z_c - z_{c+1} falls below `floor` (scale above the gap between thresholds) it is held there, so that
    the probability of level c stays positive; the released code yields NaN instead.
    """

    multitask: ClassVar[bool] = True
    cosine: ClassVar[bool] = True
    logit: ClassVar[Logit] = Logit("fixed", scale=2.0)

    def __init__(self, info: Info, *, floor: float = 1e-4) -> None:
        super().__init__(info)
        if not all(0 < rate < 1 for rate in info.rates):
            raise UsageError(
                f"gnolr needs rows with and without {', '.join(info.feedback)} in train; use bpr or croloss"
            )
        self.floor = floor
        self.threshold: Tensor
        rate = torch.tensor(info.rates, dtype=torch.float64)
        self.register_buffer("threshold", (torch.log1p(-rate) - rate.log()).float(), persistent=False)  # [T]

    def prepare(self, backbone: Backbone, lr: float) -> Optimizer:
        """Note where the scale exceeds the gap between two thresholds, then optimise as usual."""
        for c, gap in enumerate(self.threshold.diff().tolist()):
            scale = self.head.log_scale[c + 1].exp().item()
            if scale > gap:
                higher, lower = self.info.feedback[c + 1], self.info.feedback[c]
                self.notes.append(
                    f"gnolr: scale {scale:.3g} exceeds the gap {gap:.3g} between the thresholds of {lower} and "
                    f"{higher}; rows whose {higher} cosine is above {gap / scale:.2f} are held at the floor"
                )
        return super().prepare(backbone, lr)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of the levels, summed over the T nested subtasks."""
        z = self.score(towers.logit)  # [B, N, T], log-odds of P(level >= c)
        log_above, log_below = logsigmoid(z), logsigmoid(-z)
        gap = (z[..., :-1] - z[..., 1:]).clamp(min=self.floor)
        log_exact = log_above[..., :-1] + log_below[..., 1:] + log1mexp(gap)  # log P(level = c), c = 1..T-1

        level, tasks = batch.level, z.shape[-1]
        zero = torch.zeros_like(z[..., :1])
        reached = torch.cat([zero, log_above.cumsum(-1)], -1)  # sum of log P(level >= c) over c <= level
        stopped = torch.cat([tasks * log_below[..., :1], _times_rest(log_exact), zero], -1)
        likelihood = reached + stopped  # [B, N, T + 1], one column per level
        return -batch.mean(likelihood.gather(-1, level.unsqueeze(-1)).squeeze(-1))

    def score(self, logit: Tensor) -> Tensor:
        """Return the log-odds of reaching each level; linear, so one index serves all feedback."""
        return logit.cumsum(-1) - self.threshold

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return log P(level >= c)."""
        return logsigmoid(self.score(logit))


def _times_rest(log_exact: Tensor) -> Tensor:
    rest = torch.arange(log_exact.shape[-1], 0, -1, device=log_exact.device)
    return log_exact * rest
