"""What the ordinal regressions share: thresholds, scores and the probability of each level."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.base import Loss
from recbench.losses.building_blocks.head import Logit
from recbench.numerics import log1mexp
from recbench.samplers import Sampler
from recbench.settings import Positive


class OrdinalLoss(Loss):
    """Ordinal regression of the level: P(level >= c) = sigmoid(z_c), z_c being a score less the threshold a_c.

    a_c = log((1 - pi_c) / pi_c) comes from train rates (GNOLR, KDD 2025, section 3.4). The score of level c is the sum
    of the logits up to c where `nested`, else the logit of tower c, or of the only tower. Where z_c - z_{c+1} falls
    below `floor` it is held there, so that the probability of level c stays positive.
    """

    multitask = True
    cosine = True
    logit = Logit("learned", scale=2.0)
    nested: ClassVar[bool] = True
    indivisible = "has one likelihood of the level for all kinds of feedback"
    threshold: Tensor  # [T], computed from train rates

    def __init__(
        self, info: Info, towers: int | None = None, sampler: Sampler | None = None, *, floor: Positive = 1e-4
    ) -> None:
        super().__init__(info, sampler, towers)
        if constant := [name for name, rate in zip(info.feedback, info.rates, strict=True) if not 0 < rate < 1]:
            usable = [name for name in info.feedback if name not in constant]
            remedy = f"leave it out with --feedback {','.join(usable)}" if usable else "use bpr or croloss"
            raise UsageError(
                f"{self.name} needs train rows with and without each feedback, and {', '.join(constant)} is the same "
                f"on all of them; {remedy}"
            )
        self.floor = floor
        self.learned = False  # whether the thresholds move
        rate = torch.tensor(info.rates, dtype=torch.float64)
        self.register_buffer("threshold", (torch.log1p(-rate) - rate.log()).float(), persistent=False)

    def prepare(self, backbone: Backbone) -> None:
        """Note where the scale exceeds the gap between two thresholds."""
        if self.nested and not self.learned:
            self._note_gaps()

    def _note_gaps(self) -> None:
        for c, gap in enumerate(self.threshold.diff().tolist()):
            scale = self.head.log_scale[c + 1].exp().item()
            if scale > gap:
                higher, lower = self.info.feedback[c + 1], self.info.feedback[c]
                self.notes.append(
                    f"{self.name}: scale {scale:.3g} exceeds the gap {gap:.3g} between the thresholds of {lower} and "
                    f"{higher}; rows whose {higher} cosine is above {gap / scale:.2f} are held at the floor"
                )

    def thresholds(self) -> Tensor:
        """Return the thresholds in use, [T]."""
        return self.threshold

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of the levels."""
        log_above, log_exact = self.log_levels(self.score(towers.logit))
        likelihood = torch.cat([log_exact, log_above[..., -1:]], -1)
        return -mean_at_level(likelihood, batch)

    def log_levels(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return log P(level >= c) for c = 1..T and log P(level = c) for c = 0..T-1, each [B, N, T]."""
        log_above, log_below = logsigmoid(z), logsigmoid(-z)
        gap = (z[..., :-1] - z[..., 1:]).clamp(min=self.floor)
        log_between = log_above[..., :-1] + log_below[..., 1:] + log1mexp(gap)
        return log_above, torch.cat([log_below[..., :1], log_between], -1)

    def score(self, logit: Tensor) -> Tensor:
        """Return the log-odds of reaching each level; linear, so one index serves all feedback."""
        return (logit.cumsum(-1) if self.nested else logit) - self.thresholds()

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return log P(level >= c)."""
        return logsigmoid(self.score(logit))


def mean_at_level(likelihood: Tensor, batch: Batch) -> Tensor:
    """Return the mean over rows of the column of their level, from one column per level [B, N, T + 1]."""
    return batch.mean(likelihood.gather(-1, batch.level.unsqueeze(-1)).squeeze(-1))
