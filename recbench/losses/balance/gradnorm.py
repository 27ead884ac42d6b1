"""Gradient normalisation."""

import torch
from torch import Tensor, nn

from recbench.losses.balance import BALANCES, Balance, Info, Points
from recbench.losses.balance.base import At
from recbench.losses.building_blocks.task_gradients import TaskGradients
from recbench.settings import NonNegative


@BALANCES.add("gradnorm")
class GradNorm(Balance):
    """Weights that make the gradients of the terms equally large, and larger for terms that fall more slowly.

    Chen et al., ICML 2018, https://arxiv.org/abs/1711.02257. G_t is w_t times the norm of the gradient
    of term t at the shared parameters, where those of at least two terms are not 0; r_t is L_t over the first L_t above
    0, divided by its mean over t. The weights descend the sum of |G_t - mean(G) r_t^alpha|, whose target is held fixed,
    at the learning rate of the run; w = T softmax(theta) as in LibMTL, so that they add up to T. `at=vectors` takes the
    gradients at the vectors of the batch, with one backward pass through the backbone instead of T.
    """

    first: Tensor  # [T], the first values of the terms above 0; NaN where there was none

    def __init__(self, info: Info, *, alpha: NonNegative = 1.5, at: At = "parameters") -> None:
        super().__init__(info)
        self.alpha, self.at = alpha, at
        self.theta = nn.Parameter(torch.zeros(info.tasks))
        self.register_buffer("first", torch.full((info.tasks,), torch.nan))

    def forward(self, terms: Tensor, points: Points) -> Tensor:
        """Return the weighted sum; the objective of the weights adds its gradient, not its value."""
        gradients = TaskGradients(terms, points.at(self.at))
        weight = self.tasks * self.theta.softmax(0)
        of_weights = self.imbalance(weight * gradients.gram().diagonal().sqrt(), terms.detach())
        weight = weight.detach()
        return gradients.objective((weight * terms).sum(), weight, weight) + of_weights - of_weights.detach()

    def imbalance(self, norm: Tensor, terms: Tensor) -> Tensor:
        """Return what the weights descend, from the norms [T] of the weighted gradients and the terms [T]."""
        self.first.copy_(torch.where(self.first.isnan() & (terms > 0), terms, self.first))
        rate = torch.where(self.first.isnan(), 1, terms.clamp(min=0) / self.first)  # a term may have no row in a batch
        target = norm.mean() * (rate / rate.mean()).pow(self.alpha)
        return (norm - target.detach()).abs().sum()
