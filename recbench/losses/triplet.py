"""Triplet loss over shared negatives."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Logit, Loss
from recbench.losses.building_blocks.rank import Gaps, mean_over_positives
from recbench.samplers import Sampler, Shared
from recbench.settings import at_least


@LOSSES.add("triplet")
class Triplet(Loss):
    """Hinge of every negative that comes within a margin of the positive, summed over a pool shared by the batch.

    Schroff et al., CVPR 2015, equation 3, https://arxiv.org/abs/1503.03832, on scores and with the negatives of
    CROLoss (Tang et al., CIKM 2022, equation 2), of which it is hinge with alpha 0. `hardest` counts only so many of
    the highest-scored negatives of each positive (hard negative mining); 0 counts all.
    """

    cosine: ClassVar[bool] = True
    logit: ClassVar[Logit] = Logit("fixed", scale=10.0)

    def __init__(self, info: Info, *, margin: float = 5.0, hardest: int = 0, negatives: int = 10) -> None:
        super().__init__(info)
        for name, value, least in (("margin", margin, 0.0), ("hardest", hardest, 0), ("negatives", negatives, 1)):
            at_least(f"loss.{name}", value, least)
        self.margin, self.hardest = margin, hardest
        self.sampler: Sampler = Shared(negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of the sum of (negative's logit - positive's logit + margin)_+."""
        return mean_over_positives(self._cost, towers, batch)

    def _cost(self, gaps: Gaps) -> Tensor:
        gap = gaps.value
        if 0 < self.hardest < gap.shape[1]:
            gap = gap.topk(self.hardest, sorted=False).values
        return (gap + self.margin).relu().sum(1)
