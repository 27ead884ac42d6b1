"""Projecting conflicting gradients."""

import torch
from torch import Tensor

from recbench.losses.balance import BALANCES, Balance, Info, Points
from recbench.losses.balance.base import At
from recbench.losses.building_blocks.task_gradients import TaskGradients


@BALANCES.add("pcgrad")
class PCGrad(Balance):
    """Gradients without what conflicts: from that of each term, its part against the gradient of another is taken away.

    Yu et al., NeurIPS 2020, algorithm 1, https://arxiv.org/abs/2001.06782: where <g_i, g_j> < 0, g_i becomes
    g_i - <g_i, g_j> / |g_j|^2 g_j, for the other terms j in random order and with their gradients as they were; what is
    descended is the sum. Gradients are those at the shared parameters, where those of at least two terms are not 0;
    elsewhere they stay as they are. `at=vectors` takes them at the vectors of the batch, with one backward pass through
    the backbone instead of T; there, terms of towers of their own never conflict.
    """

    def __init__(self, info: Info, *, at: At = "parameters") -> None:
        super().__init__(info)
        self.at = at

    def forward(self, terms: Tensor, points: Points) -> Tensor:
        """Return the sum of the terms, with the projected gradient."""
        gradients = TaskGradients(terms, points.at(self.at))
        order = torch.rand(self.tasks, self.tasks, device=terms.device).argsort(1)
        weight = projected(gradients.gram(), order).sum(0)
        return gradients.objective(terms.sum(), weight, torch.ones_like(weight))


def projected(gram: Tensor, order: Tensor) -> Tensor:
    """Return C [T, T] such that sum_k C_ik g_k is the projection of g_i, from the inner products of all g [T, T].

    Row i of `order` [T, T] is the order of the gradients against which g_i is projected; its own is passed over.
    """
    tasks = len(gram)
    coefficient = torch.eye(tasks, dtype=gram.dtype, device=gram.device)
    row = torch.arange(tasks, device=gram.device)
    for other in order.unbind(1):
        inner = (coefficient @ gram).gather(1, other[:, None])
        length = gram.diagonal()[other, None]
        conflict = (inner < 0) & (length > 0) & (other != row)[:, None]
        part = torch.where(conflict, inner / torch.where(conflict, length, 1), 0)
        coefficient = coefficient.scatter_add(1, other[:, None], -part)
    return coefficient
