"""CROLoss: a customisable ranking loss for retrieval."""

from typing import Annotated

from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Logit, Loss, Towers
from recbench.losses.building_blocks.rank import Gaps, Kernel, Normalise, PowerWeight, log_rank, mean_over_positives
from recbench.samplers import Shared
from recbench.settings import Count, NonNegative, OnlyWith

Margin = Annotated[NonNegative, OnlyWith("kernel=hinge", lambda given: given["kernel"] == "hinge")]


@LOSSES.add("croloss")
class CROLoss(Loss):
    """Integral of x^-alpha over the ranks x up to that of the positive, 1 + sum over negatives of kernel(s_uj - s_ui).

    Tang et al., CIKM 2022, equations 10-16 and 24, https://arxiv.org/abs/2208.02971; `loss.scale` is the paper's tau.
    The larger alpha >= 0, the more the first ranks matter. exp with alpha 1 is sampled softmax, hinge with alpha 0
    the triplet loss, softplus with alpha 0 BPR. `normalise` is of constants alone (see PowerWeight).
    """

    needs = frozenset({"negatives"})
    cosine = True
    logit = Logit("fixed", scale=10.0)
    searched = ("alpha=0.6..1.4",)

    def __init__(
        self,
        info: Info,
        *,
        kernel: Kernel = "softplus",
        alpha: NonNegative = 1.0,
        margin: Margin = 5.0,
        negatives: Count = 10,
        normalise: Normalise = "paper",
    ) -> None:
        super().__init__(info, Shared(negatives=negatives))
        self.kernel: Kernel = kernel
        self.margin = margin
        self.weight = PowerWeight(alpha, info.items, normalise)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        return mean_over_positives(self._cost, towers, batch)

    def _cost(self, gaps: Gaps) -> Tensor:
        rank = log_rank(self.kernel, gaps, self.margin) + self.weight.log_scale(gaps)
        return self.weight.area(rank) * self.weight.unit
