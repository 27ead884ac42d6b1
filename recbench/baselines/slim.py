"""Sparse linear methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size, sparse_matrix
from recbench.baselines.building_blocks.item_weights import SparseItemWeights
from recbench.baselines.building_blocks.neighbours import PER_NEIGHBOUR, degree_weighted, nearest_columns
from recbench.data.dataset import Positives
from recbench.settings import at_least

_BLOCK = 1 << 25  # numbers in the Gram matrices of a block of items
_SWEEPS = 100  # over the weights of an item, at most
_TOLERANCE = 1e-4  # largest change of a weight in the last sweep


@BASELINES.add("slim")
class SLIM(Baseline):
    """Linear regression of each item on its `k` most similar ones, weights at least 0, as an elastic net.

    Half of the squared errors, plus `l1` times the sum of the weights, plus half of `l2` times that of their squares,
    is minimised by coordinate descent. Ning and Karypis, ICDM 2011, https://doi.org/10.1109/ICDM.2011.134, with their
    selection of items by cosine (fsSLIM). A user without positives scores 0 everywhere.
    """

    needs = ("implicit",)
    saving = "lower slim.k with --set"
    search = {
        "l2": (10.0, 30.0, 100.0, 300.0, 1000.0),
        "l1": (0.0, 1.0, 3.0, 10.0),
        "k": (50, 100, 200, 400),
    }

    def __init__(self, *, l1: float = 1.0, l2: float = 100.0, k: int = 200) -> None:
        at_least("slim.l1", l1, 0)
        at_least("slim.l2", l2, 0)
        at_least("slim.k", k, 1)
        self.l1, self.l2, self.k = l1, l2, k

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Solve for the weights of each item's neighbours, many items at once."""
        from scipy.sparse import csr_matrix

        neighbours = nearest_columns(degree_weighted(train, items, 0.0, 0.5), self.k)
        history = sparse_matrix(train, items, torch.ones(len(train.item)))
        gram = (history.T.tocsr() @ history).tocsr()
        weights = np.zeros(neighbours.nnz, np.float32)
        length = np.diff(neighbours.indptr)
        order = np.argsort(length, kind="stable")  # so that those of a block need little padding
        order = order[np.searchsorted(length, 1, sorter=order) :]
        while len(order):
            size = max(1, _BLOCK // int(length[order[: max(1, _BLOCK // length[order[0]] ** 2)]].max()) ** 2)
            block, order = order[:size], order[size:]
            position, inner, outer = _block(gram, neighbours, block)
            solved = elastic_net(inner, outer, self.l1, self.l2)
            weights[position.ravel()[position.ravel() >= 0]] = solved.numpy().ravel()[position.ravel() >= 0]
        onto = csr_matrix((weights.astype(np.float64), neighbours.indices, neighbours.indptr), neighbours.shape)
        onto.eliminate_zeros()
        return SparseItemWeights(onto.T.tocsr())

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes: the Gram matrix twice, the neighbours, a block."""
        neighbours = size.items * min(self.k + 1, size.items)
        return 2 * 8 * min(size.pairs_of_users, size.items**2) + PER_NEIGHBOUR * neighbours + 16 * _BLOCK


def _block(gram: Any, neighbours: Any, items: Any) -> tuple[Any, Tensor, Tensor]:
    """Return, for B items of at most K neighbours, their places [B, K], Gram matrices [B, K, K] and products [B, K].

    A place is -1, and its products are 0, where an item has fewer neighbours.
    """
    start, end = neighbours.indptr[items], neighbours.indptr[items + 1]
    width = int((end - start).max())
    position = start[:, None] + np.arange(width)
    position[position >= end[:, None]] = -1
    inner = torch.zeros(len(items), width, width)
    outer = torch.zeros(len(items), width)
    for row, (item, first, last) in enumerate(zip(items, start, end, strict=True)):
        chosen = neighbours.indices[first:last]
        inner[row, : last - first, : last - first] = torch.from_numpy(gram[chosen][:, chosen].toarray())
        outer[row, : last - first] = torch.from_numpy(gram[[item]][:, chosen].toarray()[0])
    return position, inner, outer


def elastic_net(inner: Tensor, outer: Tensor, l1: float, l2: float) -> Tensor:
    """Minimise w'Gw / 2 - g'w + l1 |w| + l2 |w|^2 / 2 over w >= 0 for B problems of K weights, by coordinate descent.

    `inner` are the matrices G [B, K, K], `outer` the vectors g [B, K]; returns w [B, K].
    """
    weight = torch.zeros_like(outer)
    residual = outer - l1  # g - Gw - l1
    diagonal = inner.diagonal(dim1=1, dim2=2)
    scale = torch.where(diagonal + l2 > 0, (diagonal + l2).reciprocal(), 0)
    for _ in range(_SWEEPS):
        largest = 0.0
        for column in range(outer.shape[1]):
            best = (residual[:, column] + diagonal[:, column] * weight[:, column]).mul_(scale[:, column]).clamp_(min=0)
            change = best - weight[:, column]
            weight[:, column] = best
            residual -= inner[:, column] * change[:, None]
            largest = max(largest, float(change.abs().max()))
        if largest < _TOLERANCE:
            break
    return weight
