"""Losses, and towers and batches with given numbers, for values that are worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log1p

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss, create, defaults

Numbers = Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]] | Tensor  # [B, N], or [B, N, K]

SINGLE = Info(users=10, items=10, rates=(0.25,))
TWO = Info(users=10, items=10, rates=(0.5, 0.25), feedback=("click", "pay"))
THREE = Info(users=10, items=10, rates=(0.5, 0.2, 0.05), feedback=("click", "cart", "pay"))


def loss(name: str, info: Info = SINGLE, **settings: object) -> Loss:
    """A registered loss in float64; raises UsageError as in a run."""
    kind = LOSSES.get(name)
    return create(kind, info, defaults(kind) | settings).double()  # type: ignore[arg-type]


def tensor(numbers: Numbers) -> Tensor:
    """Return [B, N, K] in float64, with K = 1 where the numbers are [B, N]."""
    values = numbers if isinstance(numbers, Tensor) else torch.tensor(numbers, dtype=torch.float64)
    return values if values.dim() == 3 else values.unsqueeze(-1)


def towers(logit: Numbers) -> Towers:
    """Towers with given inner products."""
    nothing = torch.empty(0)
    return Towers(nothing, nothing, pair=tensor(logit))


def batch(label: Numbers, mask: Sequence[Sequence[bool]] | None = None) -> Batch:
    """A batch with given labels."""
    nothing = torch.empty(0, dtype=torch.long)
    return Batch(nothing, nothing, tensor(label), None if mask is None else torch.tensor(mask))


def rows(values: Sequence[float]) -> list[list[float]]:
    """Slates of one."""
    return [[value] for value in values]


def softplus(x: float) -> float:
    return log1p(exp(x))


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))
