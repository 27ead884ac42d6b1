"""CROLoss: a customisable ranking loss for retrieval."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Logit, Loss
from recbench.losses.building_blocks.rank import Gaps, Kernel, Normalise, PowerWeight, log_rank, mean_over_positives
from recbench.samplers import Sampler, Shared
from recbench.settings import at_least


@LOSSES.add("croloss")
class CROLoss(Loss):
    """Estimates the rank of each positive by a kernel of score differences and weighs ranks by x^-alpha.

    Tang et al., CIKM 2022, equations 10-16 and 24, https://arxiv.org/abs/2208.02971; `loss.scale` is the paper's tau.
    The larger alpha >= 0, the more the first ranks matter. exp with alpha 1 is sampled softmax, hinge with alpha 0
    the triplet loss, softplus with alpha 0 BPR. `normalise` is of constants alone (see PowerWeight).
    """

    cosine: ClassVar[bool] = True
    logit: ClassVar[Logit] = Logit("fixed", scale=10.0)

    def __init__(
        self,
        info: Info,
        *,
        kernel: Kernel = "softplus",
        alpha: float = 1.0,
        margin: float = 5.0,
        negatives: int = 10,
        normalise: Normalise = "paper",
    ) -> None:
        super().__init__(info)
        for name, value, least in (("alpha", alpha, 0.0), ("margin", margin, 0.0), ("negatives", negatives, 1)):
            at_least(f"loss.{name}", value, least)
        self.kernel: Kernel = kernel
        self.margin = margin
        self.weight = PowerWeight(alpha, info.items, normalise)
        self.sampler: Sampler = Shared(negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of W_alpha(rank), the integral of the weights of ranks 1 to the rank."""
        return mean_over_positives(self._cost, towers, batch)

    def _cost(self, gaps: Gaps) -> Tensor:
        rank = log_rank(self.kernel, gaps, self.margin) + self.weight.log_scale(gaps)
        return self.weight.area(rank) * self.weight.unit
