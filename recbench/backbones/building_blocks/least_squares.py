"""Regularised least squares for one side of a factorisation, all rows at once."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.data.dataset import Positives

_NUMBERS = 1 << 20  # factors of the positives of a block of rows: 4 MiB, near the caches


def solve_rows(pairs: Positives, other: Tensor, start: Tensor, alpha: float, l2: Tensor, steps: int) -> Tensor:
    """Return the factors [rows, D] of all rows, from `start` [rows, D] by so many steps of conjugate gradients.

    For each row x minimises the sum over the other side's factors y of w (p - xy)^2, plus l2 |x|^2, where p = 1 and
    w = alpha on the row's `pairs` [rows × others], and p = 0 and w = 1 elsewhere; l2 [rows]. Rows without pairs get 0.
    A pair with a weight r has w = 1 + (alpha - 1) r.
    Takács, Pilászy and Tikk, RecSys 2011, https://doi.org/10.1145/2043932.2043987.
    """
    common = other.T @ other
    count = pairs.start.diff()
    order = count.argsort(stable=True)  # so that the rows of a block need little padding
    order = order[int((count == 0).sum()) :]
    solved = torch.zeros_like(start)
    while len(order):
        size = max(1, _NUMBERS // (int(count[order[0]]) * other.shape[1]))
        size = max(1, _NUMBERS // (int(count[order[:size]].max()) * other.shape[1]))
        rows, order = order[:size], order[size:]
        column = torch.arange(int(count[rows].max()), device=count.device)
        there = column < count[rows, None]
        place = (pairs.start[rows, None] + column).clamp(max=len(pairs.item) - 1)
        vectors = other[pairs.item[place]] * there.unsqueeze(2)
        weight = None if pairs.weight is None else pairs.weight[place].unsqueeze(2)
        solved[rows] = _conjugate_gradients(vectors, weight, common, start[rows], alpha, l2[rows, None], steps)
    return solved


def _conjugate_gradients(
    vectors: Tensor, weight: Tensor | None, common: Tensor, start: Tensor, alpha: float, l2: Tensor, steps: int
) -> Tensor:
    """Solve (Y'Y + (alpha - 1) V'RV + l2 I) x = V'(1 + (alpha - 1) r) for B rows with vectors V [B, N, D].

    Y'Y is `common` [D, D], and R = diag(r) of `weight` [B, N, 1], or of ones where that is None.
    """

    def product(x: Tensor) -> Tensor:
        inner = (vectors * x.unsqueeze(1)).sum(2, keepdim=True)  # half the time of a batched product
        inner = inner if weight is None else inner * weight
        return x @ common + (alpha - 1) * (inner * vectors).sum(1) + l2 * x

    x = start.clone()
    wanted = alpha * vectors.sum(1) if weight is None else ((1 + (alpha - 1) * weight) * vectors).sum(1)
    residual = wanted - product(x)
    direction, square = residual, residual.square().sum(1, keepdim=True)
    for _ in range(steps):
        curved = product(direction)
        length = square / (direction * curved).sum(1, keepdim=True).clamp(min=1e-20)
        x = x + length * direction
        residual = residual - length * curved
        previous, square = square, residual.square().sum(1, keepdim=True)
        direction = residual + square / previous.clamp(min=1e-20) * direction
    return x
