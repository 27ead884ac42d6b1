"""Towers and feedback on the whole catalogue, drawn and plain, and what softmax over it is by loops."""

from __future__ import annotations

from math import exp, log

import torch
from torch import Tensor

from recbench.batch import Batch, Pairs, Towers

History = list[list[int]]


def whole_catalogue(history: History, items: int) -> Batch:
    """The batch of users who have had these items."""
    start = torch.tensor([0, *(len(own) for own in history)]).cumsum(0)
    item = torch.tensor([item for own in history for item in own], dtype=torch.long)
    pairs = Pairs(start, item, torch.ones(len(item), 1, dtype=torch.double))
    slate = torch.arange(items)[None]
    return Batch(torch.arange(len(history)), slate, torch.empty(len(history), 0, 1), rows=len(item), pairs=pairs)


def drawn(users: int, items: int, dim: int = 3, seed: int = 0) -> Towers:
    generator = torch.Generator().manual_seed(seed)
    user = torch.randn(users, 1, dim, dtype=torch.double, generator=generator)
    return Towers(user, torch.randn(1, items, 1, dim, dtype=torch.double, generator=generator))


def log_likelihoods(inner: Tensor, history: History, scale: float = 1.0, bias: float = 0.0) -> list[list[float]]:
    """For each user and each of his items the log of its share in the softmax over inner products [B, I]."""
    logit = [[scale * value + bias for value in row] for row in inner.tolist()]
    return [
        [row[item] - log(sum(exp(other) for other in row)) for item in own]
        for row, own in zip(logit, history, strict=True)
    ]
