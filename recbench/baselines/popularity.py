"""Popularity."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, Fitted, Inner
from recbench.data.dataset import Positives


@BASELINES.add("popularity")
class Popularity(Baseline):
    """Number of users of whom an item is a training positive, the same list for everyone."""

    def fit(self, train: Positives, items: int, seed: int) -> Fitted:
        """Count."""
        return _Counts(torch.bincount(train.item, minlength=items).float())

    def memory(self, users: int, items: int, pairs: int) -> int:
        """Return about how many bytes it takes."""
        return 16 * (users + items + pairs)


class _Counts(Fitted):
    def __init__(self, count: Tensor) -> None:
        self.count = count  # [items]

    @property
    def parameters(self) -> int:
        return len(self.count)

    def scores(self, known: Positives) -> Inner:
        return Inner(torch.ones(len(known.start) - 1, 1), self.count[:, None])
