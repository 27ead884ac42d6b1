"""What a sampler is: a value whose batches are a pure function of dataset, size and the generator's state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log, Positives
from recbench.errors import TrainingError


class Sampler(ABC):
    """Turns the training log of a dataset into batches of slates."""

    @property
    def gives(self) -> frozenset[str]:
        """What its batches carry, of the names in `recbench.capabilities`."""
        return frozenset()

    @property
    def needs(self) -> frozenset[str]:
        """What it asks of a backbone's `offers`."""
        return frozenset()

    @abstractmethod
    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch of batches of about `size` logged rows, drawn by `generator` (on the data's device)."""

    def rows(self, data: Dataset) -> int:
        """Return the number of logged rows that one epoch goes through."""
        return len(data.train)


def shuffled(count: int, log: Log, generator: torch.Generator) -> Tensor:
    """Return the numbers below `count` in random order, on the log's device."""
    return torch.randperm(count, generator=generator, device=log.user.device)


def logged_rows(log: Log, index: Tensor) -> Batch:
    """Return the rows `index` [B] of a log as slates of one."""
    return Batch(
        user=log.user.index_select(0, index).long(),  # on CPU twice as fast as log.user[index]
        item=log.item.index_select(0, index).long().unsqueeze(1),
        label=log.label[index].float().unsqueeze(1),
        rows=len(index),
        row=index,
    )


def positive_rows(data: Dataset) -> Tensor:
    """Return the training rows that have some feedback; raises TrainingError if there is none."""
    rows = data.train.label.amax(1).nonzero()[:, 0]
    if not len(rows):
        raise TrainingError(f"{data.name}: no training row has feedback {', '.join(data.feedback)}")
    return rows


def items_of(positives: Positives, user: Tensor) -> tuple[Tensor, Tensor]:
    """Return (index into `user` [B], item) of every positive of these users."""
    first = positives.start.index_select(0, user)  # on CPU several times as fast as positives.start[user]
    count = positives.start.index_select(0, user + 1) - first
    index = torch.repeat_interleave(torch.arange(len(user), device=user.device), count)
    shift = (first - count.cumsum(0) + count).index_select(0, index)
    return index, positives.item.index_select(0, shift + torch.arange(len(index), device=user.device))
