"""Nearest neighbours of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, Fitted, Scores, matrix
from recbench.data.dataset import Positives
from recbench.evaluation.evaluate import Blocks
from recbench.settings import at_least

_USERS = 4096  # in a block


@BASELINES.add("item-knn")
class ItemKNN(Baseline):
    """Sum of the cosines between an item and what the user has had, over the `k` neighbours of each of those.

    Deshpande and Karypis, TOIS 2004, https://doi.org/10.1145/963770.963776, without their normalisations of a
    neighbour's cosines and of users. The neighbours are found by the library implicit. A user without positives
    scores 0 everywhere.
    """

    needs = ("implicit",)
    size = "k"

    def __init__(self, *, k: int = 100) -> None:
        at_least("item-knn.k", k, 1)
        self.k = k

    def fit(self, train: Positives, items: int, seed: int) -> Fitted:
        """Find the neighbours of each item."""
        from implicit.nearest_neighbours import ItemItemRecommender

        count = torch.bincount(train.item, minlength=items).double()
        weighted = matrix(train, items, count[train.item].rsqrt())  # whose columns have length 1
        model = ItemItemRecommender(self.k + 1, torch.get_num_threads())  # one more: an item is its own neighbour
        model.fit(weighted, show_progress=False)
        similarity = model.similarity
        similarity.setdiag(0)
        similarity.eliminate_zeros()
        return _Neighbours(similarity)

    def memory(self, users: int, items: int, pairs: int) -> int:
        """Return about how many bytes it takes: the neighbours three times, in and between two formats."""
        return 3 * 16 * items * min(self.k + 1, items) + 32 * (pairs + users)


class _Neighbours(Fitted):
    def __init__(self, similarity: Any) -> None:
        self.similarity = similarity  # scipy CSR [items, items]: row i holds the neighbours of item i

    @property
    def parameters(self) -> int:
        return int(self.similarity.nnz)

    def scores(self, known: Positives) -> Scores:
        history = matrix(known, self.similarity.shape[0], torch.ones(len(known.item), dtype=torch.double))
        return _Sums(history, self.similarity)


@dataclass(frozen=True)
class _Sums(Scores):
    history: Any  # scipy CSR [users, items] of ones
    similarity: Any

    def rows(self, user: Tensor, item: Tensor) -> Tensor:
        score = np.empty(len(user))
        owner, place = np.unique(user.numpy(), return_inverse=True)
        order = place.argsort(kind="stable")
        for start in range(0, len(owner), _USERS):
            first, last = np.searchsorted(place, (start, start + _USERS), sorter=order)
            row = order[first:last]
            sums = self.history[owner[start : start + _USERS]] @ self.similarity
            score[row] = np.asarray(sums[place[row] - start, item.numpy()[row]]).ravel()
        return torch.from_numpy(score)

    def catalogue(self) -> Blocks:
        def block(user: Tensor) -> Tensor:
            return torch.from_numpy((self.history[user.numpy()] @ self.similarity).toarray())

        return Blocks(block, self.similarity.shape[0])
