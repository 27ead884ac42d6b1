"""Rows of several kinds of feedback, and the terms of the multi-task losses by plain loops."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from tests.losses.by_hand import sigmoid, towers

CLICK_PAY = [[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]]
LOGITS = [[[1.0, 0.5, 0.2]], [[0.2, -0.3, -0.1]], [[-0.8, 0.4, 0.3]], [[-1.2, -1.0, 0.6]]]
EXTRA = {"escm2-dr", "dcmt"}  # have a further tower per step
CHAINS = ["escm2-ips", "escm2-dr", "dcmt", "nise"]


def two_towers(name: str) -> Towers:
    return towers(LOGITS if name in EXTRA else [[row[0][:2]] for row in LOGITS])


Row = tuple[list[float], list[int]]


def entropy(p: float, y: float, weight: float) -> float:
    return -(weight * y * log(p) + (1 - y) * log(1 - p))


def chain(row: Row) -> tuple[list[float], list[float], list[int]]:
    """The probability of each step, of each feedback, and whether all labels so far are 1."""
    logit, label = row
    steps = [sigmoid(x) for x in logit]
    reached, product, together = [], 1.0, 1
    both: list[int] = []
    for p, y in zip(steps, label, strict=False):
        product, together = product * p, together * y
        reached.append(product)
        both.append(together)
    return steps, reached, both


def slow_esmm(row: Row, weights: list[float]) -> float:
    _, reached, both = chain(row)
    return sum(entropy(p, y, w) for p, y, w in zip(reached, both, weights, strict=True))


def slow_escm2_ips(row: Row, weights: list[float]) -> float:
    steps, reached, both = chain(row)
    total = slow_esmm(row, weights)
    for c in range(1, len(weights)):
        total += 0.5 * both[c - 1] / reached[c - 1] * entropy(steps[c], both[c], weights[c])
    return total


def slow_escm2_dr(row: Row, weights: list[float], imputation: str = "sigmoid", largest: float = 15.0) -> float:
    steps, reached, both = chain(row)
    total, tasks = slow_esmm(row, weights), len(weights)
    for c in range(1, tasks):
        guess = row[0][tasks + c - 1]
        predicted = sigmoid(guess) if imputation == "sigmoid" else -log(sigmoid(-guess))
        gap = entropy(steps[c], both[c], weights[c]) - predicted
        inverse = min(both[c - 1] / reached[c - 1], largest)
        total += 0.5 * (predicted + gap * inverse + gap**2 * inverse)
    return total


def slow_dcmt(row: Row, weights: list[float]) -> float:
    steps, reached, both = chain(row)
    total, tasks = slow_esmm(row, weights), len(weights)
    for c in range(1, tasks):
        other = steps[tasks + c - 1]
        here = both[c - 1] / reached[c - 1] * entropy(steps[c], both[c], weights[c])
        there = (1 - both[c - 1]) / (1 - reached[c - 1]) * entropy(other, 1 - both[c], weights[c])
        total += 0.5 * (here + there + 1e-3 * abs(1 - steps[c] - other))
    return total


def slow_nise(row: Row, weights: list[float]) -> float:
    steps, _, both = chain(row)
    total = entropy(steps[0], both[0], weights[0])
    for c in range(1, len(weights)):
        target = both[c] if both[c - 1] else steps[c]
        total += entropy(steps[c], target, weights[c])
    return total


def slow_tafe(row: Row, weights: list[float]) -> float:
    p, label = [sigmoid(x) for x in row[0]], row[1]
    total = sum(entropy(a, y, w) for a, y, w in zip(p, label, weights, strict=True))
    return total + sum(((p[c] - p[c + 1]) - (label[c] - label[c + 1])) ** 2 for c in range(len(p) - 1))


SLOW = {
    "escm2-ips": slow_escm2_ips,
    "escm2-dr": slow_escm2_dr,
    "dcmt": slow_dcmt,
    "nise": slow_nise,
    "tafe": slow_tafe,
}


def random_rows(name: str, info: Info, count: int = 30) -> tuple[Tensor, Batch]:
    """Logits of all towers, labels that are not all nested, and a mask."""
    generator = torch.Generator().manual_seed(2)
    width = 2 * info.tasks - 1 if name in EXTRA else info.tasks
    inner = torch.randn(count, 2, width, generator=generator, dtype=torch.float64)
    label = (torch.rand(count, 2, info.tasks, generator=generator) < 0.55).double()
    mask = torch.rand(count, 2, generator=generator) < 0.7
    nothing = torch.empty(0)
    return inner, Batch(nothing, nothing, label, mask)


def of(inner: Tensor) -> Towers:
    return Towers(torch.empty(0), torch.empty(0), pair=inner)


def plain_rows(inner: Tensor, labels: Batch) -> list[Row]:
    assert labels.mask is not None
    logit, label = inner[labels.mask].tolist(), labels.label[labels.mask].int().tolist()
    return list(zip(logit, label, strict=True))


def four_rows(name: str) -> list[Row]:
    """The rows of LOGITS and CLICK_PAY as plain lists."""
    inner = two_towers(name).inner[:, 0].tolist()
    return [(logit, [int(y) for y in label[0]]) for logit, label in zip(inner, CLICK_PAY, strict=True)]
