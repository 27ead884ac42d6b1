"""Weights by learned uncertainty."""

import torch
from torch import Tensor, nn

from recbench.losses.balance import BALANCES, Balance, Info, Points


@BALANCES.add("uncertainty")
class Uncertainty(Balance):
    """Learned noise of each term: the sum of L_t / (2 exp(s_t)) + s_t / 2, lowest where s_t = log L_t.

    Kendall et al., CVPR 2018, https://arxiv.org/abs/1705.07115, with s = log sigma^2, which starts at
    `start` (-0.5 as in LibMTL). Without the 2 in the denominator, as there for classification, it is the same function
    of s - log 2.
    """

    def __init__(self, info: Info, *, start: float = -0.5) -> None:
        super().__init__(info)
        self.log_variance = nn.Parameter(torch.full((info.tasks,), start))

    def forward(self, terms: Tensor, points: Points) -> Tensor:
        """Return the sum of the scaled terms and of what keeps the scales from vanishing."""
        return ((terms * (-self.log_variance).exp() + self.log_variance) / 2).sum()
