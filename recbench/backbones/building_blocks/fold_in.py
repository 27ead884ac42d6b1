"""Vectors of users without training rows, made of the items that are known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recbench.backbones.building_blocks.least_squares import solve_rows
from recbench.data.dataset import Log, Positives
from recbench.data.history import Histories
from recbench.errors import UsageError

Rule = Literal["least-squares", "mean"]
STEPS = 20  # of conjugate gradients
WORDS = {"least-squares": "least squares against item vectors", "mean": "mean of item vectors"}


def distinct_items(log: Log, users: int, items: int, seen: int) -> Histories:
    """Return the distinct items with some feedback that each user had in these rows, but those unseen in training."""
    counts = (log.label.amax(1) > 0) & (log.item < seen)
    pairs = Positives.from_pairs(log.user[counts], log.item[counts], users, items)
    return Histories(pairs.item, pairs.start[:-1], pairs.start[1:])


def items_of(histories: Histories, user: Tensor) -> tuple[Tensor, Tensor]:
    """Return the items [P] of users [B], one user after the other, and where each one's begin, [B + 1]."""
    begin = histories.start[user]
    count = histories.end[user] - begin
    start = torch.cat([count.new_zeros(1), count.cumsum(0)])
    total = int(start[-1])
    shift = torch.repeat_interleave(begin - start[:-1], count, output_size=total)
    return histories.item[shift + torch.arange(total, device=shift.device)], start


@dataclass(frozen=True)
class FoldIn:
    """How vectors are made of known items.

    `mean` is that of their vectors. `least-squares` makes the inner products 1 for the known items, which weigh
    `weight`, and 0 for all others, which weigh 1: the half step of Hu et al., ICDM 2008,
    https://doi.org/10.1109/ICDM.2008.22. Squares of the vector weigh `l2` times the mean eigenvalue of the Gram matrix
    of all items, so that it means the same whatever their length is; the larger it is, the nearer is the mean.
    """

    rule: Rule = "least-squares"
    weight: float = 10.0
    l2: float = 10.0

    def __post_init__(self) -> None:
        if self.rule == "mean" and (self.weight, self.l2) != (FoldIn.weight, FoldIn.l2):
            raise UsageError(
                "backbone.fold_in=mean: a mean has no weight and no ridge; leave out fold_in_weight and fold_in_l2"
            )


def folded_in(how: FoldIn, known: Histories, user: Tensor, item: Tensor) -> Tensor:
    """Return the vectors [B, K, D] of users [B], of each tower by its vectors of all items [I, K, D].

    Users of whom nothing is known get 0.
    """
    had, start = items_of(known, user)
    count = start.diff()
    solved = []
    for vectors in item.unbind(1):
        if how.rule == "mean":
            row = torch.repeat_interleave(torch.arange(len(user), device=user.device), count)
            total = vectors.new_zeros(len(user), vectors.shape[1]).index_add_(0, row, vectors[had])
            solved.append(total / count.clamp(min=1)[:, None])
        else:
            nothing = vectors.new_zeros(len(user), vectors.shape[1])
            l2 = (how.l2 * vectors.square().sum() / vectors.shape[1]).expand(len(user))
            solved.append(solve_rows(Positives(start, had), vectors, nothing, how.weight, l2, STEPS))
    return torch.stack(solved, 1)
