"""Rows with an ordinal level, and the probabilities of the levels by the definition of each loss."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from tests.losses.by_hand import batch, loss, sigmoid, towers

NAMES = ("view", "cart", "buy", "gift")
RATES = (0.4, 0.1, 0.02, 0.004)
NESTED = {"gnolr": True, "gnolr-v0": False, "gnolr-v1": True, "neural-olr": False}
INNER = [0.7, -0.4, 0.3, 0.2]


def info(tasks: int) -> Info:
    return Info(10, 10, rates=RATES[:tasks], feedback=NAMES[:tasks])


def of_level(level: int, tasks: int) -> list[list[list[float]]]:
    return [[[1.0 if c < level else 0.0 for c in range(tasks)]]]


def probabilities(name: str, tasks: int, scale: float) -> list[float]:
    """P(level >= c) for c = 0..T + 1, worked out from the definition of each method."""
    thresholds = [log((1 - rate) / rate) for rate in RATES[:tasks]]
    if name == "neural-olr":
        scores = [scale * INNER[0]] * tasks
    elif name == "gnolr-v0":
        scores = [scale * INNER[c] for c in range(tasks)]
    else:
        scores = [scale * sum(INNER[: c + 1]) for c in range(tasks)]
    return [1.0, *(sigmoid(s - a) for s, a in zip(scores, thresholds, strict=True)), 0.0]


def value(name: str, level: int, tasks: int, scale: float) -> float:
    logit = INNER[:1] if name == "neural-olr" else INNER[:tasks]
    inner = towers([[logit]]).affine(scale, 0.0)
    return float(loss(name, info(tasks))(inner, batch(of_level(level, tasks))))


def random_rows(tasks: int, count: int = 40) -> tuple[Tensor, Batch]:
    generator = torch.Generator().manual_seed(tasks)
    inner = torch.rand(count, 1, tasks, generator=generator, dtype=torch.float64) * 2 - 1
    level = torch.randint(tasks + 1, (count, 1, 1), generator=generator)
    label = (torch.arange(tasks) < level).double()
    nothing = torch.empty(0)
    return inner, Batch(nothing, nothing, label)


def of(inner: Tensor, scale: float = 1.0) -> Towers:
    nothing = torch.empty(0)
    return Towers(nothing, nothing, pair=inner).affine(scale, 0.0)
