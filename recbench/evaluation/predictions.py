"""What a model says of the rows of a log and of the whole catalogue; higher = better everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS = 65536  # in a block of inner products
_SCORES = 1 << 21  # in a block of users × items


@dataclass(frozen=True)
class InnerProductScores:
    """Scores of all users and items that are inner products of their vectors."""

    user: Tensor  # [users, D], all users of the dataset
    item: Tensor  # [items, D]

    def rows(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the scores [R] of the pairs user [R], item [R]."""
        blocks = zip(user.long().split(_ROWS), item.long().split(_ROWS), strict=True)
        return torch.cat([(self.user[u] * self.item[i]).sum(-1) for u, i in blocks])


@dataclass(frozen=True)
class TowerVectors:
    """Vectors of K towers whose inner products, weighed for each kind of feedback, rank as its scores do."""

    user: Tensor  # [users, K, D]
    item: Tensor  # [items, K, D]
    weight: Tensor  # [T, K]

    def catalogue(self, column: int) -> InnerProductScores:
        """Return the scores of one feedback: vectors [users, K * D], [items, K * D]."""
        return InnerProductScores((self.user * self.weight[column, :, None]).flatten(1), self.item.flatten(1))


@dataclass(frozen=True)
class BlockScores:
    """Scores of all users and items that are not inner products, computed for a block of users at a time."""

    score: Callable[[Tensor], Tensor]  # users [u] int64 on the CPU -> scores [u, items] on any device
    items: int
    towers: InnerProductScores | None = None  # side by side, where the score is a function of several inner products
    pairs: Callable[[Tensor, Tensor], Tensor] | None = None  # user, item [R] -> [R], if cheaper than whole blocks

    def rows(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the scores [R] of the pairs user [R], item [R], on the CPU."""
        if self.pairs is not None:
            return self.pairs(user, item)
        if not len(user):
            return torch.empty(0)
        distinct, position = user.long().cpu().unique(return_inverse=True)
        order = position.argsort(stable=True)
        size = max(1, _SCORES // self.items)
        sizes = torch.bincount(torch.div(position, size, rounding_mode="floor")).tolist()
        parts = []
        for block, rows in zip(distinct.split(size), order.split(sizes), strict=True):
            parts.append(self.score(block).cpu()[position[rows] % size, item.long().cpu()[rows]])
        score = torch.cat(parts)
        return torch.empty_like(score).index_copy_(0, order, score)


CatalogueScores = InnerProductScores | BlockScores


@dataclass(frozen=True)
class Predictions:
    """Scores of the R rows of a log and of the catalogue, by T kinds of feedback."""

    score: Tensor  # [R, T]
    catalogue: Callable[[int], CatalogueScores]  # feedback 0..T-1 -> scores of all users and items
    log_probability: Tensor | None = None  # [R, T], where the objective is probabilistic
    vectors: TowerVectors | None = None  # that `catalogue` is made of, where it is inner products of any feedback


def score_vectors(scores: CatalogueScores) -> InnerProductScores | None:
    """Return the vectors that enter the scores of one feedback, without towers of weight 0; None without any."""
    vectors = scores if isinstance(scores, InnerProductScores) else scores.towers
    if vectors is None:
        return None
    used = (vectors.user != 0).any(0)
    return vectors if used.all() else InnerProductScores(vectors.user[:, used], vectors.item[:, used])
