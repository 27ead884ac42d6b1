"""Popularity."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size
from recbench.data.dataset import Positives
from recbench.errors import UsageError
from recbench.evaluation.predictions import InnerProductScores


@BASELINES.add("popularity")
class MostPopular(Baseline):
    """Number of users of whom an item is a training positive, the same list for everyone.

    `recent` is the share of the training rows, the last in time, in which positives count; Ji et al., SIGIR 2020,
    https://doi.org/10.1145/3397271.3401233, show what that is worth.
    """

    former = {"recent": 1.0}
    search = {"recent": (0.01, 0.03, 0.1, 0.3, 1.0)}

    def __init__(self, *, recent: float = 1.0) -> None:
        if not 0 < recent <= 1:
            raise UsageError(f"popularity.recent={recent}: expected a share of the training rows, above 0, at most 1")
        self.recent = recent

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Count the users of each item."""
        return PositiveCounts(torch.bincount(train.item, minlength=items).float())

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes."""
        return 16 * (size.users + size.items + size.pairs)

    def seconds(self, size: Size) -> float:
        """Return about how long fitting and scoring all users take on two cores."""
        return size.pairs / 1e7 + size.users * size.items / 3e8


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
