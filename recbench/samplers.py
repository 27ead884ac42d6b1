"""From a training log to slates of candidates, on the device where the log lies.

Every sampler is a value, and its batches are a pure function of the dataset, the size and the generator's state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log, Positives
from recbench.errors import TrainingError


class Sampler(ABC):
    """Turns the training log of a dataset into batches of slates."""

    @abstractmethod
    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch of batches of about `size` logged rows, drawn by `generator` (on the data's device)."""

    def rows(self, data: Dataset) -> int:
        """Return the number of logged rows that one epoch goes through."""
        return len(data.train)


@dataclass(frozen=True)
class Rows(Sampler):
    """Logged rows: slates of one, with all their feedback."""

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every row once per epoch, in random order: item [B, 1]."""
        for index in _shuffled(len(data.train), data.train, generator).split(size):
            yield _logged(data.train, index)


@dataclass(frozen=True)
class Triplets(Sampler):
    """One positive and uniform negatives that are not training positives of the user.

    Rendle et al., UAI 2009, section 4.2, https://arxiv.org/abs/1205.2618. With `negatives=0`, positive pairs only.
    """

    negatives: int = 1

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [B, 1 + negatives], the positive first."""
        rows = _positive_rows(data)
        draw = Negatives(data.positives, data.items.seen)
        for index in rows[_shuffled(len(rows), data.train, generator)].split(size):
            batch = _logged(data.train, index)
            if not self.negatives:
                yield batch
                continue
            item, valid, log_q = draw(batch.user, self.negatives, generator)
            yield Batch(
                user=batch.user,
                item=torch.cat([batch.item, item], 1),
                label=torch.cat([batch.label, batch.label.new_zeros(*item.shape, batch.label.shape[-1])], 1),
                mask=torch.cat([torch.ones_like(valid[:, :1]), valid], 1),
                log_q=torch.cat([torch.zeros_like(log_q[:, :1]), log_q], 1),
                rows=batch.rows,
            )

    def rows(self, data: Dataset) -> int:
        """Return the number of positive rows."""
        return len(_positive_rows(data))


@dataclass(frozen=True)
class Shared(Sampler):
    """The batch's positives and one pool of uniform negatives for all users.

    Slots 0..B-1 hold the positives, of which each user sees only its own; then come `negatives * B` distinct items,
    drawn without replacement, of which a user's training positives are masked (CROLoss, section 4.1.4).
    """

    negatives: int = 10

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every positive row once per epoch: item [1, B + pool], mask and label [B, B + pool]."""
        rows, seen = _positive_rows(data), data.items.seen
        spare = seen + len(data.train)  # a slot number beyond any slate
        slot = torch.full((len(data.items),), spare, device=rows.device)
        for index in rows[_shuffled(len(rows), data.train, generator)].split(size):
            batch = _logged(data.train, index)
            count = torch.arange(len(index), device=rows.device)
            pool = torch.randperm(seen, generator=generator, device=rows.device)[: len(index) * self.negatives]
            width = len(index) + len(pool)
            slot[pool] = torch.arange(len(index), width, device=rows.device)
            taker, taken = _items_of(data.positives, batch.user)
            mask = torch.ones(len(index), width + 1, dtype=torch.bool, device=rows.device)
            mask[:, : len(index)] = False
            mask[count, count] = True
            mask[taker, slot[taken].clamp(max=width)] = False  # those not in the pool fall on the last column
            slot[pool] = spare
            label = batch.label.new_zeros(len(index), width, batch.label.shape[-1])
            label[count, count] = batch.label[:, 0]
            log_q = torch.cat(
                [batch.label.new_zeros(len(index)), batch.label.new_full((len(pool),), len(pool) / seen).log()]
            )
            item = torch.cat([batch.item[:, 0], pool]).unsqueeze(0)
            yield Batch(batch.user, item, label, mask[:, :width], log_q.expand(len(index), -1), rows=len(index))

    def rows(self, data: Dataset) -> int:
        """Return the number of positive rows."""
        return len(_positive_rows(data))


@dataclass(frozen=True)
class Lists(Sampler):
    """All logged rows of a user as one padded list; beyond `longest`, split at random into equal lists."""

    longest: int = 500

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every row once per epoch: item [B, N], lists packed until a batch holds about `size` rows."""
        log = data.train
        order = _shuffled(len(log), log, generator)
        order = order[torch.sort(log.user[order], stable=True).indices]
        count = torch.bincount(log.user, minlength=len(data.users))
        first = count.cumsum(0) - count
        user = log.user[order].long()
        pieces = torch.div(count + self.longest - 1, self.longest, rounding_mode="floor")
        piece = (torch.arange(len(log), device=user.device) - first[user]) % pieces[user]
        most = int(pieces.max())
        by_list = torch.sort(user * most + piece, stable=True)
        order = order[by_list.indices]
        length = torch.unique_consecutive(by_list.values, return_counts=True)[1]
        del user, piece, by_list
        start = length.cumsum(0) - length

        lists = _shuffled(len(length), log, generator)
        done = length[lists].cumsum(0)
        batch_number = torch.div(done - 1, size, rounding_mode="floor")
        counts = torch.unique_consecutive(batch_number, return_counts=True)[1]
        ends = done[counts.cumsum(0) - 1]
        rows = torch.cat([ends[:1], ends.diff()]).tolist()
        number = torch.repeat_interleave(torch.arange(len(counts), device=length.device), counts)
        widths = torch.zeros_like(counts).scatter_reduce(0, number, length[lists], "amax").tolist()
        for chosen, held, width in zip(lists.split(counts.tolist()), rows, widths, strict=True):
            place = torch.arange(width, device=length.device)
            mask = place < length[chosen, None]
            row = order[torch.where(mask, start[chosen, None] + place, start[chosen, None])]
            yield Batch(log.user[row[:, 0]].long(), log.item[row].long(), log.label[row].float(), mask, rows=held)


