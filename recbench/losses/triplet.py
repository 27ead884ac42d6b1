"""Triplet loss over shared negatives."""

from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Logit, Loss, Towers
from recbench.losses.building_blocks.rank import Gaps, mean_over_positives
from recbench.samplers import Shared
from recbench.settings import Count, CountOrZero, NonNegative


@LOSSES.add("triplet")
class Triplet(Loss):
    """Hinge of every negative that comes within a margin of the positive, summed over a pool shared by the batch.

    Schroff et al., CVPR 2015, https://arxiv.org/abs/1503.03832, on scores and with the negatives of
    CROLoss (Tang et al., CIKM 2022, equation 2), of which it is hinge with alpha 0. `hardest` counts only so many of
    the highest-scored negatives of each positive (hard negative mining); 0 counts all.
    """

    needs = frozenset({"negatives"})
    cosine = True
    logit = Logit("fixed", scale=10.0)
    searched = ("margin=0.5..10",)

    def __init__(
        self, info: Info, *, margin: NonNegative = 5.0, hardest: CountOrZero = 0, negatives: Count = 10
    ) -> None:
        super().__init__(info, Shared(negatives=negatives))
        self.margin, self.hardest = margin, hardest

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of the sum of (negative's logit - positive's logit + margin)_+."""
        return mean_over_positives(self._cost, towers, batch)

    def _cost(self, gaps: Gaps) -> Tensor:
        gap = gaps.value
        if 0 < self.hardest < gap.shape[1]:
            gap = gap.topk(self.hardest, sorted=False).values
        return (gap + self.margin).relu().sum(1)
