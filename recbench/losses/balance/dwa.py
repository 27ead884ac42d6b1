"""Dynamic weight average."""

import torch
from torch import Tensor

from recbench.losses.balance import BALANCES, Balance, Info, Points
from recbench.settings import Positive


@BALANCES.add("dwa")
class DynamicWeightAverage(Balance):
    """More weight for terms that fall more slowly: w_t = T softmax_t(r_t / temperature).

    Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704: r_t is the mean of the term in the epoch
    before, divided by that in the one before it. The weights add up to T, and are 1 in the first two epochs.
    """

    total: Tensor  # [T], of the terms of this epoch
    steps: Tensor
    last: Tensor  # [T], mean of the terms in the epoch before
    weight: Tensor  # [T], in this epoch

    def __init__(self, info: Info, *, temperature: Positive = 2.0) -> None:
        super().__init__(info)
        self.temperature = temperature
        self.register_buffer("total", torch.zeros(info.tasks))
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("last", torch.full((info.tasks,), torch.nan))
        self.register_buffer("weight", torch.ones(info.tasks))

    def start_epoch(self, epoch: int) -> None:
        """Weigh by the means of the two epochs before."""
        mean = self.total / self.steps  # NaN before the first epoch
        rate = mean / self.last
        weight = self.tasks * (rate / self.temperature).softmax(0)
        self.weight.copy_(torch.where(rate.isfinite().all(), weight, 1.0))
        self.last.copy_(mean)
        self.total.zero_()
        self.steps.zero_()

    def forward(self, terms: Tensor, points: Points) -> Tensor:
        """Return the weighted sum."""
        self.total += terms.detach()
        self.steps += 1
        return (self.weight * terms).sum()
