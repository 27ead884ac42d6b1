"""What each user did before each row, for models that read behaviour sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.data.dataset import Log


@dataclass(frozen=True)
class Histories:
    """The items of every user in time order, and for each row of a log where its own past ends.

    Nothing is stored per row but two positions, however long the sequences are that a model reads.
    """

    item: Tensor  # [P] int32: all users' items, one user after the other
    start: Tensor  # [R] int64: where the row's user begins in `item`
    end: Tensor  # [R] int64: where its past ends: items at start … end - 1 came before the row
    time: Tensor | None = None  # [P] int64: when each user had each item, in the unit of the log

    @staticmethod
    def by_row(log: Log, chosen: Tensor | None = None) -> Histories:
        """Collect the past of each row of `log` [R], in time order, ties in the order of the log.

        `chosen`, bool [R], says which rows count as behaviour, such as those with a click; default: all.
        """
        user = log.user.long()
        counts = torch.ones_like(user, dtype=torch.bool) if chosen is None else chosen
        order = _user_by_user(log)
        counted = counts[order].long().cumsum(0)
        past = torch.empty_like(counted)
        past[order] = counted - counts[order].long()  # rows that count before each row, over all users in turn
        first = torch.ones_like(user, dtype=torch.bool)
        first[1:] = user[order][1:] != user[order][:-1]
        begins = torch.cummax(torch.where(first, past[order], 0), 0).values
        start = torch.empty_like(past)
        start[order] = begins
        behaviour = order[counts[order]]
        return Histories(log.item[behaviour], start, past, None if log.time is None else log.time[behaviour])

    @staticmethod
    def by_user(log: Log, users: int, chosen: Tensor) -> Histories:
        """Collect all that each user did in `log`; "row" u is then the end of user u's history, 0 to `users` - 1."""
        log = log[chosen]
        count = torch.bincount(log.user, minlength=users)
        end = count.cumsum(0)
        order = _user_by_user(log)
        return Histories(log.item[order], end - count, end, None if log.time is None else log.time[order])

    def last(self, row: Tensor, length: int) -> Tensor:
        """Return the last `length` items before each of these rows [B], oldest first, -1 before the first: [B, L]."""
        return self._last(self.item, row, length)

    def times(self, row: Tensor, length: int) -> Tensor | None:
        """Return when the items that `last` returns were had [B, L], -1 before the first; None without times."""
        return None if self.time is None else self._last(self.time, row, length)

    def _last(self, value: Tensor, row: Tensor, length: int) -> Tensor:
        place = self.end[row, None] - torch.arange(length, 0, -1, device=row.device)
        known = place >= self.start[row, None]
        if not len(value):
            return torch.full(place.shape, -1, dtype=value.dtype, device=row.device)
        return torch.where(known, value[place.clamp(0, len(value) - 1)], -1)


def time_order(log: Log) -> Tensor:
    """Return the numbers of the rows [R] in time order; ties, and rows without times, as they stand.

    Where a log is put together of several parts, such as train and valid, rows of a later one may be earlier.
    """
    if log.time is None:
        return torch.arange(len(log), device=log.user.device)
    return torch.argsort(log.time, stable=True)


def _user_by_user(log: Log) -> Tensor:
    """Return the numbers of the rows [R], one user after the other, those of each in time order."""
    order = time_order(log)
    return order[torch.argsort(log.user[order], stable=True)]


@dataclass(frozen=True)
class Windows:
    """Histories cut into windows of at most L items, and where in which window each row's past ends.

    Of each user the windows lie end to end, the last one ending where the past of its last row does. So one encoding
    of a window, a vector after each item, holds what all the rows that end in it need.
    """

    histories: Histories  # of the windows [W]: "row" w ends where window w does
    window: Tensor  # [R] int64: the window that the past of each row ends in
    slot: Tensor  # [R] int64: where in the window its last item lies, L - 1 being the last
    latest: Tensor  # [R] bool: whether that window is the user's last
    length: int  # L

    @staticmethod
    def of(log: Log, chosen: Tensor, length: int) -> Windows:
        """Cut the past of each row of `log` [R], in time order; `chosen`, bool [R], says which rows are behaviour."""
        past = Histories.by_row(log, chosen=chosen)
        count, user = past.end - past.start, log.user.long()
        users = int(user.max()) + 1 if len(log) else 0
        most = torch.zeros(users, dtype=torch.long, device=user.device).scatter_reduce_(0, user, count, "amax")
        after = most[user] - count  # items of the user between the end of the row's past and that of its last row's
        number = torch.div(after, length, rounding_mode="floor")
        highest = int(number.max()) + 1 if len(log) else 1
        key, window = torch.unique(user * highest + number, return_inverse=True)
        start, end = torch.zeros_like(key), torch.zeros_like(key)
        start[window] = past.start
        end[window] = past.end + after % length
        windows = Histories(past.item, torch.maximum(start, end - length), end, past.time)
        return Windows(windows, window, length - 1 - after % length, number == 0, length)
