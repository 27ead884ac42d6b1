"""Nearest neighbours of users."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size, sparse_matrix
from recbench.baselines.building_blocks.neighbours import PER_NEIGHBOUR, degree_weighted, nearest_columns
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import BlockScores
from recbench.settings import at_least

_ROWS = 256  # new users at a time, whose similarities with all users are a matrix


@BASELINES.add("user-knn")
class UserKNN(Baseline):
    """Sum of the similarities between a user and those of his `k` neighbours who have had the item.

    The similarity of u and v is the sum over the items i of both of n_i^-item_exponent, divided by
    ((n_u + shrink)(n_v + shrink))^user_exponent, where n counts positives. Sarwar et al., EC 2000,
    https://doi.org/10.1145/352871.352887. Users without training rows are nobody's neighbours; they have
    neighbours by what is known of them.
    """

    needs = ("implicit",)
    saving = "lower user-knn.k with --set"
    search = {
        "k": (25, 50, 100, 200, 400, 800),
        "item_exponent": (0.0, 0.25, 0.5, 0.75, 1.0),
        "user_exponent": (0.3, 0.4, 0.5, 0.6, 0.7),
        "shrink": (0.0, 5.0, 20.0, 80.0),
    }

    def __init__(
        self, *, k: int = 100, user_exponent: float = 0.5, item_exponent: float = 0.5, shrink: float = 0.0
    ) -> None:
        at_least("user-knn.k", k, 1)
        at_least("user-knn.user_exponent", user_exponent, 0)
        at_least("user-knn.item_exponent", item_exponent, 0)
        at_least("user-knn.shrink", shrink, 0)
        self.k, self.shrink = k, shrink
        self.user_exponent, self.item_exponent = user_exponent, item_exponent

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Find the neighbours of each user."""
        users = len(train.start) - 1
        by_item = Positives.from_pairs(train.item, train.user, items, users)
        weighted = degree_weighted(by_item, users, self.item_exponent, self.user_exponent, self.shrink)
        return SimilarUsers(self, nearest_columns(weighted, self.k), weighted, train)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes."""
        return PER_NEIGHBOUR * size.users * min(self.k + 1, size.users) + 32 * (size.pairs + size.items)


class SimilarUsers(FittedBaseline):
    """The similarities of each user and his neighbours, and what they have had."""

    def __init__(self, model: UserKNN, similarity: Any, weighted: Any, train: Positives) -> None:
        self.model = model
        self.similarity = similarity  # scipy CSR [users, users]
        self.weighted = weighted  # scipy CSR [items, users], whose product with itself are the similarities
        self.fitted = train.start.diff() > 0  # [users]
        items = weighted.shape[0]
        self.count = torch.bincount(train.item, minlength=items)
        self.history = sparse_matrix(train, items, torch.ones(len(train.item), dtype=torch.double))

    @property
    def parameters(self) -> int:
        """Number of similarities."""
        return int(self.similarity.nnz)

    def scores(self, known: Positives) -> BlockScores:
        """Return the sums of the similarities of the neighbours who have had an item."""
        similarity = self._with_new_users(known)

        def score(user: Tensor) -> Tensor:
            return torch.from_numpy((similarity[user.numpy()] @ self.history).toarray())

        return BlockScores(score, self.history.shape[1])

    def _with_new_users(self, known: Positives) -> Any:
        """Return the similarities, with those of users without training rows by what is known of them."""
        new = (known.start.diff() > 0) & ~self.fitted
        if not bool(new.any()):
            return self.similarity
        from scipy.sparse import csr_matrix

        model, kept = self.model, new[known.user] & (self.count[known.item] > 0)
        user, item = known.user[kept], known.item[kept]
        length = (known.start.diff()[user].double() + model.shrink).pow(-model.user_exponent)
        weight = self.count[item].double().pow(-model.item_exponent / 2) * length
        shape = self.history.shape
        rows = new.nonzero()[:, 0]
        signal = csr_matrix((weight.numpy(), (user.numpy(), item.numpy())), shape)[rows.numpy()]
        width = min(model.k, shape[0])
        value, column = (
            torch.empty(len(rows), width, dtype=torch.double),
            torch.empty(len(rows), width, dtype=torch.long),
        )
        for start in range(0, len(rows), _ROWS):
            products = torch.from_numpy((signal[start : start + _ROWS] @ self.weighted).toarray())
            torch.topk(products, width, out=(value[start : start + _ROWS], column[start : start + _ROWS]))
        places = rows.repeat_interleave(width).numpy(), column.flatten().numpy()
        nearest = csr_matrix((value.flatten().numpy(), places), (shape[0], shape[0]))
        nearest.eliminate_zeros()
        return self.similarity + nearest
