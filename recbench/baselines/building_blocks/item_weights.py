"""Scores that are sums of weights between an item and the items that are known of a user."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbench.baselines.base import FittedBaseline, sparse_matrix
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import BlockScores

_USERS = 4096  # in a block


class SparseItemWeights(FittedBaseline):
    """Weights between items, most of which are 0."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight  # scipy CSR [items, items]: row i holds what item i adds to the scores of others

    @property
    def parameters(self) -> int:
        """Number of weights that are not 0."""
        return int(self.weight.nnz)

    def scores(self, known: Positives) -> BlockScores:
        """Return the sums of the weights between what is known of the user and an item."""
        history = sparse_matrix(known, self.weight.shape[0], torch.ones(len(known.item), dtype=torch.double))

        def score(user: Tensor) -> Tensor:
            return torch.from_numpy((history[user.numpy()] @ self.weight).toarray())

        def pairs(user: Tensor, item: Tensor) -> Tensor:
            score = np.empty(len(user))
            distinct, position = np.unique(user.numpy(), return_inverse=True)
            order = position.argsort(kind="stable")
            for start in range(0, len(distinct), _USERS):
                first, last = np.searchsorted(position, (start, start + _USERS), sorter=order)
                row = order[first:last]
                sums = history[distinct[start : start + _USERS]] @ self.weight
                score[row] = np.asarray(sums[position[row] - start, item.numpy()[row]]).ravel()
            return torch.from_numpy(score)

        return BlockScores(score, self.weight.shape[0], pairs=pairs)


class DenseItemWeights(FittedBaseline):
    """Weights between all of the `chosen` items; other items come last, below the lowest score of the user."""

    def __init__(self, weight: Tensor, chosen: Tensor, items: int) -> None:
        self.weight = weight  # [chosen, chosen] float32
        self.chosen = chosen  # [chosen] int64, ascending
        self.items = items

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.weight.numel()

    def scores(self, known: Positives) -> BlockScores:
        """Return the sums of the weights between what is known of the user and an item."""
        place = torch.full((self.items,), -1)
        place[self.chosen] = torch.arange(len(self.chosen))
        all_chosen = len(self.chosen) == self.items

        def score(user: Tensor) -> Tensor:
            counts = known.start[user + 1] - known.start[user]
            row = torch.repeat_interleave(torch.arange(len(user)), counts)
            offset = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
            item = place[known.item[known.start[user][row] + offset]]
            row, item = row[item >= 0], item[item >= 0]
            starts = torch.bincount(row, minlength=len(user)).cumsum(0).roll(1)
            starts[:1] = 0
            score = torch.nn.functional.embedding_bag(item, self.weight, starts, mode="sum")
            if all_chosen:
                return score
            spread = (score.amin(1, keepdim=True) - 1).expand(-1, self.items).clone()
            spread[:, self.chosen] = score
            return spread

        return BlockScores(score, self.items)
