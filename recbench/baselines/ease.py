"""Embarrassingly shallow autoencoders."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size, sparse_matrix
from recbench.baselines.building_blocks.item_weights import DenseItemWeights
from recbench.data.dataset import Positives
from recbench.errors import UsageError
from recbench.settings import at_least

_ITEMS = 1024  # in a block of the Gram matrix
_LEAF = 1024  # rows of a matrix that is inverted at once


@BASELINES.add("ease")
class EASE(Baseline):
    """Linear regression of each item on all others, with a weight of `l2` on the squares, in closed form.

    With P the inverse of the items' Gram matrix plus l2 on its diagonal, the weight from i to j is -P_ij / P_jj, and
    0 from an item to itself. Steck, WWW 2019, https://arxiv.org/abs/1905.03375. The matrix is dense: `items` restricts
    it to so many of the most frequent items (0: all), below which the others are ranked. In float32.
    """

    needs = ("scipy",)
    saving = "take the most frequent items alone, as with --set ease.items=20000"
    search = {"l2": (10.0, 30.0, 80.0, 200.0, 500.0, 1000.0, 2000.0)}

    def __init__(self, *, l2: float = 200.0, items: int = 0) -> None:
        if l2 <= 0:
            raise UsageError(f"ease.l2={l2}: expected a number above 0")
        at_least("ease.items", items, 0)
        self.l2, self.items = l2, items

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Invert the Gram matrix."""
        count = torch.bincount(train.item, minlength=items)
        chosen = count.argsort(descending=True, stable=True)[: self.items or items].sort().values
        history = sparse_matrix(train, items, torch.ones(len(train.item)))[:, chosen.numpy()]
        by_item = history.T.tocsr()
        gram = torch.empty(len(chosen), len(chosen))
        for start in range(0, len(chosen), _ITEMS):
            block = (by_item[start : start + _ITEMS] @ history).toarray()
            gram[start : start + _ITEMS] = torch.from_numpy(block)
        gram.diagonal().add_(self.l2)
        invert(gram)
        gram.div_(-gram.diagonal().clone()).fill_diagonal_(0)
        return DenseItemWeights(gram, chosen, items)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes: the matrix, and half of that to invert it."""
        return 6 * min(self.items or size.items, size.items) ** 2 + 64 * size.pairs


def invert(matrix: Tensor) -> None:
    """Invert a symmetric positive definite matrix [n, n] in place, with work space for n^2 / 2 numbers."""
    torch.linalg.cholesky(matrix.mT, out=matrix.mT)  # transposed, as LAPACK has it, which would copy it otherwise
    _invert_lower(matrix.mT)
    _multiply_lower(matrix.mT)


def _invert_lower(matrix: Tensor) -> None:
    """Invert a lower triangular matrix in place, by halves."""
    if len(matrix) <= _LEAF:
        matrix.copy_(torch.linalg.solve_triangular(matrix, torch.eye(len(matrix)), upper=False))
        return
    half = len(matrix) // 2
    first, across, second = matrix[:half, :half], matrix[half:, :half], matrix[half:, half:]
    _invert_lower(first)
    _invert_lower(second)
    across.copy_(second @ (across @ first)).neg_()


def _multiply_lower(matrix: Tensor) -> None:
    """Put L'L in the place of a lower triangular matrix L, by halves."""
    if len(matrix) <= _LEAF:
        matrix.copy_(matrix.T @ matrix)
        return
    half = len(matrix) // 2
    first, across, second = matrix[:half, :half], matrix[half:, :half], matrix[half:, half:]
    _multiply_lower(first)
    first.addmm_(across.T, across)
    across.copy_(second.T @ across)
    _multiply_lower(second)
    matrix[:half, half:] = across.T
