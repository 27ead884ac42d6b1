"""One number for each kind of feedback, as a setting writes them, and one mean for each."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.errors import UsageError


def per_task(word: str, tasks: int, name: str) -> Tensor:
    """Parse "10" or "10,100" into one number above 0 per kind of feedback, [T]; raises UsageError."""
    try:
        numbers = [float(part) for part in word.split(",")]
    except ValueError:
        raise UsageError(f"{name}={word}: expected a number, or one per feedback as in 10,100") from None
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise UsageError(f"{name}={word}: expected numbers above 0")
    if len(numbers) == 1:
        numbers *= tasks
    if len(numbers) != tasks:
        raise UsageError(f"{name}={word}: expected 1 or {tasks} numbers, one per feedback from dense to sparse")
    return torch.tensor(numbers)


def means(value: Tensor, batch: Batch) -> Tensor:
    """Return the mean of each column of `value` [B, N, T] over the slots that count, [T]; 0 if none does."""
    if batch.mask is None and batch.weight is None:
        return value.mean((0, 1))
    counts = torch.ones_like(value[..., 0], dtype=torch.bool) if batch.mask is None else batch.mask
    return batch.weighted(value.masked_fill(~counts[..., None], 0)).sum((0, 1)) / batch.number(counts)
