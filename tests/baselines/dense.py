"""Scores of all pairs, and positives as dense matrices, for the tests of baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

from recbench.baselines.base import Baseline
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import InnerProductScores

Matrix = NDArray[np.float64]

EXAMPLE: Sequence[Sequence[int]] = ((1, 1, 0, 0), (1, 0, 1, 0), (0, 1, 1, 1), (1, 1, 1, 0), (1, 0, 0, 1))


def positives(matrix: Matrix | Sequence[Sequence[int]]) -> Positives:
    """Return the pairs [users, items] that are not 0."""
    array = torch.as_tensor(np.asarray(matrix))
    user, item = array.nonzero(as_tuple=True)
    return Positives.from_pairs(user, item, *array.shape)


def dense(pairs: Positives, items: int) -> Matrix:
    """Return the pairs as a matrix [users, items] of 0 and 1."""
    matrix = np.zeros((len(pairs.start) - 1, items))
    matrix[pairs.user, pairs.item] = 1
    return matrix


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Draw small matrices of 0 and 1, with rows and columns of zeros among them."""
    users, items = draw(st.integers(2, 9)), draw(st.integers(2, 8))
    rows = st.lists(st.integers(0, 1), min_size=items, max_size=items)
    return np.array(draw(st.lists(rows, min_size=users, max_size=users)), dtype=float)


def all_scores(
    baseline: Baseline, train: Positives, items: int, known: Positives | None = None, seed: int = 0
) -> Matrix:
    """Return the scores [users, items] of all pairs, having seen that rows and catalogue agree on them."""
    users = len(train.start) - 1
    scores = baseline.fit(train, items, seed).scores(train if known is None else known)
    user, item = torch.arange(users).repeat_interleave(items), torch.arange(items).repeat(users)
    shuffled = torch.randperm(users * items, generator=torch.Generator().manual_seed(0))
    rows = torch.empty(users * items, dtype=torch.double)
    rows[shuffled] = scores.rows(user[shuffled].int(), item[shuffled].int()).double()
    block = scores.user @ scores.item.T if isinstance(scores, InnerProductScores) else scores.score(torch.arange(users))
    assert torch.allclose(block.double(), rows.view(users, items), atol=1e-5, rtol=1e-4)
    return rows.view(users, items).numpy()


def top_of_rows(matrix: Matrix, k: int) -> Matrix | None:
    """Return the k largest numbers of each row, others as 0; None if a tie would decide."""
    kept = np.zeros_like(matrix)
    for row, numbers in enumerate(matrix):
        order = np.argsort(-numbers)
        if k < len(order) and numbers[order[k - 1]] > 0 and np.isclose(numbers[order[k - 1]], numbers[order[k]]):
            return None
        kept[row, order[:k]] = numbers[order[:k]]
    return kept


def inverse(numbers: Matrix) -> Matrix:
    """Return 1 / x, and 0 where x = 0."""
    return np.divide(1, numbers, out=np.zeros_like(numbers), where=numbers != 0)
