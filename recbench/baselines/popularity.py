"""Popularity."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import InnerProductScores


@BASELINES.add("popularity")
class Popularity(Baseline):
    """Number of users of whom an item is a training positive, the same list for everyone."""

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Count the users of each item."""
        return PositiveCounts(torch.bincount(train.item, minlength=items).float())

    def memory(self, users: int, items: int, pairs: int) -> int:
        """Return about how many bytes it takes."""
        return 16 * (users + items + pairs)


class PositiveCounts(FittedBaseline):
    """The number of users of each item."""

    def __init__(self, count: Tensor) -> None:
        self.count = count  # [items]

    @property
    def parameters(self) -> int:
        """Number of items."""
        return len(self.count)

    def scores(self, known: Positives) -> InnerProductScores:
        """Return the same counts for every user."""
        return InnerProductScores(torch.ones(len(known.start) - 1, 1), self.count[:, None])
