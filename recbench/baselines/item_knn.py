"""Nearest neighbours of items."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, sparse_matrix
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import BlockScores
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

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Find the neighbours of each item."""
        from implicit.nearest_neighbours import ItemItemRecommender

        count = torch.bincount(train.item, minlength=items).double()
        weighted = sparse_matrix(train, items, count[train.item].rsqrt())  # whose columns have length 1
        model = ItemItemRecommender(self.k + 1, torch.get_num_threads())  # one more: an item is its own neighbour
        model.fit(weighted, show_progress=False)
        similarity = model.similarity
        similarity.setdiag(0)
        similarity.eliminate_zeros()
        return Neighbours(similarity)

    def memory(self, users: int, items: int, pairs: int) -> int:
        """Return about how many bytes it takes: the neighbours three times, in and between two formats."""
        return 3 * 16 * items * min(self.k + 1, items) + 32 * (pairs + users)


class Neighbours(FittedBaseline):
    """The cosines of each item and its neighbours."""

    def __init__(self, similarity: Any) -> None:
        self.similarity = similarity  # scipy CSR [items, items]: row i holds the neighbours of item i

    @property
    def parameters(self) -> int:
        """Number of cosines."""
        return int(self.similarity.nnz)

    def scores(self, known: Positives) -> BlockScores:
        """Return the sums of the cosines between an item and what is known of the user."""
        history = sparse_matrix(known, self.similarity.shape[0], torch.ones(len(known.item), dtype=torch.double))

        def score(user: Tensor) -> Tensor:
            return torch.from_numpy((history[user.numpy()] @ self.similarity).toarray())

        def pairs(user: Tensor, item: Tensor) -> Tensor:
            score = np.empty(len(user))
            distinct, position = np.unique(user.numpy(), return_inverse=True)
            order = position.argsort(kind="stable")
            for start in range(0, len(distinct), _USERS):
                first, last = np.searchsorted(position, (start, start + _USERS), sorter=order)
                row = order[first:last]
                sums = history[distinct[start : start + _USERS]] @ self.similarity
                score[row] = np.asarray(sums[position[row] - start, item.numpy()[row]]).ravel()
            return torch.from_numpy(score)

        return BlockScores(score, self.similarity.shape[0], pairs=pairs)
