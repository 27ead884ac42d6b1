"""CROLoss by the lambda method: one kernel for the weight of a rank, another for its gradient."""

from typing import Annotated

import torch
from torch import Tensor

from recbench.losses import LOSSES, Info
from recbench.losses.building_blocks.rank import Gaps, Kernel, Normalise, WeightKernel, log_rank, tangent
from recbench.losses.croloss import CROLoss
from recbench.settings import Count, NonNegative, OnlyWith

Margin = Annotated[
    NonNegative,
    OnlyWith("weight_kernel=hinge or kernel=hinge", lambda given: "hinge" in (given["weight_kernel"], given["kernel"])),
]


@LOSSES.add("croloss-lambda")
class CROLossLambda(CROLoss):
    """CROLoss whose weight of each rank, by a kernel of its own and without gradient, multiplies the rank itself.

    Tang et al., CIKM 2022, section 3.6, equations 21-24, https://arxiv.org/abs/2208.02971: `weight_kernel` is the
    paper's phi 1 (step is the unit step of equation 6), `kernel` its phi 2, `loss.scale` its tau. The value is the mean
    over positives of w_alpha(rank by `weight_kernel`) times the rank by `kernel`.
    """

    def __init__(
        self,
        info: Info,
        *,
        weight_kernel: WeightKernel = "sigmoid",
        kernel: Kernel = "softplus",
        alpha: NonNegative = 1.0,
        margin: Margin = 5.0,
        negatives: Count = 10,
        normalise: Normalise = "paper",
    ) -> None:
        super().__init__(info, kernel=kernel, alpha=alpha, margin=margin, negatives=negatives, normalise=normalise)
        self.weight_kernel: WeightKernel = weight_kernel

    def _cost(self, gaps: Gaps) -> Tensor:
        scale = self.weight.log_scale(gaps)
        with torch.no_grad():
            weight = self.weight.log_density(log_rank(self.weight_kernel, gaps, self.margin) + scale)
        rank = log_rank(self.kernel, gaps, self.margin)
        if self.weight.normalise == "paper":  # the code multiplies by the rank among the negatives drawn
            rank = rank + scale
        return tangent(torch.exp, weight + rank) * self.weight.unit