class Negatives:
    """Draws items uniformly among those that are not a user's positives, exactly and without rejection.

    The r-th free item of a user is r plus the number of positives p_j with p_j - j <= r, which one binary search over
    the sorted keys `user * items + p_j - j` finds.
    """

    def __init__(self, positives: Positives, items: int) -> None:
        rank = torch.arange(len(positives.item), device=positives.item.device) - positives.start[positives.user]
        self.items = items
        self.start = positives.start
        self.key = positives.user * items + positives.item - rank

    def __call__(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid (False where the user has every item) and log probability, each [B, count]."""
        free = (self.items - self.start.diff()[user])[:, None]
        draw = torch.randint(2**62, (len(user), count), generator=generator, device=user.device)
        nth = draw % free.clamp(min=1)
        passed = torch.searchsorted(self.key, user[:, None] * self.items + nth, right=True)
        item = (nth + passed - self.start[user, None]).clamp(max=self.items - 1)
        valid = (free > 0).expand_as(item)
        return item, valid, -torch.log(free.clamp(min=1).float()).expand_as(item)


def _shuffled(count: int, log: Log, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator, device=log.user.device)


def _logged(log: Log, index: Tensor) -> Batch:
    return Batch(
        user=log.user[index].long(),
        item=log.item[index].long().unsqueeze(1),
        label=log.label[index].float().unsqueeze(1),
        rows=len(index),
    )


def _positive_rows(data: Dataset) -> Tensor:
    rows = data.train.label.amax(1).nonzero()[:, 0]
    if not len(rows):
        raise TrainingError(f"{data.name}: no training row has feedback {', '.join(data.feedback)}")
    return rows


def _items_of(positives: Positives, user: Tensor) -> tuple[Tensor, Tensor]:
    """Return (index into `user`, item) of every training positive of these users."""
    count = positives.start.diff()[user]
    index = torch.repeat_interleave(torch.arange(len(user), device=user.device), count)
    offset = torch.arange(len(index), device=user.device) - (count.cumsum(0) - count)[index]
    return index, positives.item[positives.start[user][index] + offset]
