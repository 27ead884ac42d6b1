"""What a sampler is: a value whose batches are a pure function of dataset, size and the generator's state.

One that draws by the vectors of a model also depends on those that it was given last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from recbench import settings
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log, Positives
from recbench.errors import TrainingError, UsageError
from recbench.registry import Registry
from recbench.settings import Value

AHEAD = 1 << 17  # slots that are read or drawn at a time: a few MiB


class Sampler(ABC):
    """Turns the training log of a dataset into batches of slates.

    Of those in SAMPLERS, the keyword-only arguments are the settings.
    """

    name: ClassVar[str]
    only_positives: ClassVar[bool] = False  # whether an epoch goes through the rows that have some feedback alone

    @property
    def title(self) -> str:
        """How a sentence calls its slates: by the name that is typed after `--sampler`, if there is one."""
        name = getattr(self, "name", "")
        return f"`{name}`" if name else str(self)

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
        if self.only_positives:
            return len(positive_rows(data))
        return len(data.train) if data.sequence is None else int((data.sequence >= 0).count_nonzero())

    def refresh(self, user: Tensor, item: Tensor, scale: Tensor) -> None:
        """Take the vectors of all users [users, D] and all items [items, D], before each epoch.

        Logits are `scale` (a scalar) times their inner products. It is called if `needs` names "vectors".
        """
        raise NotImplementedError(f"{type(self).__name__} needs vectors and has no `refresh`")


SAMPLERS: Registry[Sampler] = Registry("sampler", "recbench.samplers")


def resolve(words: Mapping[str, str]) -> dict[str, Value]:
    """Return the name and all settings of the sampler that the word `name` chooses; none without words.

    Raises UsageError for a sampler or a setting that does not exist, and for settings without a name.
    """
    if not words:
        return {}
    if "name" not in words:
        key, word = next(iter(words.items()))
        raise UsageError(f"sampler.{key}={word}: of which sampler? Add --sampler NAME; see `recbench list samplers`")
    own = {key: word for key, word in words.items() if key != "name"}
    return {"name": words["name"], **settings.resolve(SAMPLERS.get(words["name"]), "sampler", own)}


def defaults(name: str) -> dict[str, Value]:
    """Return the name and all settings of a sampler with their defaults."""
    return {"name": name, **settings.defaults(SAMPLERS.get(name))}


def create(values: Mapping[str, Value]) -> Sampler | None:
    """Build a sampler from its name and settings, None from nothing; raises UsageError for one that is out of range."""
    if not values:
        return None
    kind = SAMPLERS.get(str(values["name"]))
    own = {key: value for key, value in values.items() if key != "name"}
    settings.check_ranges(kind, "sampler", own)
    return kind(**own)


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


def logged_batches(log: Log, order: Tensor, size: int) -> Iterator[Batch]:
    """Yield the rows `order` of a log as slates of one, `size` at a time.

    The rows of many batches are read at once: a GPU does that in the time of one.
    """
    for index in order.split(size * max(1, AHEAD // size)):
        read = logged_rows(log, index)
        parts = (part.split(size) for part in (read.user, read.item, read.label, index))
        for user, item, label, row in zip(*parts, strict=True):
            yield Batch(user, item, label, rows=len(row), row=row)


def weighted(batch: Batch, log: Log) -> Batch:
    """Return the batch with the weights of the rows that its slates stand for, where the log has weights."""
    if log.weight is None or batch.row is None:
        return batch
    return replace(batch, weight=log.weight.index_select(0, batch.row))


def visiting_order(data: Dataset, generator: torch.Generator, rows: Tensor | None = None) -> Tensor:
    """Return these training rows (None: all) in random order, once each, as an epoch goes through them.

    Where the data have sequences, these come in random order, and the rows of each in the order of the log.
    """
    if data.sequence is None:
        order = shuffled(len(data.train) if rows is None else len(rows), data.train, generator)
        return order if rows is None else rows[order]
    if rows is None:
        rows = (data.sequence >= 0).nonzero()[:, 0]
    sequence = data.sequence[rows]
    place = shuffled(int(data.sequence.max()) + 1, data.train, generator)[sequence]
    return rows[torch.argsort(place, stable=True)]


def positive_rows(data: Dataset) -> Tensor:
    """Return the training rows that have some feedback, of the sequences where the data have these.

    Raises TrainingError if there is none.
    """
    positive = data.train.label.amax(1) > 0
    rows = (positive if data.sequence is None else positive & (data.sequence >= 0)).nonzero()[:, 0]
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
